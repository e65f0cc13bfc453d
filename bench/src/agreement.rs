//! The same traffic as packets and as the logs that Zeek and Suricata write of it: are the fields that both have equal?
//!
//! Each tool that is installed reads every public capture; `lapwing flows` reads the capture and the tool's log. Flows are
//! matched by protocol, addresses and ports in either direction and by their start, and compared field by field.

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// How often a field was equal, of how many flows that have it on both sides, and why it was not.
#[derive(Default)]
struct Agreement {
    equal: u64,
    compared: u64,
    differences: BTreeMap<&'static str, Difference>,
}

/// Flows that differ for one reason, with the first of them.
struct Difference {
    count: u64,
    example: String,
}

/// What the comparison of all captures has found.
#[derive(Default)]
struct Findings {
    ours: usize,
    theirs: usize,
    matched: usize,
    fields: BTreeMap<&'static str, Agreement>,
    /// Flows without a match: whose, why, how many.
    alone: BTreeMap<(&'static str, &'static str), Difference>,
    /// Applications that only one of the two names: which, whose, how many.
    applications: BTreeMap<(String, &'static str), u64>,
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
        let mut findings = Findings::default();
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(captures)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.to_string_lossy().contains(".pcap"));
        paths.sort();
        for path in &paths {
            let Some(logs) = self.logs_of(path, folder)? else { continue };
            let from_packets = flows(program, std::slice::from_ref(path))?;
            let from_logs = flows(program, &logs)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            findings.compare(&name, &from_packets, &from_logs)?;
        }
        Ok(findings.rows(self.name, paths.len()))
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
    let mut arguments = vec!["flows", "--columns", "history"];
    arguments.extend(paths.iter().map(String::as_str));
    let run = program.run(&arguments)?;
    let mut lines = csv::Reader::from_reader(&run.output.stdout[..]);
    lines.deserialize().map(|cells| Ok(cells?)).collect()
}

impl Findings {
    /// Matches the flows of one capture one to one and compares their fields.
    fn compare(&mut self, capture: &str, ours: &[Cells], theirs: &[Cells]) -> Result<()> {
        self.ours += ours.len();
        self.theirs += theirs.len();
        let mut by_ends: HashMap<_, Vec<(&Cells, i64)>> = HashMap::new();
        for cells in theirs {
            by_ends.entry(ends(cells)).or_default().push((cells, nanoseconds(&cells["start"])?));
        }
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for our in ours {
            let start = nanoseconds(&our["start"])?;
            let near = |(_, other): &(&Cells, i64)| (other - start).abs() <= SAME_NANOSECONDS;
            let candidates = by_ends.get_mut(&ends(our));
            match candidates.and_then(|all| Some(all.swap_remove(all.iter().position(near)?))) {
                Some((their, _)) => pairs.push((our, their)),
                None => alone.push(("here", our)),
            }
        }
        alone.extend(by_ends.into_values().flatten().map(|(their, _)| ("there", their)));
        self.matched += pairs.len();
        let known: HashSet<_> = pairs.iter().map(|(our, _)| ends(our)).collect();
        let [here, there] = ["here", "there"].map(|whose| {
            alone.iter().filter(|(of, _)| *of == whose).map(|(_, cells)| ends(cells)).collect::<HashSet<_>>()
        });
        let both: HashSet<_> = here.intersection(&there).collect();
        let cut: HashSet<_> = alone.iter().map(|(_, cells)| ends(cells)).collect();
        let hosts_of_errors: HashSet<_> = alone
            .iter()
            .filter(|(_, cells)| cells["protocol"].starts_with("icmp"))
            .flat_map(|(_, cells)| hosts(cells))
            .collect();
        for (our, their) in pairs {
            let packets = |cells: &Cells| [cells["originator_packets"].clone(), cells["responder_packets"].clone()];
            let why = if packets(our) == packets(their) {
                Why::SamePackets
            } else if cut.contains(&ends(our)) {
                Why::Cut
            } else if hosts(our).iter().any(|host| hosts_of_errors.contains(host)) {
                Why::Errors
            } else {
                Why::Unknown
            };
            self.compare_pair(capture, our, their, why);
        }
        let mut alone: Vec<_> =
            alone.into_iter().map(|(whose, cells)| (whose, example(capture, cells), cells)).collect();
        alone.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (whose, example, cells) in alone {
            let reason = match &*cells["protocol"] {
                "arp" => "ARP",
                "icmp" | "icmpv6" => "ICMP errors, and queries cut at another time",
                "tcp" | "udp" if known.contains(&ends(cells)) || both.contains(&ends(cells)) => {
                    "a conversation cut at another time"
                }
                "tcp" | "udp" | "sctp" => UNEXPLAINED,
                _ => "another protocol over IP",
            };
            count(&mut self.alone, (whose, reason), || example);
        }
        Ok(())
    }

