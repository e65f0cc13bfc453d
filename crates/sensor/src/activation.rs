//! The detector that a site uses, and those before it: a folder that is never half written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use model::Detector;
use model::evaluation::Overruled;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A folder with the active detector and those that were active before it.
///
/// It holds a copy of each, named by its SHA-256, so that nothing done to the file that was activated changes what is used,
/// and a list. A change writes a new list and puts it into the place of the old one: whoever reads at that moment, and
/// whatever breaks off, has the one or the other.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

/// A detector that was made the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// The file that it was.
    pub source: String,
    /// The SHA-256 of the file's content but for the checksum at its end, which is this, in hexadecimal.
    pub sha256: String,
    /// Its method.
    pub method: String,
    /// The errors of its audit that were overruled, in its card or when it was made active.
    pub overruled: Vec<Overruled>,
}

/// The file that lists them.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// The earliest first; the last is active.
    activations: Vec<Activation>,
}

impl Registry {
    /// The one in this folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Registry {
        Registry { folder: folder.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was made active, the earliest first; the last is what is used.
    pub fn activations(&self) -> Result<Vec<Activation>, Error> {
        let path = self.list();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(state(&path, error)),
        };
        let list: List = serde_json::from_slice(&text)
            .map_err(|error| state(&path, format!("not a list of detectors ({error})")))?;
        let is_name = |of: &Activation| of.sha256.len() == 64 && of.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if list.activations.iter().all(is_name) { Ok(list.activations) } else { Err(state(&path, "a hash is none")) }
    }

    /// The active detector, where there is one.
    pub fn active(&self) -> Result<Option<(Detector, Activation)>, Error> {
        let mut tried = None;
        loop {
            let Some(activation) = self.activations()?.pop() else { return Ok(None) };
            let path = self.file(&activation.sha256);
            match read(&path) {
                // Another activation may have taken it away since the list was read.
                Err(error) if error.kind() == ErrorKind::NotFound && tried.as_ref() != Some(&activation) => {
                    tried = Some(activation);
                }
                Err(error) => return Err(state(&path, format!("the active detector cannot be read ({error})"))),
                Ok(bytes) => {
                    let detector = Detector::from_bytes(&bytes)?;
                    if checksum(&bytes) != activation.sha256 {
                        let reason = "it is not the detector that was activated: activate one again";
                        return Err(state(&path, reason));
                    }
                    return Ok(Some((detector, activation)));
                }
            }
        }
    }

    /// Makes a detector the active one. `bytes` are those of its file, `source` its name; refused where its audit found
    /// errors that neither its card nor `overruled` overrules.
    pub fn activate(&self, bytes: &[u8], source: String, overruled: &[Overruled]) -> Result<Activation, Error> {
        let detector = Detector::from_bytes(bytes)?;
        let forbidding = detector.forbidding(overruled);
        if !forbidding.is_empty() {
            let sentences = forbidding.iter().map(|finding| format!("{} ({})", finding.sentence, finding.name()));
            return Err(Error::Audit(sentences.collect()));
        }
        let activation = Activation {
            source,
            sha256: checksum(bytes),
            method: detector.provenance.method.name().to_owned(),
            overruled: detector.supplement.overruled.iter().chain(overruled).cloned().collect(),
        };
        let _lock = self.lock()?;
        let mut activations = self.activations()?;
        activations.pop_if(|last| last.sha256 == activation.sha256);
        activations.push(activation.clone());
        activations.drain(..activations.len().saturating_sub(MOST_KEPT));
        write(&self.file(&activation.sha256), bytes)?;
        self.replace(activations)?;
        Ok(activation)
    }

    /// Goes back to what was active before; the activation that this ends, and the one that is active now, if any.
    pub fn roll_back(&self) -> Result<(Activation, Option<Activation>), Error> {
        let _lock = self.lock()?;
        let mut activations = self.activations()?;
        let ended = activations.pop().ok_or(Error::NoneActive)?;
        let now = activations.last().cloned();
        self.replace(activations)?;
        Ok((ended, now))
    }

