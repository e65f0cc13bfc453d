//! Zeek's logs, tab-separated or JSON (docs.zeek.org, "Zeek Log Formats"): conn.log gives flows, notice.log notices, and
//! dns.log, http.log, ssl.log and quic.log tell what the flows of the same `uid` were about.
//!
//! What an application's log tells waits for its flow, so it must come before it; [`crate::Input`] reads the files in
//! such an order. All other logs are recognised, counted and passed over.
//!
//! Read too: labelled variants (the columns `label` and `detailed-label` of IoT-23, joined by blanks rather than tabs),
//! logs put one after the other, JSON of any order of members and with times of either kind, columns added or left out.

mod conversation;
mod header;
mod record;

use flow::{Application, Notice, Time};

use self::header::Header;
use self::record::{Field, Kind, Record};
use super::json::Order;
use super::recent::Recent;
use super::waiting::Waiting;
use super::{Decoder, Format, next_line};
use crate::Batch;

pub(super) const FORMAT: Format = Format {
    name: "zeek",
    what: "Zeek's conn.log with the dns, http, ssl, quic and notice logs beside it, tab-separated or JSON",
    recognises: |start| is_tab_separated(start) || is_json(start),
    next_message: next_line,
    decoder: || Box::new(Logs::default()),
    sample,
};

pub(super) fn is_tab_separated(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    ["#separator", "#path", "#fields"].iter().any(|name| start.starts_with(name.as_bytes()))
}

fn is_json(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    line.trim_ascii_start().starts_with(b"{")
        && has(b"\"ts\"")
        && !has(b"\"event_type\"")
        && JSON_MEMBERS.iter().any(|name| has(name.as_bytes()))
}

/// One of them is in each log of Zeek's own.
const JSON_MEMBERS: [&str; 12] = [
    "\"id.orig_h\"",
    "\"_path\"",
    "\"uid\"",
    "\"uids\"",
    "\"fuid\"",
    "\"note\"",
    "\"ts_delta\"",
    "\"peer\"",
    "\"fingerprint\"",
    "\"certificate.serial\"",
    "\"software_type\"",
    "\"port_proto\"",
];

/// Reads the lines of Zeek's logs.
pub struct Logs {
    header: Header,
    /// Of JSON lines.
    members: Order<Option<Field>>,
    /// What is known of a conversation whose flow has not come yet, by its uid.
    applications: Waiting<Box<str>, Told>,
    seen: Recent,
    /// Of the first line that waited.
    first_waiting: Option<Time>,
}

/// What the logs of applications told of a conversation.
struct Told {
    application: Application,
    lines: u64,
}

impl Default for Logs {
    fn default() -> Logs {
        Logs {
            header: Header::default(),
            members: Order::new(|name| Field::of(name.as_bytes())),
            applications: Waiting::new(MAX_WAITING / 2),
            seen: Recent::default(),
            first_waiting: None,
        }
    }
}

impl Decoder for Logs {
    fn begin(&mut self) {
        self.header = Header::default();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        if let Err(reason) = self.line(message, batch) {
            batch.skip(reason);
        }
    }

    fn first_waiting(&self) -> Option<Time> {
        self.first_waiting
    }

    fn finish(&mut self, batch: &mut Batch) {
        let lines = self.applications.take_all().iter().map(|told| told.lines).sum();
        batch.note("lines of Zeek's application logs whose flow is in no conn.log read after them", lines);
    }
}

impl Logs {
    fn line(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let start = line.trim_ascii_start();
        let record = match start.first() {
            None => return Ok(()),
            Some(b'#') => return self.header.line(start),
            Some(b'{') => Record::of_json(start, &mut self.members)?,
            Some(_) => self.header.record(line, batch)?,
        };
        // Such a log has been counted.
        let Some(record) = record else { return Ok(()) };
        let kind = if record.is_json { record.kind() } else { self.header.kind() };
        match kind {
            Kind::Conn => self.flow(&record, line, batch)?,
            Kind::Notice => self.notice(&record, line, batch)?,
            Kind::Dns | Kind::Http | Kind::Ssl | Kind::Quic => self.application(kind, &record, line, batch)?,
            Kind::Other(what) => batch.note(what, 1),
        }
        Ok(())
    }

