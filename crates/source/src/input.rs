//! Files of any format as one stream of flows.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use flow::Time;
use meter::{Meter, Settings};

use crate::format::mapping::{Mapping, TableFlows};
use crate::format::packet::{self, Capture};
use crate::format::rows::Rows;
use crate::format::{Decoder, FORMATS, Format};
use crate::transport::file::{self, Opened, Progress};
use crate::{Batch, Error, Report, Source};

/// Captures and logs of flows, read one after the other in the order of their first times. Captures share one meter, so
/// a conversation may go on from one file to the next; logs of one format share one decoder. A file that turns out
/// damaged is read up to there.
pub struct Input {
    /// The next one last.
    files: Vec<InputFile>,
    /// Of all files, those read to the end too.
    progress: Vec<Progress>,
    meter: Meter,
    /// Of the formats met so far.
    decoders: Vec<(&'static str, Box<dyn Decoder>)>,
    report: Report,
    finished: bool,
}

struct InputFile {
    path: PathBuf,
    content: Content,
    /// Of its first packet or flow, as far as the first bytes show it.
    start: Option<Time>,
    progress: Progress,
    records: u64,
}

enum Content {
    Capture(Box<Capture<Box<dyn Read + Send>>>),
    Log { format: &'static Format, bytes: Box<dyn BufRead + Send>, message: Vec<u8> },
    Table { rows: Box<Rows>, flows: Box<TableFlows> },
}

impl Input {
    /// Opens the files, which must all be captures, logs of flows or tables whose rows are known to be flows. Of several
    /// files, one that is empty or in no known format (the last of a rotation, a note beside the captures) is reported as
    /// damage and passed over.
    pub fn open(paths: &[PathBuf], settings: Settings) -> Result<Input, Error> {
        Input::with_mapping(paths, settings, None)
    }

