//! The same traffic as packets and as the logs that Zeek and Suricata write of it: are the fields that both have equal?
//!
//! Each tool that is installed reads every public capture; `lapwing flows` reads the capture and the tool's log. Flows are
//! matched by protocol, addresses and ports in either direction and by their start, and compared field by field.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Row;
use crate::program::Program;

/// A tool that writes logs of flows.
struct Tool {
    name: &'static str,
    /// Its arguments; the capture and the folder of its logs are put in for `CAPTURE` and `FOLDER`.
    arguments: &'static [&'static str],
    /// The logs that we read.
    logs: &'static [&'static str],
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "suricata",
        arguments: &["-k", "none", "-S", "/dev/null", "--runmode", "single", "-r", "CAPTURE", "-l", "FOLDER"],
        logs: &["eve.json"],
    },
    Tool {
        name: "zeek",
        arguments: &["-C", "-r", "CAPTURE", "local"],
        logs: &["conn.log", "dns.log", "ssl.log", "http.log"],
    },
];

/// How often a field was equal, of how many flows that have it on both sides, and the differences.
#[derive(Default)]
struct Agreement {
    equal: u64,
    compared: u64,
    differences: BTreeMap<(String, String), u64>,
}

/// A row of `lapwing flows` by the names of its columns.
type Cells = HashMap<String, String>;

pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let captures = shared.join("data/pcaps");
    let mut rows = Vec::new();
    for tool in &TOOLS {
        let what = format!("the same captures as packets and as the logs of {}", tool.name);
        if Command::new(tool.name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            rows.push(Row::new(what, "equal", format!("not measured: {} is not installed", tool.name)));
        } else if captures.is_dir() {
            rows.extend(tool.rows(program, &captures, folder)?);
        } else {
            rows.push(Row::new(what, "equal", format!("not measured: {} is missing", captures.display())));
        }
    }
    Ok(rows)
}

impl Tool {
    fn rows(&self, program: &Program, captures: &Path, folder: &Path) -> Result<Vec<Row>> {
        let (mut ours, mut theirs, mut matched) = (0, 0, 0);
        let mut fields: BTreeMap<&str, Agreement> = BTreeMap::new();
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(captures)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.to_string_lossy().contains(".pcap"));
        paths.sort();
        for path in &paths {
            let Some(logs) = self.logs_of(path, folder)? else { continue };
            let from_packets = flows(program, std::slice::from_ref(path))?;
            let from_logs = flows(program, &logs)?;
            ours += from_packets.len();
            theirs += from_logs.len();
            matched += compare(&from_packets, &from_logs, &mut fields)?;
        }
        let name = self.name;
        let mut rows = vec![Row::new(
            format!("{} public captures as packets and as the log of {name}: flows", paths.len()),
            "",
            format!("{ours} of ours, {theirs} of {name}'s, {matched} matched by ends and start"),
        )];
        for (field, agreement) in fields {
            let mut common: Vec<_> = agreement.differences.into_iter().collect();
            common.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            let common: Vec<_> =
                common.iter().take(4).map(|((ours, theirs), count)| format!("{count} × {ours} / {theirs}")).collect();
            let differences =
                if common.is_empty() { String::new() } else { format!("; ours / theirs: {}", common.join(", ")) };
            let measured = format!("{} of {}{differences}", agreement.equal, agreement.compared);
            rows.push(Row::new(format!("… `{field}` equal"), "all", measured));
        }
        Ok(rows)
    }

    /// Lets the tool read a capture; the logs that it wrote, or `None` where there are none.
    fn logs_of(&self, capture: &Path, folder: &Path) -> Result<Option<Vec<PathBuf>>> {
        let name = capture.file_name().context("a capture has a name")?;
        let logs = folder.join(self.name).join(name);
        // Suricata adds to the logs that are there.
        _ = std::fs::remove_dir_all(&logs);
        std::fs::create_dir_all(&logs)?;
        let mut plain = capture.to_owned();
        if capture.extension().is_some_and(|extension| extension == "gz") {
            plain = logs.join("capture.pcap");
            let status =
                Command::new("gzip").arg("-dc").arg(capture).stdout(std::fs::File::create(&plain)?).status()?;
            ensure!(status.success(), "gzip failed on {}", capture.display());
        }
        let arguments = self.arguments.iter().map(|argument| match *argument {
            "CAPTURE" => plain.display().to_string(),
            "FOLDER" => logs.display().to_string(),
            other => other.to_owned(),
        });
        let output = Command::new(self.name).args(arguments).current_dir(&logs).output()?;
        ensure!(
            output.status.success(),
            "{} failed on {}: {}",
            self.name,
            capture.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let written: Vec<_> = self.logs.iter().map(|log| logs.join(log)).filter(|path| path.is_file()).collect();
        Ok((!written.is_empty()).then_some(written))
    }
}

