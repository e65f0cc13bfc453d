//! What a file holds, and when its time comes.

use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};

use flow::{Duration, Time};

use crate::format::mapping::{Mapping, TableFlows};
use crate::format::packet::{self, Capture};
use crate::format::rows::Rows;
use crate::format::{FORMATS, Format, vpc};
use crate::transport::file::{self, Opened};
use crate::{Batch, Error};

/// How the inputs are to be read.
#[derive(Default)]
pub struct Settings {
    /// Of the meter for captures.
    pub meter: meter::Settings,
    /// The format of all the inputs. Captures then are not the traffic itself: their UDP datagrams carry messages of that
    /// format, as from an exporter to its collector. `None` looks at the first bytes.
    pub format: Option<&'static Format>,
    /// Which columns of tables hold what a flow needs. `None` knows some tables by their columns.
    pub mapping: Option<Mapping>,
    /// The reader of VPC flow logs without a header. `None` expects the fields of the default format.
    pub vpc: Option<vpc::FlowLog>,
}

impl From<meter::Settings> for Settings {
    fn from(meter: meter::Settings) -> Settings {
        Settings { meter, ..Settings::default() }
    }
}

/// A file whose time has not come.
pub(crate) struct Waiting {
    pub(crate) path: PathBuf,
    /// Its place in the order in which files were named.
    pub(crate) number: usize,
    pub(crate) start: Start,
    /// The name of its format, if it is a log.
    format: Option<&'static str>,
    pub(crate) bytes: u64,
    /// A pipe, which cannot be opened a second time.
    pub(crate) pipe: Option<Opened>,
}

/// When a file begins, as far as its first bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With a packet, or with a flow that ended then: logs have their flows in the order in which they ended.
    At(Time),
    /// With what tells of a flow that another file has.
    Beside(Time),
    Unknown,
}

/// What the first bytes of a file say that it is.
pub(crate) enum Kind {
    Capture,
    /// A capture of the datagrams in which messages of that format were sent.
    Datagrams(&'static Format),
    Log(&'static Format),
    Table(Box<Rows>, Box<TableFlows>),
}

impl Waiting {
    pub(crate) fn look_into(path: PathBuf, number: usize, settings: &Settings) -> Result<Waiting, Error> {
        let mut opened = file::open(&path)?;
        let bytes = opened.progress.total();
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
        let head = head(&path, &mut opened)?.to_vec();
        let (format, start) = match recognise(&head, settings) {
            Some(Kind::Capture | Kind::Datagrams(_)) => (None, first_packet(&path, &head)?),
            Some(Kind::Log(format)) => (Some(format.name), start_of_log(format, &head)),
            Some(Kind::Table(..)) | None if is_file => {
                // Opened anew in its time, but whether it is one is to be told now.
                kind(&path, opened, settings)?;
                let pipe = None;
                return Ok(Waiting { path, number, start: Start::Unknown, format: None, bytes, pipe });
            }
            Some(Kind::Table(..)) | None => (None, Start::Unknown),
        };
        Ok(Waiting { path, number, start, format, bytes, pipe: (!is_file).then_some(opened) })
    }
}

/// Puts the files into the order in which they are read, the first one last. Where times are equal or unknown, the order
/// of the paths stands. A log that tells of flows without having any itself (Zeek's dns.log) comes before the log that
/// has them: before the last one of its format that began at least fifteen minutes before it, or else before the first
/// one. So of rotated logs dns.00 and dns.01 come before conn.00, and in any case before the flows of their
/// conversations, because a flow is logged at its end.
pub(crate) fn arrange(files: &mut [Waiting]) {
    let mut starts: Vec<_> = files
        .iter()
        .filter_map(|file| match file.start {
            Start::At(time) => Some((time, file.format)),
            Start::Beside(_) | Start::Unknown => None,
        })
        .collect();
    starts.sort_unstable();
    for file in files.iter_mut() {
        if let Start::Beside(time) = file.start {
            let of_format = || starts.iter().filter(|(_, format)| *format == file.format).map(|&(start, _)| start);
            let before = of_format().take_while(|&start| start + BESIDE <= time).last().or(of_format().next());
            file.start = Start::Beside(before.unwrap_or(time));
        }
    }
    files.sort_by_key(|file| {
        std::cmp::Reverse(match file.start {
            Start::Unknown => (None, 0, file.number),
            Start::Beside(time) => (Some(time), 0, file.number),
            Start::At(time) => (Some(time), 1, file.number),
        })
    });
}

impl Start {
    /// The time, where it is known.
    pub(crate) fn time(self) -> Option<Time> {
        match self {
            Start::At(time) | Start::Beside(time) => Some(time),
            Start::Unknown => None,
        }
    }
}

/// What an opened file is, and the rest of it; a table has taken that.
pub(crate) fn kind(path: &Path, mut opened: Opened, settings: &Settings) -> Result<(Kind, Opened), Error> {
    let head = head(path, &mut opened)?.to_vec();
    if let Some(kind) = recognise(&head, settings) {
        return Ok((kind, opened));
    }
    if settings.mapping.is_none() && vpc::is_headerless(&head) {
        // The fields in the configuration tell what the order is; without them nobody knows it.
        return if settings.vpc.is_some() { Ok((Kind::Log(&vpc::FORMAT), opened)) } else { Err(headerless(path)) };
    }
    let rows = match Rows::of(opened, path, &[]) {
        Ok(rows) => rows,
        // Only of Parquet it is sure that a table is meant.
        Err(Error::Table { .. }) if !head.starts_with(b"PAR1") => return Err(unknown(path, &head)),
        Err(error) => return Err(error),
    };
    let refusal = |reason| Error::Table { path: path.to_owned(), reason };
    match TableFlows::of(rows.columns(), settings.mapping.as_ref()).map_err(refusal)? {
        Some(flows) => Ok((Kind::Table(Box::new(rows), Box::new(flows)), Vec::new().into())),
        None if rows.columns().iter().all(|name| name.starts_with("column ")) => Err(unknown(path, &head)),
        None => Err(refusal(format!(
            "it is a table whose rows are not known to be flows; tables are for `lapwing train` and `lapwing score`, and \
             a [mapping] in the configuration (--config) says which columns hold the two addresses; its columns are {}",
            rows.columns_in_words()
        ))),
    }
}

/// What a file that starts with these bytes is; `None` where it may be a table.
fn recognise(head: &[u8], settings: &Settings) -> Option<Kind> {
    match (packet::is_capture(head), settings.format) {
        (true, None) => Some(Kind::Capture),
        (true, Some(format)) => Some(Kind::Datagrams(format)),
        (false, Some(format)) => Some(Kind::Log(format)),
        (false, None) => FORMATS.iter().find(|format| (format.recognises)(head)).map(Kind::Log),
    }
}

/// The first bytes of an opened file, which stay unread.
pub(crate) fn head<'a>(path: &Path, opened: &'a mut Opened) -> Result<&'a [u8], Error> {
    opened.bytes.fill_buf().map_err(|error| damaged(path, "byte", 0, error.to_string()))
}

