//! Files of any format as one stream of flows.

use std::cmp::Reverse;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use flow::Time;
use meter::{Counts, Meter, Packets, Settings};

use crate::follow::{Content, Follow, Follower, Growing, News};
use crate::format::packet::{self, Capture, Record};
use crate::format::{Decoder, FORMATS, Format};
use crate::merge::{Merge, Open};
use crate::transport::file::{self, Opened, Progress};
use crate::transport::folder;
use crate::{Batch, Error, Report, Source};

/// Captures and logs of flows as one stream in the order of time. Captures that overlap are merged packet by packet; a
/// log is read as a whole when its first flow is due. Captures share one meter, so a conversation may go on from one
/// file to the next; logs of one format share one decoder. A file is open only while it is its time, and one that
/// turns out damaged is read up to there.
pub struct Input {
    /// Not open yet, the next one last.
    waiting: Vec<Waiting>,
    captures: Merge<Box<dyn Read + Send>>,
    log: Option<Log>,
    /// How much of the open captures was read, by their numbers.
    progress: Vec<(usize, Progress)>,
    /// Bytes of all files, and of those read to their end.
    bytes: u64,
    done: u64,
    meter: Meter,
    /// Of the meter that has the table, where that is another.
    table: Counts,
    /// Of the formats met so far.
    decoders: Vec<(&'static str, Box<dyn Decoder>)>,
    /// Of those files that grow.
    follower: Option<Follower>,
    report: Report,
    finished: bool,
}

/// A file whose time has not come.
struct Waiting {
    path: PathBuf,
    /// Its place in the order in which files were named.
    number: usize,
    /// Of its first packet or flow, as far as the first bytes show it.
    start: Option<Time>,
    bytes: u64,
    /// A pipe, which cannot be opened a second time.
    pipe: Option<Opened>,
}

/// An open log.
struct Log {
    path: PathBuf,
    format: &'static Format,
    bytes: Box<dyn BufRead + Send>,
    message: Vec<u8>,
    progress: Progress,
    records: u64,
}

/// What the first bytes of a file say that it is.
enum Kind {
    Capture,
    Log(&'static Format),
}

impl Input {
    /// Looks into the files, which must all be captures or logs of flows; of a folder, into the files in it. Of several
    /// files, one that is empty or in no known format (the last of a rotation, a note beside the captures) is reported
    /// as damage and passed over.
    pub fn open(paths: &[PathBuf], settings: Settings) -> Result<Input, Error> {
        let (input, mut unreadable) = Input::of(folder::expand(paths)?, settings);
        if input.waiting.is_empty() && !unreadable.is_empty() {
            return Err(unreadable.swap_remove(0));
        }
        Ok(input)
    }

    /// Reads the files, and what is appended to them until it is told to stop: through rotation, truncation, and the
    /// last line that is not whole yet. Of folders, new files are taken up as they appear. What is compressed, and what
    /// is an hour older than the newest file of its folder, is read once.
    pub fn follow(paths: &[PathBuf], settings: Settings, follow: Follow) -> Result<Input, Error> {
        let (follower, complete) = Follower::new(paths, follow)?;
        let (input, _) = Input::of(complete, settings);
        Ok(Input { follower: Some(follower), ..input })
    }

    fn of(paths: Vec<PathBuf>, settings: Settings) -> (Input, Vec<Error>) {
        let mut waiting = Vec::with_capacity(paths.len());
        let mut unreadable = Vec::new();
        for (number, path) in paths.into_iter().enumerate() {
            match Waiting::look_into(path, number) {
                Ok(file) => waiting.push(file),
                Err(error) => unreadable.push(error),
            }
        }
        // Where times are equal or unknown, the order of the paths stands.
        waiting.sort_by_key(|file| Reverse((file.start, file.number)));
        let input = Input {
            bytes: waiting.iter().map(|file| file.bytes).sum(),
            waiting,
            captures: Merge::new(),
            log: None,
            progress: Vec::new(),
            done: 0,
            meter: Meter::new(settings),
            table: Counts::default(),
            decoders: Vec::new(),
            follower: None,
            report: Report { damage: unreadable.iter().map(in_full).collect(), ..Report::default() },
            finished: false,
        };
        (input, unreadable)
    }

    /// How much of the files was read: bytes so far and in all, as they lie on the disk.
    pub fn progress(&self) -> (u64, u64) {
        let log = self.log.as_ref().map_or(0, |log| log.progress.read());
        let captures: u64 = self.progress.iter().map(|(_, progress)| progress.read()).sum();
        (self.done + log + captures, self.bytes)
    }

    /// What was read so far.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.add_packets(&self.meter.counts().with(&self.table));
        report
    }

    /// Before anything is read: leaves the flow table to the meter returned, so that another thread may keep it. What
    /// [`Input::decoded`] gives after each reading is to be given to it; its flows come before those of the same reading.
    pub fn split(&mut self) -> Meter {
        self.meter.split()
    }

