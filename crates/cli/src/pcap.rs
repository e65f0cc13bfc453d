//! `lapwing pcap`: the packets behind an alert.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use alert::Alert;
use anyhow::{Context, Result, bail};
use flow::{Flow, Time};
use meter::{Link, Parties};
use source::format::packet::Record;
use source::format::pcapng;
use source::transport::file;
use source::{Batch, Captures, Source};

use crate::input::Reader;
use crate::kept;
use crate::output;
use crate::state::State;

/// Cut the packets behind an alert out of captures.
///
/// Of each flow behind the alert the whole conversation is taken: both directions, from before the alert began where the
/// conversation did. Beside it stand the IP fragments between its hosts in that time, which tell no ports, and of tunnels
/// the packets around. The captures are read twice and stay as they are; packets come in the order of time.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing pcap 3f0c9a17be22d4e1 monday.pcap.gz -o cut.pcapng
  lapwing pcap 3f0c /var/spool/captures -o cut.pcapng   # the start of it is enough
  lapwing pcap 3f0c monday.pcap -o - | tcpdump -nr -
  lapwing scan monday.pcap.gz --json > alerts.jsonl      # without a store
  lapwing pcap 3f0c monday.pcap.gz --alerts alerts.jsonl -o cut.pcapng")]
pub(crate) struct Arguments {
    /// The alert: its identifier, or as much of its start as no other alert shares.
    alert: String,
    /// Captures (pcap, pcapng), plain or compressed, or folders of them: what the alert was raised from, or what
    /// `lapwing scan -i --write` left.
    #[arg(required = true)]
    captures: Vec<PathBuf>,
    /// The alerts: lines of JSON as `lapwing scan --json` prints them, - for stdin. [default: those that `lapwing scan --keep`
    /// kept]
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    alerts: Option<PathBuf>,
    #[command(flatten)]
    state: State,
    /// The capture to write (pcapng), - for stdout.
    #[arg(short, long)]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let alert = match &arguments.alerts {
        Some(path) => find(&arguments.alert, path)?,
        None => kept::alert(&arguments.state.reader()?, &arguments.alert)?.alert,
    };
    eprintln!("alert {}: {} of {}, {} to {}", alert.id, alert.behaviour.name(), alert.subject, alert.start, alert.end);
    let captures = captures(&arguments.captures)?;
    let mut behind = Conversations::default();
    let mut looked = Looked::default();
    let mut reader = Reader::open(captures.paths(), source::Settings::default())?;
    let mut batch = Batch::default();
    let mut more = true;
    while more {
        more = reader.read(&mut batch)?;
        for flow in &batch.flows {
            looked.note(flow, &alert);
            behind.note(flow, &alert);
        }
        batch.clear();
        reader.show_progress();
    }
    let report = reader.finish("captures", verbose);
    if behind.by_parties.is_empty() {
        bail!("{}", looked.why_nothing(&alert, report.skipped.values().sum()));
    }
    cut(arguments, captures, &behind, &alert)
}

/// Writes the packets of the conversations, and tells how many they are.
fn cut(arguments: &Arguments, mut captures: Captures, behind: &Conversations, alert: &Alert) -> Result<()> {
    let output = output::create(Some(&arguments.output), captures.paths())?;
    let mut writer = pcapng::Writer::new(output)?;
    let mut links: BTreeMap<u16, (Link, u64)> = BTreeMap::new();
    let (mut snapped, mut outcome) = (0u64, Ok(()));
    let mut take = |record: &Record<'_>| {
        let Ok(link) = record.link else { return };
        if outcome.is_err() || !behind.has(link, record) {
            return;
        }
        links.entry(link.number()).or_insert((link, 0)).1 += 1;
        snapped += u64::from((record.bytes.len() as u64) < u64::from(record.wire_bytes));
        let Record { time, wire_bytes, bytes, .. } = *record;
        outcome =
            writer.packet(&pcapng::Packet { interface: link.name(), link: link.number(), time, wire_bytes, bytes });
    };
    while captures.give(&mut take) {}
    outcome.context("cannot write the packets; is there room for them?")?;
    writer.into_inner().finish()?;
    let packets: u64 = links.values().map(|(_, packets)| packets).sum();
    let kinds: Vec<String> = links.values().map(|(link, packets)| format!("{packets} {}", link.name())).collect();
    let mixed = if kinds.len() > 1 { "; link types are mixed, each is an interface of its own" } else { "" };
    eprintln!(
        "{packets} packets of {} conversations, {} flows, written to {} ({}{mixed})",
        behind.by_parties.len(),
        behind.flows,
        arguments.output.display(),
        kinds.join(", "),
    );
    if snapped > 0 {
        eprintln!("{snapped} of the packets had been cut short when they were captured");
    }
    if behind.flows < alert.flows {
        eprintln!("the alert tells of {} flows: the others are not in these captures", alert.flows);
    }
    if behind.left_out > 0 {
        eprintln!(
            "{} flows left out: more than {MOST_CONVERSATIONS} conversations are not cut at once",
            behind.left_out
        );
    }
    Ok(())
}

