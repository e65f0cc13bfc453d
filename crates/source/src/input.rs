//! Files of any format as one stream of flows.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use meter::{Counts, Meter, Packets};

use crate::follow::{Content, Follow, Follower, Growing, News};
use crate::format::mapping::TableFlows;
use crate::format::packet::{Capture, Record};
use crate::format::rows::Rows;
use crate::format::{Decoder, Format, datagram, vpc};
use crate::merge::{Merge, Open};
use crate::opening::{Kind, Settings, Waiting, arrange, damaged, kind};
use crate::transport::file::{self, Progress};
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
    settings: Settings,
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

/// An open file that is no capture of the traffic itself.
struct Log {
    path: PathBuf,
    content: Records,
    progress: Progress,
    records: u64,
}

/// What a log consists of.
enum Records {
    /// Messages of a format, one after the other.
    Messages { format: &'static Format, bytes: Box<dyn BufRead + Send>, message: Vec<u8> },
    /// Messages of a format as captured datagrams.
    Datagrams { format: &'static Format, capture: Box<Capture<Box<dyn Read + Send>>> },
    /// Rows of a table.
    Rows { rows: Box<Rows>, flows: Box<TableFlows> },
}

impl Input {
    /// Looks into the files, which must all be captures or logs of flows; of a folder, into the files in it. Of several
    /// files, one that is empty or in no known format (the last of a rotation, a note beside the captures) is reported
    /// as damage and passed over.
    pub fn open(paths: &[PathBuf], settings: impl Into<Settings>) -> Result<Input, Error> {
        let (files, left_out) = folder::expand(paths)?;
        let (mut input, mut unreadable) = Input::of(files, settings.into());
        if input.waiting.is_empty() && !unreadable.is_empty() {
            return Err(unreadable.swap_remove(0));
        }
        input.report.damage.extend(left_out);
        Ok(input)
    }

    /// Reads the files, and what is appended to them until it is told to stop: through rotation, truncation, and the
    /// last line that is not whole yet. Of folders, new files are taken up as they appear. What is compressed, and what
    /// is an hour older than the newest file of its folder, is read once.
    pub fn follow(paths: &[PathBuf], settings: impl Into<Settings>, follow: Follow) -> Result<Input, Error> {
        let (follower, complete, left_out) = Follower::new(paths, follow)?;
        let (mut input, _) = Input::of(complete, settings.into());
        input.report.damage.extend(left_out);
        Ok(Input { follower: Some(follower), ..input })
    }

    fn of(paths: Vec<PathBuf>, mut settings: Settings) -> (Input, Vec<Error>) {
        let mut waiting = Vec::with_capacity(paths.len());
        let mut unreadable = Vec::new();
        for (number, path) in paths.into_iter().enumerate() {
            match Waiting::look_into(path, number, &settings) {
                Ok(file) => waiting.push(file),
                Err(error) => unreadable.push(error),
            }
        }
        arrange(&mut waiting);
        let mut decoders: Vec<(&'static str, Box<dyn Decoder>)> = Vec::new();
        // That the fields are told is asked again when a file is opened.
        if let Some(vpc) = settings.vpc.as_mut().map(std::mem::take) {
            decoders.push((vpc::FORMAT.name, Box::new(vpc)));
        }
        let input = Input {
            bytes: waiting.iter().map(|file| file.bytes).sum(),
            waiting,
            captures: Merge::new(),
            log: None,
            progress: Vec::new(),
            done: 0,
            meter: Meter::new(settings.meter.clone()),
            table: Counts::default(),
            settings,
            decoders,
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
        let Waiting { path, number, bytes, pipe, .. } = next;
        let opened = pipe.map_or_else(|| file::open(&path), Ok);
        let outcome = opened.and_then(|opened| {
            let progress = opened.progress.clone();
            let (kind, opened) = kind(&path, opened, &self.settings)?;
            let capture = |bytes: Box<dyn BufRead + Send>| {
                let bytes: Box<dyn Read + Send> = Box::new(bytes);
                Capture::new(bytes).map(Box::new).map_err(|reason| damaged(&path, "byte", 0, reason))
            };
            let content = match kind {
                Kind::Capture => {
                    let capture = capture(opened.bytes)?;
                    self.progress.push((number, progress));
                    self.captures.push(Open { path: path.clone(), number, capture, records: 0 });
                    return Ok(());
                }
                Kind::Datagrams(format) => Records::Datagrams { format, capture: capture(opened.bytes)? },
                Kind::Log(format) => {
                    decoder(&mut self.decoders, format).begin();
                    Records::Messages { format, bytes: opened.bytes, message: Vec::new() }
                }
                Kind::Table(rows, flows) => Records::Rows { rows, flows },
            };
            self.log = Some(Log { path: path.clone(), content, progress, records: 0 });
            Ok(())
        });
        if let Err(error) = outcome {
            self.done += bytes;
            self.report.damage.push(in_full(&error));
        }
    }

    /// Reads on in the open log.
    fn read_log(&mut self, batch: &mut Batch) {
        let Some(log) = &mut self.log else { return };
        let before = log.records;
        let (record, outcome) = log.read(&mut self.decoders, batch);
        let count = log.records - before;
        *(if record == "packet" { &mut self.report.packets } else { &mut self.report.lines }) += count;
        if let Ok(true) = outcome {
            return;
        }
        self.done += log.progress.read();
        if let Records::Rows { rows, flows } = &mut log.content {
            flows.finish(batch);
            rows.skipped().iter().for_each(|(reason, count)| *batch.skipped.entry(reason).or_default() += count);
        }
        if let Err(reason) = outcome {
            self.report.damage.push(damaged(&log.path, record, log.records, reason).to_string());
        }
        self.log = None;
    }

    /// Gives the meter the next packets, up to the time of the next file.
    fn read_captures(&mut self, batch: &mut Batch) {
        let until = self.waiting.last().and_then(|next| next.start.time());
        let meter = &mut self.meter;
        let most = batch.flows.len() + FLOWS_A_BATCH;
        // After a step of the clock the flows from before it come first.
        let is_full = meter.is_behind_step() && meter.finish_some(&mut batch.flows, most);
        if !is_full {
            let mut exports = 0;
            self.captures.give(PACKETS_A_BATCH, until, |record| {
                exports += u64::from(datagram::is_export(&record));
                take(record, meter, &mut batch.flows);
                batch.flows.len() < most && !meter.is_behind_step()
            });
            batch.note(EXPORTED, exports);
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
            let mapping = self.settings.mapping.as_ref();
            let news = file.read(|format| decoder(decoders, format), mapping, &mut self.report.lines, batch);
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
        let is_due = |next: &mut Waiting| due.is_none_or(|due| next.start.time().is_none_or(|start| start <= due));
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

impl Log {
    /// Reads the next records; what they are called, and `false` at the end of the log.
    fn read(
        &mut self,
        decoders: &mut Vec<(&'static str, Box<dyn Decoder>)>,
        batch: &mut Batch,
    ) -> (&'static str, Result<bool, String>) {
        match &mut self.content {
            Records::Messages { format, bytes, message } => {
                ("line", read_messages(format, decoder(decoders, format), bytes, message, &mut self.records, batch))
            }
            Records::Datagrams { format, capture } => {
                ("packet", read_datagrams(capture, decoder(decoders, format), &mut self.records, batch))
            }
            Records::Rows { rows, flows } => {
                let outcome = read_rows(rows, flows, batch);
                self.records = rows.count();
                ("row", outcome)
            }
        }
    }
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

/// Decodes what the next packets carry; `false` at the end of the capture.
fn read_datagrams<R: Read>(
    capture: &mut Capture<R>,
    decoder: &mut dyn Decoder,
    records: &mut u64,
    batch: &mut Batch,
) -> Result<bool, String> {
    for _ in 0..PACKETS_A_BATCH {
        let Some(record) = capture.next_record()? else { return Ok(false) };
        *records += 1;
        let payload = record.link.map_err(meter::Skip::reason).and_then(|link| datagram::payload(link, record.bytes));
        match payload {
            Ok((sender, payload)) => decoder.datagram(sender, record.time, payload, batch),
            Err(reason) => batch.skip(reason),
        }
    }
    Ok(true)
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
    let reason = file.finish(|format| decoder(decoders, format), lines, batch)?;
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

/// The error with its causes; of a file that is in no known format, of which other files are not, in short.
fn in_full(error: &Error) -> String {
    let mut text = match error {
        Error::Unknown { path, start, .. } => {
            format!("{} is passed over: it is in no format that can be read, and starts with {start}", path.display())
        }
        error => error.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The note of a [`Report`] on a capture that holds what exporters told a collector, and was read as traffic.
pub const EXPORTED: &str = "datagrams of NetFlow or IPFIX on their way to a collector";
const PACKETS_A_BATCH: u64 = 2048;
/// A reading ends with so many flows: the rest of a full table would take its memory a second time.
const FLOWS_A_BATCH: usize = 4096;
/// So few that their flows stay in the cache.
const MESSAGES_A_BATCH: usize = 256;
