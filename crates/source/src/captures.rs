//! The packets of captures themselves, for those who look for some of them.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::format::packet::{self, Capture, Record};
use crate::merge::{Merge, Open};
use crate::opening::{Waiting, arrange, damaged, head};
use crate::transport::{file, folder};
use crate::{Error, Settings};

/// The packets of several captures as one stream in the order of time.
pub struct Captures {
    paths: Vec<PathBuf>,
    waiting: Vec<Waiting>,
    merge: Merge<Box<dyn Read + Send>>,
    damage: Vec<String>,
}

impl Captures {
    /// Looks into the files, and of folders into the files in them. What is no capture is passed over and told as damage.
    pub fn open(paths: &[PathBuf]) -> Result<Captures, Error> {
        let (files, mut damage) = folder::expand(paths)?;
        let (mut captures, mut waiting) = (Vec::new(), Vec::new());
        for path in files {
            match look_into(&path, captures.len()) {
                Ok(Some(file)) => {
                    captures.push(path);
                    waiting.push(file);
                }
                Ok(None) => damage.push(format!("{} is no capture, so it holds no packets", path.display())),
                Err(error) => damage.push(error.to_string()),
            }
        }
        arrange(&mut waiting);
        Ok(Captures { paths: captures, waiting, merge: Merge::new(), damage })
    }

    /// The files that are captures.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Gives some of the next packets; `false` after the last one.
    pub fn give(&mut self, mut take: impl FnMut(&Record<'_>)) -> bool {
        let due = self.merge.due();
        let is_due = |next: &mut Waiting| due.is_none_or(|due| next.start.time().is_none_or(|start| start <= due));
        if let Some(next) = self.waiting.pop_if(is_due) {
            if let Err(error) = self.open_next(next) {
                self.damage.push(error.to_string());
            }
            return true;
        }
        let until = self.waiting.last().and_then(|next| next.start.time());
        self.merge.give(PACKETS_AT_ONCE, until, |record| {
            take(&record);
            true
        });
        while let Some((open, damage)) = self.merge.pop_over() {
            self.damage.extend(damage.map(|reason| damaged(&open.path, "packet", open.records, reason).to_string()));
        }
        due.is_some() || !self.waiting.is_empty()
    }

    /// What could not be read, since the last call.
    pub fn damage(&mut self) -> Vec<String> {
        std::mem::take(&mut self.damage)
    }

    fn open_next(&mut self, next: Waiting) -> Result<(), Error> {
        let Waiting { path, number, pipe, .. } = next;
        let bytes: Box<dyn Read + Send> = Box::new(pipe.map_or_else(|| file::open(&path), Ok)?.bytes);
        let capture = Capture::new(bytes).map(Box::new).map_err(|reason| damaged(&path, "byte", 0, reason))?;
        self.merge.push(Open { path, number, capture, records: 0 });
        Ok(())
    }
}

/// A file whose time has not come; `None` where it is no capture.
fn look_into(path: &Path, number: usize) -> Result<Option<Waiting>, Error> {
    let mut opened = file::open(path)?;
    if !packet::is_capture(head(path, &mut opened)?) {
        return Ok(None);
    }
    Waiting::look_into(path.to_owned(), number, &Settings::default()).map(Some)
}

const PACKETS_AT_ONCE: u64 = 4096;

#[cfg(test)]
mod tests {
    use flow::Time;

    use super::*;
    use crate::format::pcapng;

    #[test]
    fn packets_of_several_captures_come_in_the_order_of_time_and_what_is_no_capture_is_told() {
        let folder = std::env::temp_dir().join(format!("lapwing-captures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, times) in [("b.pcapng", [1, 4, 5]), ("a.pcapng", [2, 3, 9])] {
            let mut bytes = Vec::new();
            let mut writer = pcapng::Writer::new(&mut bytes).unwrap();
            for time in times.map(Time::from_nanoseconds) {
                let packet = pcapng::Packet { interface: "", link: 1, time, wire_bytes: 60, bytes: b"packet" };
                writer.packet(&packet).unwrap();
            }
            // A capture cut in the middle of its last packet gives those before it.
            let cut = if name == "a.pcapng" { bytes.len() - 3 } else { bytes.len() };
            std::fs::write(folder.join(name), &bytes[..cut]).unwrap();
        }
        std::fs::write(folder.join("note.txt"), "not a capture").unwrap();
        let mut captures = Captures::open(std::slice::from_ref(&folder)).unwrap();
        let mut times = Vec::new();
        while captures.give(|record| times.push(record.time.nanoseconds())) {}
        assert_eq!((captures.paths().len(), times), (2, vec![1, 2, 3, 4, 5]));
        let damage = captures.damage();
        assert!(damage.len() == 2 && damage[0].contains("note.txt") && damage[1].contains("a.pcapng"), "{damage:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
