//! Files of any format as one stream of flows.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use flow::{Flow, Time};
use meter::{Meter, Settings};

use crate::Error;
use crate::format::packet::{self, Capture};
use crate::format::zeek::{self, ConnLog};
use crate::transport::file::{self, Progress};

/// Gives flows, batch by batch.
pub trait Source {
    /// Appends the next flows to `flows`, perhaps none; `false` where there is nothing more to come.
    fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Error>;
}

/// What was read, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets read.
    pub packets: u64,
    /// Log lines read.
    pub lines: u64,
    /// Packets and lines that are in no flow, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What else is worth knowing, by what happened: packets put back in order, steps of the clock, flows ended early.
    pub notes: BTreeMap<&'static str, u64>,
    /// Where files are damaged; what came before was read.
    pub damage: Vec<String>,
}

/// Captures and logs of flows, read one after the other in the order of their first times. Captures share one meter, so
/// a conversation may go on from one file to the next. A file that turns out damaged is read up to there.
pub struct Input {
    /// The next one last.
    files: Vec<InputFile>,
    /// Of all files, those read to the end too.
    progress: Vec<Progress>,
    meter: Meter,
    lines: u64,
    line_skips: BTreeMap<&'static str, u64>,
    damage: Vec<String>,
    finished: bool,
}

struct InputFile {
    path: PathBuf,
    format: Format,
    /// Of its first packet or flow, as far as the first bytes show it.
    start: Option<Time>,
    progress: Progress,
    records: u64,
}

enum Format {
    Capture(Box<Capture<Box<dyn Read + Send>>>),
    ConnLog { log: ConnLog, bytes: Box<dyn BufRead + Send>, line: Vec<u8> },
}

impl Input {
    /// Opens the files, which must all be captures or logs of flows. Of several files, one that is empty or in no known
    /// format (the last of a rotation, a note beside the captures) is reported as damage and passed over.
    pub fn open(paths: &[PathBuf], settings: Settings) -> Result<Input, Error> {
        let mut files = Vec::with_capacity(paths.len());
        let mut unreadable = Vec::new();
        for path in paths {
            match InputFile::open(path) {
                Ok(file) => files.push(file),
                Err(error) => unreadable.push(error),
            }
        }
        if files.is_empty() && !unreadable.is_empty() {
            return Err(unreadable.swap_remove(0));
        }
        let progress = files.iter().map(|file| file.progress.clone()).collect();
        // The sort is stable: where times are equal or unknown, the order of the paths stands.
        files.sort_by_key(|file| file.start);
        files.reverse();
        Ok(Input {
            files,
            progress,
            meter: Meter::new(settings),
            lines: 0,
            line_skips: BTreeMap::new(),
            damage: unreadable.iter().map(in_full).collect(),
            finished: false,
        })
    }

    /// How much of the files was read: bytes so far and in all, as they lie on the disk.
    pub fn progress(&self) -> (u64, u64) {
        self.progress.iter().fold((0, 0), |(read, total), file| (read + file.read(), total + file.total()))
    }

    /// What was read so far.
    pub fn report(&self) -> Report {
        let counts = self.meter.counts();
        let mut skipped = self.line_skips.clone();
        skipped.extend(counts.skips().map(|(skip, count)| (skip.reason(), count)));
        let notes = [
            ("packets put back into the order of their times", counts.reordered),
            ("large steps back of the clock", counts.clock_steps),
            ("later IP fragments without their first", counts.orphan_fragments),
            ("TCP segments retransmitted or captured twice", counts.repeated_segments),
            ("flows ended early because the flow table was full", counts.evicted_flows),
        ];
        let notes = notes.into_iter().filter(|&(_, count)| count > 0).collect();
        Report { packets: counts.packets, lines: self.lines, skipped, notes, damage: self.damage.clone() }
    }
}