    /// The packets decoded since the last call; none where the flow table is here.
    pub fn decoded(&mut self) -> Packets {
        self.meter.decoded()
    }

    /// Takes what the meter with the table counted into the report.
    pub fn rejoin(&mut self, table: &Meter) {
        self.table = table.counts();
    }

    /// Opens the file whose time has come.
    fn open_next(&mut self, next: Waiting) {
        let opened = match next.pipe {
            Some(pipe) => Ok(pipe),
            None => file::open(&next.path),
        };
        let outcome = opened.and_then(|mut opened| match kind(&next.path, &mut opened)? {
            Kind::Capture => {
                let bytes: Box<dyn Read + Send> = Box::new(opened.bytes);
                let capture = Capture::new(bytes).map_err(|reason| damaged(&next.path, "byte", 0, reason))?;
                self.progress.push((next.number, opened.progress));
                let (path, number) = (next.path.clone(), next.number);
                self.captures.push(Open { path, number, capture: Box::new(capture), records: 0 });
                Ok(())
            }
            Kind::Log(format) => {
                decoder(&mut self.decoders, format).begin();
                let (path, message) = (next.path.clone(), Vec::new());
                let Opened { bytes, progress } = opened;
                self.log = Some(Log { path, format, bytes, message, progress, records: 0 });
                Ok(())
            }
        });
        if let Err(error) = outcome {
            self.done += next.bytes;
            self.report.damage.push(in_full(&error));
        }
    }

    /// Reads on in the open log.
    fn read_log(&mut self, batch: &mut Batch) {
        let Some(log) = &mut self.log else { return };
        let before = log.records;
        let decoder = decoder(&mut self.decoders, log.format);
        let outcome = log.read(decoder, batch);
        self.report.lines += log.records - before;
        if let Ok(true) = outcome {
            return;
        }
        self.done += log.progress.read();
        if let Err(reason) = outcome {
            self.report.damage.push(damaged(&log.path, "line", log.records, reason).to_string());
        }
        self.log = None;
    }

    /// Gives the meter the next packets, up to the time of the next file.
    fn read_captures(&mut self, batch: &mut Batch) {
        let until = self.waiting.last().and_then(|next| next.start);
        let meter = &mut self.meter;
        let most = batch.flows.len() + FLOWS_A_BATCH;
        // After a step of the clock the flows from before it come first.
        let is_full = meter.is_behind_step() && meter.finish_some(&mut batch.flows, most);
        if !is_full {
            self.captures.give(PACKETS_A_BATCH, until, |record| {
                take(record, meter, &mut batch.flows);
                batch.flows.len() < most && !meter.is_behind_step()
            });
        }
        while let Some((open, damage)) = self.captures.pop_over() {
            let read = |(_, progress): (_, Progress)| progress.read();
            self.done += self.progress.extract_if(.., |(number, _)| *number == open.number).map(read).sum::<u64>();
            let damage = damage.map(|reason| damaged(&open.path, "packet", open.records, reason).to_string());
            self.report.damage.extend(damage);
            if let Some(file) = self.follower.as_mut().and_then(|follower| follower.file(open.number)) {
                file.start_anew();
            }
        }
    }

    /// Looks once whether something has come in the growing files; rests where nothing has.
    fn look_for_more(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Some(follower) = &mut self.follower else { return Ok(()) };
        if follower.is_current {
            for file in follower.look_for_files(batch)? {
                self.captures.forget(file.number);
                self.report.damage.extend(end(file, &mut self.decoders, &mut self.report.lines, batch));
            }
        }
        self.captures.wake();
        let mut is_current = self.captures.due().is_none() && !self.captures.has_over();
        for file in follower.files() {
            let decoders = &mut self.decoders;
            let news = file.read(|format| decoder(decoders, format), &mut self.report.lines, batch);
            is_current &= news == News::None;
            match news {
                News::None | News::Some => {}
                News::Damage(reason) => self.report.damage.push(format!("{}: {reason}", file.path.display())),
                News::Capture => match Capture::new(file.reader()) {
                    Ok(capture) => {
                        let (path, number) = (file.path.clone(), file.number);
                        self.captures.push(Open { path, number, capture: Box::new(capture), records: 0 });
                    }
                    Err(reason) => {
                        self.report.damage.push(format!("{}: {reason}", file.path.display()));
                        file.content = Content::Refused;
                    }
                },
            }
        }
        follower.is_current = is_current;
        if is_current {
            follower.rest();
        }
        Ok(())
    }

    /// Ends what still waits in growing files for more.
    fn stop_following(&mut self, batch: &mut Batch) {
        for file in self.follower.take().into_iter().flat_map(Follower::into_files) {
            self.report.damage.extend(end(file, &mut self.decoders, &mut self.report.lines, batch));
        }
    }