    fn compare_pair(&mut self, capture: &str, our: &Cells, their: &Cells, why: Why) {
        let turned = our["originator"] != their["originator"] || our["originator_port"] != their["originator_port"];
        let whose = || example(capture, our);
        self.note(
            "who calls whom",
            (!turned).then_some(()).ok_or("the opening was not seen, and both ports are well known"),
            whose,
        );
        if turned {
            return;
        }
        for field in FIELDS {
            let (Some(one), Some(other)) = (our.get(field), their.get(field)) else { continue };
            if field == "application" && one.is_empty() != other.is_empty() {
                let (name, whose) = if one.is_empty() { (other, "there") } else { (one, "here") };
                *self.applications.entry((name.clone(), whose)).or_default() += 1;
            }
            if one.is_empty() || other.is_empty() {
                continue;
            }
            let packets = field.strip_suffix("_bytes").map(|side| format!("{side}_packets"));
            let packets = packets.and_then(|name| our.get(&name)?.parse().ok());
            let outcome =
                if is_equal(field, one, other) { Ok(()) } else { Err(why.reason(field, one, other, packets)) };
            self.note(field, outcome, || format!("{}: {one} here, {other} there", example(capture, our)));
        }
    }

    fn note(&mut self, field: &'static str, outcome: Result<(), &'static str>, example: impl FnOnce() -> String) {
        let agreement = self.fields.entry(field).or_default();
        agreement.compared += 1;
        match outcome {
            Ok(()) => agreement.equal += 1,
            Err(reason) => count(&mut agreement.differences, reason, example),
        }
    }

    fn rows(self, name: &str, captures: usize) -> Vec<Row> {
        let (ours, theirs, matched) = (self.ours, self.theirs, self.matched);
        let mut rows = vec![Row::new(
            format!("{captures} public captures as packets and as the log of {name}: flows"),
            "",
            format!("{ours} of ours, {theirs} of {name}'s, {matched} matched by ends and start"),
        )];
        for ((whose, reason), Difference { count, example }) in self.alone {
            rows.push(Row::new(format!("… only {whose}: {reason}"), "", format!("{count}, such as {example}")));
        }
        for (field, agreement) in self.fields {
            let reasons = agreement
                .differences
                .iter()
                .map(|(reason, it)| format!("; {reason}: {}, such as {}", it.count, it.example));
            let measured = format!("{} of {}{}", agreement.equal, agreement.compared, reasons.collect::<String>());
            rows.push(Row::new(format!("… `{field}` equal"), "all", measured));
        }
        let told = self.applications.iter().map(|((name, whose), count)| format!("{count} × {name} {whose}"));
        rows.push(Row::new("… `application` told by one alone", "", told.collect::<Vec<_>>().join(", ")));
        rows
    }
}

/// How the packets of two flows that were matched lie to each other.
#[derive(Clone, Copy)]
enum Why {
    SamePackets,
    /// There are further flows between the same ends, and only one of the two knows them.
    Cut,
    /// One of the hosts has to do with ICMP of which only one of the two knows.
    Errors,
    Unknown,
}

impl Why {
    /// Why a field differs, as far as a rule can tell.
    fn reason(self, field: &str, one: &str, other: &str, packets: Option<f64>) -> &'static str {
        match self {
            Why::Cut => "the conversation was cut at another time",
            Why::Errors => "ICMP errors are counted in the flow that they are about",
            Why::Unknown => UNEXPLAINED,
            Why::SamePackets => match (field, one.parse::<f64>(), other.parse::<f64>(), packets) {
                ("originator_bytes" | "responder_bytes", Ok(one), Ok(other), Some(packets))
                    if one < other && other - one <= packets * MOST_PADDING =>
                {
                    "padding of short frames and other bytes of the link layer"
                }
                _ => UNEXPLAINED,
            },
        }
    }
}

fn is_equal(field: &str, one: &str, other: &str) -> bool {
    let seconds = || one.parse::<f64>().ok().zip(other.parse::<f64>().ok());
    one == other || field == "duration" && seconds().is_some_and(|(a, b)| (a - b).abs() <= 2e-6 * a.max(1.0))
}

fn count<K: Ord>(differences: &mut BTreeMap<K, Difference>, key: K, example: impl FnOnce() -> String) {
    differences.entry(key).or_insert_with(|| Difference { count: 0, example: example() }).count += 1;
}

/// A flow by which a difference can be looked up.
fn example(capture: &str, cells: &Cells) -> String {
    let end = |end: &str| format!("{}:{}", cells[end], cells[&format!("{end}_port")]);
    format!("{capture} {} {} → {} at {}", cells["protocol"], end("originator"), end("responder"), cells["start"])
}

fn hosts(cells: &Cells) -> [String; 2] {
    ["originator", "responder"].map(|end| cells[end].clone())
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
const FIELDS: [&str; 10] = [
    "originator_packets",
    "responder_packets",
    "originator_bytes",
    "responder_bytes",
    "originator_payload_bytes",
    "responder_payload_bytes",
    "duration",
    "state",
    "history",
    "application",
];
const UNEXPLAINED: &str = "not explained";
/// What fills a frame without payload up to the least of Ethernet, in bytes a packet.
const MOST_PADDING: f64 = 26.0;
/// Logs keep microseconds.
const SAME_NANOSECONDS: i64 = 2_000;