    /// Puts a new list into the place of the old one, then takes away the detectors that it does not name.
    fn replace(&self, activations: Vec<Activation>) -> Result<(), Error> {
        let list = List { activations };
        let text = serde_json::to_vec_pretty(&list).map_err(|error| state(&self.list(), error))?;
        write(&self.list(), &text)?;
        let entries = fs::read_dir(&self.folder).map_err(|error| state(&self.folder, error))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let sha256 = name.to_str().and_then(|name| name.strip_suffix(DETECTOR)).filter(|name| name.len() == 64);
            if sha256.is_some_and(|sha256| list.activations.iter().all(|of| of.sha256 != sha256)) {
                fs::remove_file(entry.path()).map_err(|error| state(&entry.path(), error))?;
            }
        }
        Ok(())
    }

    /// Keeps others from changing it at the same time, until the file is closed.
    fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(|error| state(&self.folder, error))?;
        let path = self.folder.join("lock");
        let lock = || {
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error: io::Error| state(&path, error))
    }

    fn list(&self) -> PathBuf {
        self.folder.join("active.json")
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}{DETECTOR}"))
    }
}

/// Writes a file whole or not at all, and so that it is still there after the power failed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let part = path.with_extension("part");
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        // The name, too, must reach the disk; where folders cannot be opened, the system sees to it.
        match path.parent().map(File::open) {
            Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
            _ => Ok(()),
        }
    };
    write().map_err(|error: io::Error| state(path, error))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The checksum at the end of a detector file, in hexadecimal; it is right where the file loads.