    /// The rest of the meter's and the decoders' flows, some at a time.
    fn finish(&mut self, batch: &mut Batch) {
        let most = batch.flows.len() + FLOWS_A_BATCH;
        if self.meter.finish_some(&mut batch.flows, most) {
            return;
        }
        self.finished = true;
        self.decoders.iter_mut().for_each(|(_, decoder)| decoder.finish(batch));
    }
}

impl Source for Input {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        let due = self.captures.due();
        let is_due = |next: &mut Waiting| due.is_none_or(|due| next.start.is_none_or(|start| start <= due));
        let is_over = self.follower.as_ref().is_none_or(Follower::is_over);
        if self.log.is_some() {
            self.read_log(batch);
        } else if let Some(next) = self.waiting.pop_if(is_due) {
            self.open_next(next);
        } else if due.is_some() || self.captures.has_over() {
            self.read_captures(batch);
        } else if !is_over {
            self.look_for_more(batch)?;
        } else {
            self.stop_following(batch);
            self.finish(batch);
        }
        self.report.add(batch);
        Ok(!self.finished)
    }

    fn is_current(&self) -> bool {
        self.follower.as_ref().is_some_and(|follower| follower.is_current)
    }
}

impl Waiting {
    fn look_into(path: PathBuf, number: usize) -> Result<Waiting, Error> {
        let mut opened = file::open(&path)?;
        let start = match kind(&path, &mut opened)? {
            Kind::Capture => first_packet(&path, &mut opened)?,
            Kind::Log(format) => first_flow(format, head(&path, &mut opened)?),
        };
        let bytes = opened.progress.total();
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
        Ok(Waiting { path, number, start, bytes, pipe: (!is_file).then_some(opened) })
    }
}

impl Log {
    /// Decodes the next messages; `false` at the end of the log.
    fn read(&mut self, decoder: &mut dyn Decoder, batch: &mut Batch) -> Result<bool, String> {
        for _ in 0..MESSAGES_A_BATCH {
            self.message.clear();
            if !(self.format.next_message)(&mut self.bytes, &mut self.message, batch)? {
                return Ok(false);
            }
            self.records += 1;
            decoder.decode(&self.message, batch);
        }
        Ok(true)
    }
}

/// The first bytes of an opened file, which stay unread.
fn head<'a>(path: &Path, opened: &'a mut Opened) -> Result<&'a [u8], Error> {
    opened.bytes.fill_buf().map_err(|error| damaged(path, "byte", 0, error.to_string()))
}

/// What an opened file is.
fn kind(path: &Path, opened: &mut Opened) -> Result<Kind, Error> {
    let head = head(path, opened)?;
    if packet::is_capture(head) {
        return Ok(Kind::Capture);
    }
    if let Some(format) = FORMATS.iter().find(|format| (format.recognises)(head)) {
        return Ok(Kind::Log(format));
    }
    let start = String::from_utf8_lossy(&head[..head.len().min(24)]).escape_debug().to_string();
    Err(Error::Unknown { path: path.to_owned(), start: format!("\"{start}\""), expected: expected() })
}

fn damaged(path: &Path, record: &'static str, number: u64, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), record, number, reason }
}

/// Gives the meter a packet.
fn take(record: Record<'_>, meter: &mut Meter, flows: &mut Vec<flow::Flow>) {
    match record.link {
        Ok(link) => meter.packet(link, record.time, record.bytes, record.wire_bytes, flows),
        Err(skip) => meter.skip(skip),
    }
}

/// Decodes what waits in a growing file for the end of its line, which will not come; what is damaged.
fn end(
    mut file: Growing,
    decoders: &mut Vec<(&'static str, Box<dyn Decoder>)>,
    lines: &mut u64,
    batch: &mut Batch,
) -> Option<String> {
    let Content::Log(format) = file.content else { return None };
    let reason = file.finish(decoder(decoders, format), lines, batch)?;
    Some(format!("{}: {reason}", file.path.display()))
}

/// The decoder of a format, made where there is none yet.
fn decoder<'a>(decoders: &'a mut Vec<(&'static str, Box<dyn Decoder>)>, format: &Format) -> &'a mut dyn Decoder {
    let position = decoders.iter().position(|(name, _)| *name == format.name).unwrap_or_else(|| {
        decoders.push((format.name, (format.decoder)()));
        decoders.len() - 1
    });
    &mut *decoders[position].1
}

/// The time of a capture's first packet. Fails where the first bytes are no whole header of a capture.
fn first_packet(path: &Path, opened: &mut Opened) -> Result<Option<Time>, Error> {
    let mut capture = Capture::new(head(path, opened)?).map_err(|reason| damaged(path, "byte", 0, reason))?;
    Ok(capture.next_record().ok().flatten().map(|record| record.time))
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

const PACKETS_A_BATCH: u64 = 2048;
/// A reading ends with so many flows: the rest of a full table would take its memory a second time.
const FLOWS_A_BATCH: usize = 4096;
const MESSAGES_A_BATCH: usize = 1024;