    /// Opens the files as [`Input::open`] does, their tables by this mapping.
    pub fn with_mapping(paths: &[PathBuf], settings: Settings, mapping: Option<&Mapping>) -> Result<Input, Error> {
        let mut files = Vec::with_capacity(paths.len());
        let mut unreadable = Vec::new();
        for path in paths {
            match InputFile::open(path, mapping) {
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
            decoders: Vec::new(),
            report: Report { damage: unreadable.iter().map(in_full).collect(), ..Report::default() },
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
        let mut report = self.report.clone();
        report.packets = counts.packets;
        report.skipped.extend(counts.skips().map(|(skip, count)| (skip.reason(), count)));
        let notes = [
            ("packets put back into the order of their times", counts.reordered),
            ("large steps back of the clock", counts.clock_steps),
            ("later IP fragments without their first", counts.orphan_fragments),
            ("TCP segments retransmitted or captured twice", counts.repeated_segments),
            ("flows ended early because the flow table was full", counts.evicted_flows),
        ];
        report.notes.extend(notes.into_iter().filter(|&(_, count)| count > 0));
        report
    }

    /// The rest of the meter's and the decoders' flows.
    fn finish(&mut self, batch: &mut Batch) {
        self.finished = true;
        self.meter.finish(&mut batch.flows);
        self.decoders.iter_mut().for_each(|(_, decoder)| decoder.finish(batch));
    }
}

impl Source for Input {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let Some(file) = self.files.last_mut() else {
            if !self.finished {
                self.finish(batch);
                self.report.add(batch);
            }
            return Ok(false);
        };
        let (outcome, record) = match &mut file.content {
            Content::Capture(capture) => {
                (read_packets(capture, &mut self.meter, &mut file.records, &mut batch.flows), "packet")
            }
            Content::Log { format, bytes, message } => {
                let before = file.records;
                let decoder = decoder(&mut self.decoders, format);
                if before == 0 {
                    decoder.begin();
                }
                let outcome = read_messages(format, decoder, bytes, message, &mut file.records, batch);
                self.report.lines += file.records - before;
                (outcome, "line")
            }
            Content::Table { rows, flows } => {
                let before = rows.count();
                let outcome = read_rows(rows, flows, batch);
                file.records = rows.count();
                self.report.lines += file.records - before;
                (outcome, "row")
            }
        };
        if let Content::Table { rows, flows } = &mut file.content
            && !matches!(outcome, Ok(true))
        {
            flows.finish(batch);
            rows.skipped().iter().for_each(|(reason, count)| *batch.skipped.entry(reason).or_default() += count);
        }
        self.report.add(batch);
        if let Ok(true) = outcome {
            return Ok(true);
        }
        let Some(file) = self.files.pop() else { return Ok(false) };
        if let Err(reason) = outcome {
            let damage = Error::Damaged { path: file.path, record, number: file.records, reason };
            self.report.damage.push(damage.to_string());
        }
        Ok(true)
    }
}

impl InputFile {
    fn open(path: &Path, mapping: Option<&Mapping>) -> Result<InputFile, Error> {
        let mut opened = file::open(path)?;
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), record: "byte", number: 0, reason };
        let head = opened.bytes.fill_buf().map_err(|error| damaged(error.to_string()))?.to_vec();
        let (content, start) = if packet::is_capture(&head) {
            let bytes: Box<dyn Read + Send> = Box::new(opened.bytes);
            (Content::Capture(Box::new(Capture::new(bytes).map_err(damaged)?)), first_packet(&head))
        } else if let Some(format) = FORMATS.iter().find(|format| (format.recognises)(&head)) {
            (Content::Log { format, bytes: opened.bytes, message: Vec::new() }, first_flow(format, &head))
        } else if let Some((rows, flows)) = table(path, &head, &mut opened, mapping)? {
            return Ok(InputFile {
                path: path.to_owned(),
                progress: rows.progress().clone(),
                content: Content::Table { rows: Box::new(rows), flows: Box::new(flows) },
                start: None,
                records: 0,
            });
        } else {
            let start = String::from_utf8_lossy(&head[..head.len().min(24)]).escape_debug().to_string();
            return Err(Error::Unknown { path: path.to_owned(), start: format!("\"{start}\""), expected: expected() });
        };
        Ok(InputFile { path: path.to_owned(), content, start, progress: opened.progress, records: 0 })
    }
}

/// The rows of a table and how they become flows; `None` where the file is no table. A table whose rows cannot be flows
/// is an error that says why.
fn table(
    path: &Path,
    head: &[u8],
    opened: &mut Opened,
    mapping: Option<&Mapping>,
) -> Result<Option<(Rows, TableFlows)>, Error> {
    let opened = std::mem::replace(opened, Vec::new().into());
    let rows = match Rows::of(opened, path, &[]) {
        Ok(rows) => rows,
        // Only of Parquet it is sure that a table is meant.
        Err(Error::Table { .. }) if !head.starts_with(b"PAR1") => return Ok(None),
        Err(error) => return Err(error),
    };
    let refusal = |reason| Error::Table { path: path.to_owned(), reason };
    match TableFlows::of(rows.columns(), mapping).map_err(refusal)? {
        Some(flows) => Ok(Some((rows, flows))),
        None if rows.columns().iter().all(|name| name.starts_with("column ")) => Ok(None),
        None => Err(refusal(format!(
            "it is a table whose rows are not known to be flows; tables are for `lapwing train` and `lapwing score`, and \
             a mapping says which columns hold the two addresses; its columns are {}",
            rows.columns_in_words()
        ))),
    }
}

/// Gives the flows of the next rows; `false` at the end of the table.
fn read_rows(rows: &mut Rows, flows: &mut TableFlows, batch: &mut Batch) -> Result<bool, String> {
    for _ in 0..MESSAGES_A_BATCH {
        match rows.next_row() {
            Ok(Some(cells)) => flows.row(cells, batch),
            Ok(None) => return Ok(false),
            Err(Error::Damaged { reason, .. }) => return Err(reason),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(true)
}

/// The decoder of a format, made where there is none yet.
fn decoder<'a>(decoders: &'a mut Vec<(&'static str, Box<dyn Decoder>)>, format: &Format) -> &'a mut dyn Decoder {
    let position = decoders.iter().position(|(name, _)| *name == format.name).unwrap_or_else(|| {
        decoders.push((format.name, (format.decoder)()));
        decoders.len() - 1
    });
    &mut *decoders[position].1
}

/// The time of a capture's first packet.
fn first_packet(head: &[u8]) -> Option<Time> {
    Some(Capture::new(head).ok()?.next_record().ok()??.time)
}

/// The start of a log's first flow, where the first bytes hold one.
fn first_flow(format: &Format, mut head: &[u8]) -> Option<Time> {
    let mut decoder = (format.decoder)();
    let (mut batch, mut message) = (Batch::default(), Vec::new());
    decoder.begin();
    while batch.flows.is_empty() {
        message.clear();
        if !(format.next_message)(&mut head, &mut message, &mut batch).ok()? {
            break;
        }
        decoder.decode(&message, &mut batch);
    }
    batch.flows.first().map(|flow| flow.start)
}

/// Gives the meter the next packets; `false` at the end of the capture.
fn read_packets<R: Read>(
    capture: &mut Capture<R>,
    meter: &mut Meter,
    records: &mut u64,
    flows: &mut Vec<flow::Flow>,
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

/// Decodes the next messages; `false` at the end of the log.
fn read_messages(
    format: &Format,
    decoder: &mut dyn Decoder,
    bytes: &mut dyn BufRead,
    message: &mut Vec<u8>,
    records: &mut u64,
    batch: &mut Batch,
) -> Result<bool, String> {
    for _ in 0..MESSAGES_A_BATCH {
        message.clear();
        if !(format.next_message)(bytes, message, batch)? {
            return Ok(false);
        }
        *records += 1;
        decoder.decode(message, batch);
    }
    Ok(true)
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

/// What can be read, in words.
fn expected() -> String {
    let logs: Vec<_> = FORMATS.iter().map(|format| format.what).collect();
    format!(
        "a capture (pcap or pcapng) or a log of flows ({}), plain or compressed with gzip or zstd; tables are for `lapwing train` and `lapwing score`",
        logs.join("; ")
    )
}

const PACKETS_A_BATCH: usize = 4096;
const MESSAGES_A_BATCH: usize = 1024;