/// The alert of that identifier, or of the only one that begins so, in a file of alerts. Of an alert that was told again as
/// it grew, the last word counts.
fn find(id: &str, path: &Path) -> Result<Alert> {
    let mut lines = file::open(path)?.bytes;
    let (mut found, mut alerts, mut unreadable) = (None::<Alert>, 0u64, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = (&mut lines).take(MOST_LINE_BYTES).read_until(b'\n', &mut line)?;
        if count == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(alert) = serde_json::from_slice::<Alert>(&line) else {
            unreadable += 1;
            continue;
        };
        alerts += 1;
        if !alert.id.starts_with(id) {
            continue;
        }
        match &found {
            Some(other) if other.id != alert.id && other.id == id => {}
            Some(other) if other.id != alert.id && alert.id != id => {
                bail!("{} and {} both begin with {id}: give more of it", other.id, alert.id)
            }
            _ => found = Some(alert),
        }
    }
    let among = match (alerts, unreadable) {
        (0, _) => "no line of it is an alert as `lapwing scan --json` prints them".to_owned(),
        (alerts, 0) => format!("{alerts} alerts are in it"),
        (alerts, unreadable) => format!("{alerts} alerts are in it, and {unreadable} lines that are none"),
    };
    found.with_context(|| format!("no alert {id} in {}: {among}", path.display()))
}

/// The captures, which must be files: they are read twice.
fn captures(paths: &[PathBuf]) -> Result<Captures> {
    for path in paths {
        let is_pipe = path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        if path == Path::new("-") || is_pipe {
            bail!("{} cannot be read twice, as this must; keep the packets in a file first", path.display());
        }
    }
    let mut captures = Captures::open(paths)?;
    for damage in captures.damage() {
        eprintln!("lapwing: {}", output::shown(&damage));
    }
    if captures.paths().is_empty() {
        bail!("there is no capture among these (pcap or pcapng); a log of flows has no packets");
    }
    Ok(captures)
}

/// The conversations behind an alert: who talked, from when to when.
#[derive(Default)]
struct Conversations {
    by_parties: HashMap<Parties, (Time, Time)>,
    /// The same for packets that tell no ports.
    fragments: HashMap<Parties, (Time, Time)>,
    flows: u64,
    left_out: u64,
}

impl Conversations {
    /// Takes in a flow, in the order in which they ended.
    fn note(&mut self, flow: &Flow, alert: &Alert) {
        let parties = Parties::of(&flow.key);
        let known = self.by_parties.get(&parties).copied();
        let is_behind = alert.covers(flow);
        // A long conversation is cut into flows, of which the last may begin after the alert's end.
        let goes_on = known.is_some_and(|(_, end)| flow.conversation_start <= end);
        if !is_behind && !goes_on {
            return;
        }
        if known.is_none() && self.by_parties.len() >= MOST_CONVERSATIONS {
            self.left_out += 1;
            return;
        }
        self.flows += u64::from(is_behind);
        let span = (flow.conversation_start.min(flow.start), flow.end);
        widen(&mut self.by_parties, parties, span);
        widen(&mut self.fragments, parties.without_ports(), span);
    }

    /// Whether a packet is of one of them.
    fn has(&self, link: Link, record: &Record<'_>) -> bool {
        let is_of = |spans: &HashMap<Parties, (Time, Time)>, parties| {
            spans.get(&parties).is_some_and(|&(start, end)| start <= record.time && record.time <= end)
        };
        let wanted = |parties: Parties, is_fragment| {
            is_of(if is_fragment { &self.fragments } else { &self.by_parties }, parties)
        };
        meter::is_wanted(link, record.bytes, record.wire_bytes, wanted).unwrap_or(false)
    }
}

fn widen(spans: &mut HashMap<Parties, (Time, Time)>, parties: Parties, (start, end): (Time, Time)) {
    let span = spans.entry(parties).or_insert((start, end));
    *span = (span.0.min(start), span.1.max(end));
}

/// What was looked at, to tell why nothing was found.
#[derive(Default)]
struct Looked {
    flows: u64,
    span: Option<(Time, Time)>,
    in_time: u64,
    of_subject: u64,
}

impl Looked {
    fn note(&mut self, flow: &Flow, alert: &Alert) {
        self.flows += 1;
        let (start, end) = self.span.unwrap_or((flow.start, flow.end));
        self.span = Some((start.min(flow.start), end.max(flow.end)));
        if flow.start <= alert.end && alert.start <= flow.end {
            self.in_time += 1;
            let ends = [flow.key.originator.address, flow.key.responder.address];
            self.of_subject += u64::from(ends.contains(&alert.subject));
        }
    }

    fn why_nothing(&self, alert: &Alert, skipped: u64) -> String {
        let Some((start, end)) = self.span else {
            return format!(
                "the captures hold no flow that could be behind the alert; {skipped} packets could not be read"
            );
        };
        let in_time = match (self.in_time, self.of_subject) {
            (0, _) => format!(
                "they are from {start} to {end}, the alert is from {} to {}: is it of another capture?",
                alert.start, alert.end
            ),
            (flows, 0) => format!(
                "{flows} flows are of that time, none of them of {}: is the alert of another capture?",
                alert.subject
            ),
            (_, flows) => format!(
                "{flows} flows are of that time and of {}, but not with the alert's other hosts, protocol and port",
                alert.subject
            ),
        };
        let unread = match skipped {
            0 => String::new(),
            skipped => format!("; {skipped} packets could not be read: were they cut too short (--snap)?"),
        };
        format!("none of the {} flows of the captures is behind the alert: {in_time}{unread}", self.flows)
    }
}

/// Of more conversations than this (floods from many ports), the first ones are enough to look at.
const MOST_CONVERSATIONS: usize = 1 << 20;
/// An alert takes some 100 KiB at most.
const MOST_LINE_BYTES: u64 = 4 << 20;
