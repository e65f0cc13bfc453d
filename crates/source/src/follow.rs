//! Inputs that grow: files that are appended to, folders that get new ones.

mod table;

use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use flow::Duration;

use self::table::Table;
use crate::format::mapping::Mapping;
use crate::format::{Decoder, FORMATS, Format, packet};
use crate::transport::tail::{Identity, Name, Tail, Tailing, identity};
use crate::transport::{file, folder};
use crate::{Batch, Error};

/// How growing inputs are followed.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Once set, the input ends in good order.
    pub stop: Arc<AtomicBool>,
    /// How long to rest where nothing has come. A quarter of a second: soon enough for a person who watches.
    pub rest: Duration,
    /// How long to follow; `None` is until it is stopped.
    pub duration: Option<Duration>,
}

impl Default for Follow {
    fn default() -> Follow {
        Follow { stop: Arc::default(), rest: Duration::from_millis(250), duration: None }
    }
}

/// The growing files of an input.
pub(crate) struct Follower {
    settings: Follow,
    end: Option<Instant>,
    folders: Vec<PathBuf>,
    files: Vec<Growing>,
    /// The files that were found in folders.
    known: HashSet<Identity>,
    /// The number of the next file.
    next: usize,
    /// Whether nothing had come when it was looked last.
    pub(crate) is_current: bool,
}

/// A growing file.
pub(crate) struct Growing {
    pub(crate) path: PathBuf,
    pub(crate) number: usize,
    name: Name,
    tail: Tailing,
    pub(crate) content: Content,
    /// Of [`Content::Table`].
    table: Option<Table>,
    /// Bytes that were read and not yet used.
    bytes: Vec<u8>,
    records: u64,
    /// How often nothing had come in it, since something had.
    quiet: u32,
}

/// What a growing file holds.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// Too little yet to tell.
    Unknown,
    /// Packets; the file is read by whoever merges captures.
    Capture,
    /// Messages of this format.
    Log(&'static Format),
    /// Rows that are flows.
    Table,
    /// Nothing that can be read; that was said.
    Refused,
}

/// What has come in a growing file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing.
    None,
    /// Something; there may be more.
    Some,
    /// The file turned out to be a capture.
    Capture,
    /// The file is over, and the rest of it is of no use.
    Damage(String),
}