    fn flow(&mut self, record: &Record<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let start = record.time().ok_or(record::NO_TIME)?;
        let uid = record.bytes(Field::Uid);
        let sought = if uid.is_empty() { self.seen.seek(line) } else { self.seen.seek((uid, start.nanoseconds())) };
        let mut flow = conversation::flow(record, start)?;
        let repeats = self.seen.has(sought);
        if repeats {
            return Err("line that repeats another: the same uid and time");
        }
        if let Some(told) = std::str::from_utf8(uid).ok().and_then(|uid| self.applications.take(uid)) {
            batch.note("lines of Zeek's application logs joined with their flow", told.lines);
            flow.application = Some(Box::new(told.application));
        }
        conversation::note(record, batch);
        batch.flows.push(flow);
        Ok(())
    }

    fn notice(&mut self, record: &Record<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let time = record.time().ok_or(record::NO_TIME)?;
        if record.bytes(Field::Note).is_empty() {
            return Err("notice without a name");
        }
        if self.seen.repeats(line) {
            return Err("line that repeats another");
        }
        let key = record.key().ok();
        let source = record.address(Field::Source).or(key.map(|key| key.originator.address));
        let target = record.address(Field::Destination).or(key.map(|key| key.responder.address));
        batch.notices.push(Notice {
            time,
            reporter: "zeek",
            name: record.name(Field::Note).unwrap_or_default(),
            detail: record.name(Field::Message).unwrap_or_default(),
            severity: None,
            source,
            target,
            key,
            id: record.name(Field::Uid),
        });
        Ok(())
    }

    /// Keeps what the line tells until its flow comes.
    fn application(
        &mut self,
        kind: Kind,
        record: &Record<'_>,
        line: &[u8],
        batch: &mut Batch,
    ) -> Result<(), &'static str> {
        let uid = match std::str::from_utf8(record.bytes(Field::Uid)) {
            Ok("") | Err(_) => return Err("line of an application's log without a uid"),
            Ok(uid) if uid.len() > MAX_UID_BYTES => return Err("uid longer than any of Zeek's"),
            Ok(uid) => uid,
        };
        let time = record.time().ok_or(record::NO_TIME)?;
        if self.seen.repeats(line) {
            return Err("line that repeats another");
        }
        self.first_waiting = self.first_waiting.or(Some(time));
        let make = || (uid.into(), Told { application: conversation::application(kind), lines: 0 });
        let (told, let_go) = self.applications.entry(uid, make);
        if let Some(told) = told {
            conversation::tell(&mut told.application, kind, record);
            told.lines += 1;
        }
        let lines = let_go.iter().map(|told| told.lines).sum();
        batch.note("lines of Zeek's application logs let go before their flow came, to bound the memory", lines);
        Ok(())
    }
}

fn sample() -> Vec<Vec<u8>> {
    let lines = [
        "#separator \\x09",
        "#path\tdns",
        "#fields\tts\tuid\tquery\tqtype\trcode\trejected",
        "1700000000.100000\tCsample\twww.example.org\t1\t3\tF",
        "#path\tssl",
        "#fields\tts\tuid\tversion\tserver_name\tnext_protocol\tja4\testablished",
        "1700000001.200000\tCsample2\tTLSv13\twww.example.org\th2\tt13d1516h2_8daaf6152771_b186095e22b6\tT",
        "#path\thttp",
        "#fields\tts\tuid\tmethod\thost\turi\tuser_agent\tstatus_code",
        "1700000002.200000\tCsample3\tGET\twww.example.org\t/index.html\tcurl/8.0\t200",
        "#path\tconn",
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t\
         conn_state\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\tvlan",
        "1700000000.100000\tCsample\t192.0.2.1\t50000\t192.0.2.53\t53\tudp\tdns\t0.020000\t33\t108\t\
         SF\tDd\t1\t61\t1\t136\t7",
        "1700000001.100000\tCsample2\t192.0.2.1\t50001\t192.0.2.80\t443\ttcp\tssl\t2.500000\t400\t9000\t\
         SF\tShADadFf\t9\t780\t11\t9452\t7",
        "1700000002.100000\tCsample3\t192.0.2.1\t50002\t192.0.2.80\t80\ttcp\thttp\t0.500000\t80\t900\t\
         SF\tShADadFf\t5\t300\t5\t1120\t7",
    ];
    lines.map(|line| line.as_bytes().to_vec()).into()
}

/// Conversations of which application logs told and whose flow has not come: some 400 bytes each, so 200 MiB at most.
const MAX_WAITING: usize = 1 << 19;
/// Zeek's own have 18.
const MAX_UID_BYTES: usize = 64;