impl Source for Input {
    fn read(&mut self, flows: &mut Vec<Flow>) -> Result<bool, Error> {
        let Some(file) = self.files.last_mut() else {
            if !self.finished {
                self.finished = true;
                self.meter.finish(flows);
            }
            return Ok(false);
        };
        let outcome = match &mut file.format {
            Format::Capture(capture) => read_packets(capture, &mut self.meter, &mut file.records, flows),
            Format::ConnLog { log, bytes, line } => {
                let before = file.records;
                let outcome = read_lines(log, bytes, line, &mut file.records, flows);
                self.lines += file.records - before;
                outcome
            }
        };
        if let Ok(true) = outcome {
            return Ok(true);
        }
        let record = match &file.format {
            Format::Capture(_) => "packet",
            Format::ConnLog { .. } => "line",
        };
        if let Some(InputFile { format: Format::ConnLog { log, .. }, .. }) = self.files.last() {
            for (&reason, count) in log.skipped() {
                *self.line_skips.entry(reason).or_default() += count;
            }
        }
        let Some(file) = self.files.pop() else { return Ok(false) };
        if let Err(reason) = outcome {
            let damage = Error::Damaged { path: file.path, record, number: file.records, reason };
            self.damage.push(damage.to_string());
        }
        Ok(true)
    }
}

impl InputFile {
    fn open(path: &Path) -> Result<InputFile, Error> {
        let mut opened = file::open(path)?;
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), record: "byte", number: 0, reason };
        let head = opened.bytes.fill_buf().map_err(|error| damaged(error.to_string()))?.to_vec();
        let (format, start) = if packet::is_capture(&head) {
            let bytes: Box<dyn Read + Send> = Box::new(opened.bytes);
            (Format::Capture(Box::new(Capture::new(bytes).map_err(damaged)?)), first_packet(&head))
        } else if zeek::is_log(&head) {
            (Format::ConnLog { log: ConnLog::default(), bytes: opened.bytes, line: Vec::new() }, first_line(&head))
        } else {
            let start = String::from_utf8_lossy(&head[..head.len().min(24)]).escape_debug().to_string();
            let start = format!("\"{start}\"");
            return Err(Error::Unknown { path: path.to_owned(), start, expected: EXPECTED });
        };
        Ok(InputFile { path: path.to_owned(), format, start, progress: opened.progress, records: 0 })
    }
}

/// The time of a capture's first packet.
fn first_packet(head: &[u8]) -> Option<Time> {
    Some(Capture::new(head).ok()?.next_record().ok()??.time)
}

/// The start of a log's first flow.
fn first_line(mut head: &[u8]) -> Option<Time> {
    let mut flows = Vec::new();
    // Whole lines only: the last one may be cut.
    let end = head.iter().rposition(|&byte| byte == b'\n')?;
    head = &head[..=end];
    let mut log = ConnLog::default();
    while flows.is_empty() && matches!(read_lines(&mut log, &mut head, &mut Vec::new(), &mut 0, &mut flows), Ok(true)) {
    }
    flows.first().map(|flow| flow.start)
}

/// Gives the meter the next packets; `false` at the end of the capture.
fn read_packets<R: Read>(
    capture: &mut Capture<R>,
    meter: &mut Meter,
    records: &mut u64,
    flows: &mut Vec<Flow>,
) -> Result<bool, String> {
    for _ in 0..PACKETS_A_BATCH {
        let Some(record) = capture.next_record()? else { return Ok(false) };
        *records += 1;
        match record.link {
            Ok(link) => meter.packet(link, record.time, record.bytes, record.wire_bytes, flows),
            Err(skip) => meter.skip(skip),
        }
    }
    Ok(true)
}

/// Reads the next lines; `false` at the end of the log.
fn read_lines(
    log: &mut ConnLog,
    bytes: &mut dyn BufRead,
    line: &mut Vec<u8>,
    records: &mut u64,
    flows: &mut Vec<Flow>,
) -> Result<bool, String> {
    for _ in 0..LINES_A_BATCH {
        line.clear();
        let count = bytes.take(MAX_LINE_BYTES).read_until(b'\n', line).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(false);
        }
        *records += 1;
        if count as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            skip_line(bytes).map_err(|error| error.to_string())?;
            log.skip("line longer than 1 MiB");
            continue;
        }
        match std::str::from_utf8(line) {
            Ok(text) => flows.extend(log.line(text.trim_end_matches(['\n', '\r']))),
            Err(_) => log.skip("line that is not UTF-8"),
        }
    }
    Ok(true)
}

/// Passes over the rest of a line.
fn skip_line(bytes: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = bytes.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        bytes.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// The error with its causes.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

const EXPECTED: &str = "a capture (pcap or pcapng) or a Zeek conn.log (tabs or JSON), plain or compressed with gzip or zstd; tables are for `lapwing train` and `lapwing score`";
const PACKETS_A_BATCH: usize = 4096;
const LINES_A_BATCH: usize = 1024;
const MAX_LINE_BYTES: u64 = 1 << 20;