impl Follower {
    /// Finds what is complete among the paths, to be read once, and what grows, to be followed: each file that is named,
    /// and those in folders that were written lately. Last, what is to be said of folders inside of folders.
    pub(crate) fn new(paths: &[PathBuf], settings: Follow) -> Result<(Follower, Vec<PathBuf>, Vec<String>), Error> {
        let mut follower = Follower {
            end: settings.duration.map(|duration| Instant::now() + duration),
            settings,
            folders: paths.iter().filter(|path| path.is_dir()).cloned().collect(),
            files: Vec::new(),
            known: HashSet::new(),
            next: 0,
            is_current: true,
        };
        let (mut complete, mut left_out) = (Vec::new(), Vec::new());
        for path in paths.iter().filter(|path| !path.is_dir()) {
            if path != Path::new("-") {
                // One that is not there would be waited for in silence, and most often its name is mistyped.
                path.metadata().map_err(|source| Error::open(path.clone(), source))?;
            }
            // A pipe grows by itself.
            if path.metadata().is_ok_and(|metadata| metadata.is_file()) && !file::is_compressed(path)? {
                follower.add(path, Name::Follow);
            } else {
                complete.push(path.clone());
            }
        }
        for path in follower.folders.clone() {
            let mut files = Vec::new();
            let listing = folder::list(&path)?;
            left_out.extend(folder::left_out_in(&path, listing.folders));
            for path in listing.files {
                let Ok(metadata) = path.metadata() else { continue };
                follower.known.insert(identity(&metadata));
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
            let newest = files.iter().map(|(modified, _)| *modified).max().unwrap_or(SystemTime::UNIX_EPOCH);
            for (modified, path) in files {
                let age = newest.duration_since(modified).unwrap_or_default();
                if age > COMPLETE || file::is_compressed(&path)? {
                    complete.push(path);
                } else {
                    follower.add(&path, Name::Ignore);
                }
            }
        }
        follower.next = complete.len() + follower.files.len();
        for (number, file) in follower.files.iter_mut().enumerate() {
            file.number = complete.len() + number;
        }
        Ok((follower, complete, left_out))
    }

    /// Whether it is time to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.settings.stop.load(Ordering::Relaxed) || self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Rests for a while, so that something may come.
    pub(crate) fn rest(&self) {
        std::thread::sleep(self.settings.rest);
    }

    /// The growing files.
    pub(crate) fn files(&mut self) -> &mut [Growing] {
        &mut self.files
    }

    /// All of them, to be ended.
    pub(crate) fn into_files(self) -> Vec<Growing> {
        self.files
    }

    /// The growing file of that number.
    pub(crate) fn file(&mut self, number: usize) -> Option<&mut Growing> {
        self.files.iter_mut().find(|file| file.number == number)
    }

    /// Looks for files that are new in the folders. Gives back those that are let go, because nothing has come in them for
    /// the longest time and too many are open.
    pub(crate) fn look_for_files(&mut self, batch: &mut Batch) -> Result<Vec<Growing>, Error> {
        for folder in self.folders.clone() {
            for path in folder::list(&folder)?.files {
                let Ok(metadata) = path.metadata() else { continue };
                if !self.known.insert(identity(&metadata)) {
                    continue;
                }
                if file::is_compressed(&path)? {
                    batch.note("compressed files that appeared in a followed folder, not read a second time", 1);
                } else {
                    self.add(&path, Name::Ignore);
                }
            }
        }
        let mut let_go = Vec::new();
        while self.files.len() > MOST_OPEN {
            let quietest = self.files.iter().enumerate().filter(|(_, file)| file.name == Name::Ignore);
            let Some((at, _)) = quietest.max_by_key(|(at, file)| (file.quiet, std::cmp::Reverse(*at))) else { break };
            let_go.push(self.files.remove(at));
        }
        Ok(let_go)
    }

    fn add(&mut self, path: &Path, name: Name) {
        self.files.push(Growing {
            path: path.to_owned(),
            number: self.next,
            name,
            tail: Tailing::new(Tail::new(path, name)),
            content: Content::Unknown,
            table: None,
            bytes: Vec::new(),
            records: 0,
            quiet: 0,
        });
        self.next += 1;
    }
}

impl Growing {
    /// Reads what has come; whole messages go through `decoder`, which is asked for the format's. The rows of tables are
    /// flows by the mapping, or as they are known.
    pub(crate) fn read<'a>(
        &mut self,
        decoder: impl FnOnce(&'static Format) -> &'a mut dyn Decoder,
        mapping: Option<&Mapping>,
        lines: &mut u64,
        batch: &mut Batch,
    ) -> News {
        self.quiet = self.quiet.saturating_add(1);
        if matches!(self.content, Content::Capture) {
            return News::None;
        }
        let before = self.bytes.len();
        self.bytes.resize(before + PIECE, 0);
        let outcome = self.tail.read(&mut self.bytes[before..]);
        let (count, is_over) = match outcome {
            Ok(count) => (count, count == 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, false),
            Err(error) => {
                self.bytes.truncate(before);
                let is_told = matches!(self.content, Content::Refused);
                self.content = Content::Refused;
                return if is_told { News::None } else { News::Damage(error.to_string()) };
            }
        };
        self.bytes.truncate(before + count);
        if count == 0 && !is_over {
            return News::None;
        }
        self.quiet = 0;
        let mut news = News::Some;
        if let Content::Unknown = self.content {
            self.recognise(is_over, mapping);
            match self.content {
                Content::Capture => return News::Capture,
                Content::Refused if !self.bytes.is_empty() => {
                    news = News::Damage(NO_LOG.to_owned());
                }
                _ => {}
            }
        }
        let outcome = match self.content {
            Content::Log(format) => self.decode(format, decoder(format), is_over, lines, batch),
            Content::Table => self.decode_rows(is_over, lines, batch),
            _ => Ok(()),
        };
        if let Err(reason) = outcome {
            self.content = Content::Refused;
            news = News::Damage(reason);
        }
        if matches!(self.content, Content::Refused) {
            self.bytes.clear();
        }
        if is_over {
            self.start_anew();
        }
        news
    }

    /// Gives out what waits for the end of its line, which will not come; what is wrong with the file.
    pub(crate) fn finish<'a>(
        &mut self,
        decoder: impl FnOnce(&'static Format) -> &'a mut dyn Decoder,
        lines: &mut u64,
        batch: &mut Batch,
    ) -> Option<String> {
        match self.content {
            Content::Log(format) => self.decode(format, decoder(format), true, lines, batch).err(),
            Content::Table => self.decode_rows(true, lines, batch).err(),
            _ => self.refusal().map(str::to_owned),
        }
    }