pub(crate) fn damaged(path: &Path, record: &'static str, number: u64, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), record, number, reason }
}

fn headerless(path: &Path) -> Error {
    let reason = "it looks like VPC flow logs without a header, in other fields than the default format's; `fields` under \
                  [vpc] in a configuration file (--config) tells which field stands where";
    Error::Table { path: path.to_owned(), reason: reason.to_owned() }
}

fn unknown(path: &Path, head: &[u8]) -> Error {
    if let Some((_, _, what, advice)) =
        PACKED.iter().find(|(at, start, ..)| head.get(*at..).is_some_and(|head| head.starts_with(start)))
    {
        return Error::Packed { path: path.to_owned(), what, advice };
    }
    let start = String::from_utf8_lossy(&head[..head.len().min(24)]).escape_debug().to_string();
    Error::Unknown { path: path.to_owned(), start: format!("\"{start}\""), expected: expected() }
}

/// The time of a capture's first packet. Fails where the first bytes are no whole header of a capture.
fn first_packet(path: &Path, head: &[u8]) -> Result<Start, Error> {
    let mut capture = Capture::new(head).map_err(|reason| damaged(path, "byte", 0, reason))?;
    Ok(capture.next_record().ok().flatten().map_or(Start::Unknown, |record| Start::At(record.time)))
}

/// Where a log's first bytes begin.
fn start_of_log(format: &Format, head: &[u8]) -> Start {
    let mut decoder = (format.decoder)();
    let (mut bytes, mut batch, mut message) = (Cursor::new(head), Batch::default(), Vec::new());
    decoder.begin();
    while batch.flows.is_empty() {
        message.clear();
        if !(format.next_message)(&mut bytes, &mut message, &mut batch).unwrap_or(false) {
            break;
        }
        decoder.decode(&message, &mut batch);
    }
    let first = |batch: &Batch| batch.flows.first().map(|flow| flow.end).or(batch.notices.first().map(|it| it.time));
    match (first(&batch), decoder.first_waiting()) {
        (Some(time), _) => Start::At(time),
        (None, Some(time)) => Start::Beside(time),
        (None, None) => {
            decoder.finish(&mut batch);
            first(&batch).map_or(Start::Unknown, Start::At)
        }
    }
}

/// What can be read, in words.
fn expected() -> String {
    let logs: Vec<_> = FORMATS.iter().map(|format| format.what).collect();
    format!(
        "a capture (pcap or pcapng), a log of flows ({}) or a table whose columns are known or mapped, plain or \
         compressed with gzip or zstd",
        logs.join("; ")
    )
}

/// What people give that is not undone: where its mark stands, the mark, what it is, what to do.
const PACKED: [(usize, &[u8], &str, &str); 9] = [
    (0, b"\x1f\x8b", "compressed twice with gzip", "`gzip -dc FILE | lapwing scan -`"),
    (0, b"\x28\xb5\x2f\xfd", "compressed twice", "`zstd -dc` or `gzip -dc`, as its name tells"),
    (0, b"\xfd7zXZ\0", "compressed with xz", "`xz -dc FILE | lapwing scan -`"),
    (0, b"BZh", "compressed with bzip2", "`bzip2 -dc FILE | lapwing scan -`"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "`lz4 -dc FILE | lapwing scan -`"),
    (0, b"PK\x03\x04", "a zip archive", "`unzip -d FOLDER FILE`, then name the folder"),
    (257, b"ustar", "a tar archive", "`tar -xf FILE -C FOLDER`, then name the folder"),
    (0, b"\xff\xfe", "text in UTF-16", "`iconv -f UTF-16 -t UTF-8 FILE | lapwing scan -`"),
    (0, b"\xfe\xff", "text in UTF-16", "`iconv -f UTF-16 -t UTF-8 FILE | lapwing scan -`"),
];

/// A flow is logged at the latest so long after its end: Zeek waits five minutes for more of an idle TCP connection, and
/// Suricata ten; for others less.
const BESIDE: Duration = Duration::from_secs(15 * 60);