/// The rows of `lapwing flows`; none where the input holds no flow.
fn flows(program: &Program, paths: &[PathBuf]) -> Result<Vec<Cells>> {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut arguments = vec!["flows"];
    arguments.extend(paths.iter().map(String::as_str));
    let run = program.run(&arguments)?;
    let mut lines = csv::Reader::from_reader(&run.output.stdout[..]);
    lines.deserialize().map(|cells| Ok(cells?)).collect()
}

/// Matches flows and compares their fields; how many were matched.
fn compare(ours: &[Cells], theirs: &[Cells], fields: &mut BTreeMap<&str, Agreement>) -> Result<usize> {
    let mut by_ends: HashMap<_, Vec<(&Cells, i64)>> = HashMap::new();
    for cells in theirs {
        by_ends.entry(ends(cells)).or_default().push((cells, nanoseconds(&cells["start"])?));
    }
    let mut matched = 0;
    for our in ours {
        let start = nanoseconds(&our["start"])?;
        let Some(candidates) = by_ends.get_mut(&ends(our)) else { continue };
        let Some(position) = candidates.iter().position(|(_, other)| (other - start).abs() <= SAME_NANOSECONDS) else {
            continue;
        };
        let (their, _) = candidates.swap_remove(position);
        matched += 1;
        let turned = our["originator"] != their["originator"] || our["originator_port"] != their["originator_port"];
        let whom = |cells: &Cells| format!("{} calls {}", cells["originator_port"], cells["responder_port"]);
        note(fields, "who calls whom", !turned, || if turned { (whom(our), whom(their)) } else { Default::default() });
        if turned {
            continue;
        }
        for field in FIELDS {
            let (Some(one), Some(other)) = (our.get(field), their.get(field)) else { continue };
            if one.is_empty() || other.is_empty() {
                continue;
            }
            let difference = || match (one.parse::<f64>(), other.parse::<f64>()) {
                // Numbers differ in a thousand ways; by how much tells why.
                (Ok(one), Ok(other)) if one > other => ("more".to_owned(), "less".to_owned()),
                (Ok(_), Ok(_)) => ("less".to_owned(), "more".to_owned()),
                _ => (one.clone(), other.clone()),
            };
            let close = field == "duration"
                && one
                    .parse::<f64>()
                    .ok()
                    .zip(other.parse::<f64>().ok())
                    .is_some_and(|(a, b)| (a - b).abs() <= 2e-6 * a.max(1.0));
            note(fields, field, one == other || close, difference);
        }
    }
    Ok(matched)
}

fn note<'a>(
    fields: &mut BTreeMap<&'a str, Agreement>,
    field: &'a str,
    equal: bool,
    difference: impl FnOnce() -> (String, String),
) {
    let agreement = fields.entry(field).or_default();
    agreement.compared += 1;
    if equal {
        agreement.equal += 1;
    } else {
        *agreement.differences.entry(difference()).or_default() += 1;
    }
}

/// Protocol and both ends, the lower one first.
fn ends(cells: &Cells) -> (String, [(String, String); 2]) {
    let end = |name: &str, port: &str| (cells[name].clone(), cells[port].clone());
    let mut ends = [end("originator", "originator_port"), end("responder", "responder_port")];
    ends.sort();
    (cells["protocol"].clone(), ends)
}

/// RFC 3339 in UTC as nanoseconds since midnight of its day: matches lie closer than a day.
fn nanoseconds(time: &str) -> Result<i64> {
    let clock = time.split_once('T').context("no time")?.1.trim_end_matches('Z');
    let mut parts = clock.split([':', '.']);
    let mut next = || parts.next().unwrap_or("0");
    let [hours, minutes, seconds]: [i64; 3] = [next().parse()?, next().parse()?, next().parse()?];
    let fraction: i64 = format!("{:0<9}", next()).get(..9).context("a fraction")?.parse()?;
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction)
}

/// The columns compared.
const FIELDS: [&str; 9] = [
    "originator_packets",
    "responder_packets",
    "originator_bytes",
    "responder_bytes",
    "originator_payload_bytes",
    "responder_payload_bytes",
    "duration",
    "state",
    "application",
];
/// Logs keep microseconds.
const SAME_NANOSECONDS: i64 = 2_000;