    /// What is wrong with a file that never turned out to be anything.
    fn refusal(&self) -> Option<&'static str> {
        (matches!(self.content, Content::Unknown) && !self.bytes.is_empty()).then_some(NO_LOG)
    }

    /// What is left of a file that turned out to be a capture, and all that comes.
    pub(crate) fn reader(&mut self) -> Box<dyn Read + Send> {
        let read = io::Cursor::new(std::mem::take(&mut self.bytes));
        Box::new(read.chain(self.tail.clone()))
    }

    /// What comes next is another file.
    pub(crate) fn start_anew(&mut self) {
        self.content = Content::Unknown;
        self.table = None;
        self.bytes.clear();
        self.records = 0;
    }

    fn recognise(&mut self, is_over: bool, mapping: Option<&Mapping>) {
        let head = &self.bytes[..];
        if packet::is_capture(head) {
            self.content = if head.len() >= CAPTURE_HEADER { Content::Capture } else { Content::Unknown };
            return;
        }
        let is_enough = is_over || head.contains(&b'\n') || head.len() >= PIECE;
        let format = FORMATS.iter().find(|format| is_enough && (format.recognises)(head));
        let table = if format.is_none() { Table::of(head, &self.path, mapping) } else { None };
        self.content = match format {
            Some(format) => Content::Log(format),
            None if table.is_some() => Content::Table,
            None if is_over || head.len() >= PIECE => Content::Refused,
            None => Content::Unknown,
        };
        if let Some((table, header_bytes)) = table {
            self.bytes.drain(..header_bytes);
            self.table = Some(table);
        }
    }

    /// Makes flows of the rows that are whole; at the end, of those that are not, too.
    fn decode_rows(&mut self, is_over: bool, lines: &mut u64, batch: &mut Batch) -> Result<(), String> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let whole = if is_over { self.bytes.len() } else { table.whole(&self.bytes) };
        if self.bytes.len() - whole > MOST_ROW {
            return Err("row longer than 1 MiB, perhaps a quote that is never closed".to_owned());
        }
        if whole > 0 {
            *lines += table.decode(&self.bytes[..whole], &self.path, batch)?;
            self.bytes.drain(..whole);
        }
        if is_over {
            table.finish(batch);
        }
        Ok(())
    }

    /// Decodes the messages that are whole; at the end, those that are not, too.
    fn decode(
        &mut self,
        format: &'static Format,
        decoder: &mut dyn Decoder,
        is_over: bool,
        lines: &mut u64,
        batch: &mut Batch,
    ) -> Result<(), String> {
        if self.records == 0 {
            decoder.begin();
        }
        let mut used = 0;
        let mut message = Vec::new();
        loop {
            let mut rest = Rest { bytes: &self.bytes[used..], has_ended: false };
            let mut counted = Batch::default();
            message.clear();
            let outcome = (format.next_message)(&mut rest, &mut message, &mut counted);
            // The reader saw the end of what has come: the message may go on.
            if rest.has_ended && !is_over && self.bytes.len() - used < MOST_WAITING {
                break;
            }
            used = self.bytes.len() - rest.bytes.len();
            batch.absorb(counted);
            if !outcome? {
                break;
            }
            self.records += 1;
            *lines += 1;
            decoder.decode(&message, batch);
        }
        self.bytes.drain(..used);
        Ok(())
    }
}

/// What has come of a file; remembers whether more was wanted.
struct Rest<'a> {
    bytes: &'a [u8],
    has_ended: bool,
}

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.has_ended |= self.bytes.len() < buffer.len();
        self.bytes.read(buffer)
    }
}

impl BufRead for Rest<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.has_ended |= self.bytes.is_empty();
        Ok(self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
    }
}

const NO_LOG: &str =
    "it is neither a capture, nor a log of flows, nor a table with a header whose columns are known or mapped";
/// Read at a time, and the most that is looked at to tell what a file is.
const PIECE: usize = 1 << 16;
/// The shortest header of a capture file.
const CAPTURE_HEADER: usize = 24;
/// No row of a table is longer.
const MOST_ROW: usize = 1 << 20;
/// No message is longer.
const MOST_WAITING: usize = 16 << 20;
/// A file in a folder whose newest one is so much newer is not written to any more.
const COMPLETE: Duration = Duration::from_secs(3600);
/// Open at a time in folders: more than are ever written at once.
const MOST_OPEN: usize = 64;