fn checksum(bytes: &[u8]) -> String {
    let end: &[u8] = bytes.last_chunk::<32>().map_or(&[], |end| end);
    end.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn state(path: &Path, reason: impl ToString) -> Error {
    Error::State { path: path.to_owned(), reason: reason.to_string() }
}

const DETECTOR: &str = ".lapwing";
/// As many can be gone back over, the active one included.
const MOST_KEPT: usize = 8;
/// More than a detector file may have.
const MAX_BYTES: u64 = 300 << 20;

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};
    use model::evaluation::{Finding, Severity};
    use model::{Dataset, Method, Plan};

    use super::*;

    /// A folder of its own for a test.
    fn registry(name: &str) -> Registry {
        let folder = std::env::temp_dir().join(format!("lapwing-activation-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Registry::at(folder)
    }

    /// The files of detectors that differ by their seed.
    fn detector(seed: u64, findings: Vec<Finding>) -> Vec<u8> {
        let bytes = (0..60).map(|row| (row % 7) as f32).collect();
        let labels: Vec<Label> = (0..60).map(|row| Label::new(if row % 7 == 6 { "scan" } else { "normal" })).collect();
        let table = Table::new(vec![Column::numbers("bytes", bytes)]).unwrap();
        let plan = Plan { method: Method::all()[0].clone(), seed, ..Plan::default() };
        let mut detector = Detector::train(&Dataset::labelled(table, &labels).unwrap(), &plan).unwrap();
        detector.provenance.findings = findings;
        detector.to_bytes().unwrap()
    }

    fn files(registry: &Registry) -> usize {
        let ends = |name: &Path| name.extension().is_some_and(|end| end == "lapwing");
        fs::read_dir(registry.folder()).unwrap().filter(|entry| ends(&entry.as_ref().unwrap().path())).count()
    }

    #[test]
    fn the_last_activated_detector_is_active_and_rolling_back_returns_to_the_former() {
        let registry = registry("back");
        assert!(registry.active().unwrap().is_none());
        for seed in 1..=3 {
            registry.activate(&detector(seed, Vec::new()), format!("{seed}.lapwing"), &[]).unwrap();
        }
        let active = || registry.active().unwrap().map(|(detector, _)| detector.provenance.seed);
        assert_eq!((active(), files(&registry)), (Some(3), 3));
        let (ended, now) = registry.roll_back().unwrap();
        assert_eq!((ended.source.as_str(), now.unwrap().source.as_str()), ("3.lapwing", "2.lapwing"));
        assert_eq!((active(), files(&registry)), (Some(2), 2));
        registry.roll_back().unwrap();
        assert_eq!(registry.roll_back().unwrap().1, None);
        assert_eq!((active(), files(&registry)), (None, 0));
        assert!(matches!(registry.roll_back(), Err(Error::NoneActive)));
        fs::remove_dir_all(registry.folder()).unwrap();
    }

    #[test]
    fn an_error_of_the_audit_forbids_until_it_is_overruled_by_name() {
        let registry = registry("audit");
        let leak = Finding {
            columns: vec!["sttl".into()],
            ..Finding::of(Severity::Error, "giveaway", "column `sttl` gives the answer away".into())
        };
        let bytes = detector(1, vec![leak]);
        let overrule = |name: &str| vec![Overruled { name: name.into(), reason: Some("one testbed".into()) }];
        let refused = registry.activate(&bytes, "a".into(), &overrule("one-class")).unwrap_err().to_string();
        assert!(refused.contains("giveaway:sttl") && registry.active().unwrap().is_none(), "{refused}");
        registry.activate(&bytes, "a".into(), &overrule("giveaway:sttl")).unwrap();
        assert_eq!(registry.activations().unwrap()[0].overruled, overrule("giveaway:sttl"));
        fs::remove_dir_all(registry.folder()).unwrap();
    }

    #[test]
    fn an_activation_that_broke_off_leaves_the_former_one_active() {
        let registry = registry("broken-off");
        registry.activate(&detector(1, Vec::new()), "one".into(), &[]).unwrap();
        // All that it did but the last step: the new list was not yet put in place.
        let other = detector(2, Vec::new());
        fs::write(registry.file(&checksum(&other)), &other).unwrap();
        fs::write(registry.list().with_extension("part"), b"{\"activations\": [").unwrap();
        assert_eq!(registry.active().unwrap().unwrap().1.source, "one");
        registry.activate(&detector(3, Vec::new()), "three".into(), &[]).unwrap();
        assert_eq!((registry.active().unwrap().unwrap().1.source.as_str(), files(&registry)), ("three", 2));
        fs::remove_dir_all(registry.folder()).unwrap();
    }

    #[test]
    fn whoever_reads_while_others_activate_has_a_whole_detector() {
        let registry = registry("at-once");
        let both = [detector(1, Vec::new()), detector(2, Vec::new())];
        registry.activate(&both[0], "0".into(), &[]).unwrap();
        std::thread::scope(|scope| {
            for bytes in &both {
                let registry = &registry;
                scope.spawn(move || {
                    for turn in 0..30 {
                        registry.activate(bytes, turn.to_string(), &[]).unwrap();
                    }
                });
            }
            for _ in 0..200 {
                assert!(registry.active().unwrap().is_some());
            }
        });
        fs::remove_dir_all(registry.folder()).unwrap();
    }

    #[test]
    fn a_detector_that_was_exchanged_behind_the_back_is_refused() {
        let registry = registry("exchanged");
        let activation = registry.activate(&detector(1, Vec::new()), "one".into(), &[]).unwrap();
        fs::write(registry.file(&activation.sha256), detector(2, Vec::new())).unwrap();
        assert!(registry.active().unwrap_err().to_string().contains("activate one again"));
        fs::write(
            registry.list(),
            b"{\"activations\": [{\"source\": \"\", \"sha256\": \"../../etc\", \"method\": \"\", \"overruled\": []}]}",
        )
        .unwrap();
        assert!(registry.active().is_err());
        fs::remove_dir_all(registry.folder()).unwrap();
    }
}
