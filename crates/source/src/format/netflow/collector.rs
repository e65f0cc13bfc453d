//! Export messages of any number of exporters become records: NetFlow version 5, version 9 (RFC 3954), IPFIX (RFC 7011).

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::LazyLock;

use flow::Time;
use foldhash::fast::FixedState;

use super::options::Options;
use super::record::{Header, Record};
use super::sequence::{Arrival, Sequence};
use super::template::{Field, Template, Templates};
use crate::Batch;

/// Knows the templates of exporters, and reads their messages.
///
/// Templates belong to one observation domain of one exporter (RFC 7011 s.8, RFC 3954 s.5.1). A set whose template did
/// not come yet waits for it. Everything that is kept has a bound: domains, templates of a domain, waiting sets.
#[derive(Debug, Default)]
pub struct Collector {
    domains: HashMap<Speaker, Domain>,
    /// Messages read, by which domains are ordered.
    messages: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Domains ever heard, which number them.
    heard: u32,
}

/// Who speaks: an exporter, where its address is known, and which of its meters, in which version.
type Speaker = (Option<IpAddr>, u32, u16);

#[derive(Debug)]
struct Domain {
    templates: Templates,
    sequence: Sequence,
    context: Context,
    last_message: u64,
    last_uptime: u32,
    last_exported: Time,
}

/// What is known of the observation domain of a record, beside the record.
#[derive(Debug)]
pub(super) struct Context {
    /// Counts the domains.
    pub(super) number: u32,
    pub(super) options: Options,
}

/// A set whose template is not known yet.
#[derive(Debug)]
struct Waiting {
    speaker: Speaker,
    header: Header,
    set: u16,
    body: Box<[u8]>,
}

impl Collector {
    /// Reads a message and gives each of its records to `each`, those of options too. What cannot be read is counted in
    /// `batch`. Bytes after the message's end, where it tells one, are passed over.
    pub fn message(
        &mut self,
        exporter: Option<IpAddr>,
        message: &[u8],
        batch: &mut Batch,
        mut each: impl FnMut(&Record<'_>, &mut Batch),
    ) {
        self.read(exporter, message, batch, &mut |record, _, batch| each(record, batch));
    }

    pub(super) fn read(
        &mut self,
        exporter: Option<IpAddr>,
        message: &[u8],
        batch: &mut Batch,
        each: &mut impl FnMut(&Record<'_>, &Context, &mut Batch),
    ) {
        let (header, body) = match Header::of(message) {
            Ok(split) => split,
            Err(reason) => return batch.skip(reason),
        };
        let speaker = (exporter, header.domain, header.version);
        self.messages += 1;
        let Some(domain) = self.domain(speaker) else { return };
        domain.restart(&header);
        let digest = FixedState::default().hash_one(message);
        let arrival = domain.sequence.place(header.sequence, digest);
        if arrival == Arrival::Again {
            return batch.skip("message sent twice");
        }
        domain.note(arrival, header.version, batch);
        let mut records = Some(0);
        if let Some(fixed) = Fixed::of(header.version) {
            records = fixed.read(&header, message, body, domain, batch, each);
        } else {
            let mut rest = body;
            while let Some((set, body)) = next_set(&mut rest, batch) {
                let more = self.read_set(speaker, &header, set, body, batch, each);
                records = records.zip(more).map(|(records, more)| records + more);
            }
        }
        let Some(domain) = self.domains.get_mut(&speaker) else { return };
        match if header.version == 9 { Some(1) } else { records } {
            Some(count) => domain.sequence.advance(arrival, header.sequence, count),
            None => domain.sequence.part(),
        }
    }

    /// Forgets how far the messages of exporters without an address were heard: another file goes on elsewhere.
    pub(super) fn part(&mut self) {
        let unnamed = self.domains.iter_mut().filter(|((exporter, ..), _)| exporter.is_none());
        unnamed.for_each(|(_, domain)| domain.sequence.part());
    }

    /// Counts the sets that wait for a template in vain.
    pub(super) fn finish(&mut self, batch: &mut Batch) {
        self.waiting.drain(..).for_each(|_| batch.skip(NO_TEMPLATE));
        self.waiting_bytes = 0;
    }

    /// Reads a set; how many data records it held, `None` where that cannot be told yet.
    fn read_set(
        &mut self,
        speaker: Speaker,
        header: &Header,
        set: u16,
        body: &[u8],
        batch: &mut Batch,
        each: &mut impl FnMut(&Record<'_>, &Context, &mut Batch),
    ) -> Option<u32> {
        let domain = self.domains.get_mut(&speaker)?;
        let is_templates = match header.version {
            9 => set < 2,
            _ => matches!(set, 2 | 3),
        };
        if is_templates {
            let told = domain.templates.read(header.version, set, body, header.exported);
            told.skips.iter().for_each(|reason| batch.skip(reason));
            batch.note("templates told by exporters", told.ids.len() as u64);
            self.read_waiting(speaker, &told.ids, batch, each);
            return Some(0);
        }
        if set < 256 {
            batch.skip("set with a reserved number");
            return Some(0);
        }
        match domain.templates.find(set, header.exported) {
            Some(template) => Some(read_data(header, set, &template, body, &mut domain.context, batch, each)),
            None => {
                self.wait(Waiting { speaker, header: *header, set, body: body.into() }, batch);
                None
            }
        }
    }

    fn wait(&mut self, set: Waiting, batch: &mut Batch) {
        self.waiting_bytes += set.body.len();
        self.waiting.push_back(set);
        while self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.waiting_bytes -= oldest.body.len();
            batch.skip(NO_TEMPLATE);
        }
    }

    /// Reads the sets that waited for one of these templates.
    fn read_waiting(
        &mut self,
        speaker: Speaker,
        ids: &[u16],
        batch: &mut Batch,
        each: &mut impl FnMut(&Record<'_>, &Context, &mut Batch),
    ) {
        if self.waiting.is_empty() || ids.is_empty() {
            return;
        }
        let Some(domain) = self.domains.get_mut(&speaker) else { return };
        let is_ready = |waiting: &Waiting| waiting.speaker == speaker && ids.contains(&waiting.set);
        let (ready, still): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(is_ready);
        self.waiting = still;
        for waiting in ready {
            self.waiting_bytes -= waiting.body.len();
            if let Some(template) = domain.templates.find(waiting.set, waiting.header.exported) {
                batch.note("sets that waited for their template", 1);
                let Waiting { header, set, body, .. } = &waiting;
                read_data(header, *set, &template, body, &mut domain.context, batch, each);
            }
        }
    }

    /// The domain of a speaker. Where there are too many, the one heard longest ago is forgotten.
    fn domain(&mut self, speaker: Speaker) -> Option<&mut Domain> {
        if !self.domains.contains_key(&speaker) {
            if self.domains.len() >= MAX_DOMAINS {
                // By the message's number, which only one has: nothing hangs on the order in the map.
                let oldest = self.domains.iter().min_by_key(|(_, domain)| domain.last_message).map(|(key, _)| *key);
                oldest.and_then(|oldest| self.domains.remove(&oldest));
            }
            self.domains.insert(speaker, Domain::new(self.heard));
            self.heard = self.heard.wrapping_add(1);
        }
        let domain = self.domains.get_mut(&speaker)?;
        domain.last_message = self.messages;
        Some(domain)
    }
}

impl Domain {
    fn new(number: u32) -> Domain {
        Domain {
            templates: Templates::default(),
            sequence: Sequence::default(),
            context: Context { number, options: Options::default() },
            last_message: 0,
            last_uptime: 0,
            last_exported: Time::MIN,
        }
    }

    /// Where the exporter was started anew, its templates are void (RFC 3954 s.9). Told by its uptime, which then is
    /// smaller although time went on; 49.7 days of milliseconds run over by themselves.
    fn restart(&mut self, header: &Header) {
        let Some(uptime) = header.uptime.filter(|_| header.version == 9) else { return };
        let went_back = self.last_uptime.saturating_sub(uptime);
        let ran_over = self.last_uptime > u32::MAX - RESTART_MILLISECONDS;
        if went_back > RESTART_MILLISECONDS && !ran_over && header.exported > self.last_exported {
            self.templates.clear();
        }
        self.last_uptime = uptime;
        self.last_exported = header.exported;
    }

    fn note(&self, arrival: Arrival, version: u16, batch: &mut Batch) {
        let lost = match version {
            9 => "messages lost on the way from the exporter",
            _ => "records lost on the way from the exporter",
        };
        match arrival {
            Arrival::After(count) => batch.note(lost, count.into()),
            Arrival::Late => batch.note("messages that were overtaken", 1),
            Arrival::Anew => batch.note("exporters that count anew", 1),
            Arrival::Next | Arrival::Again => {}
        }
    }
}

impl Header {
    /// Reads a message's header; the rest of the message follows it. Fails with a reason.
    pub(super) fn of(message: &[u8]) -> Result<(Header, &[u8]), &'static str> {
        const CUT: &str = "message header cut short";
        let half = |at: usize| message.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        let word = |at: usize| message.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let version = half(0).ok_or(CUT)?;
        let second = |at| word(at).map(|seconds| i64::from(seconds) * 1_000_000_000);
        let (exported, uptime, sequence, domain, length, sampling) = match version {
            5 | 7 => {
                let time = second(8).zip(word(12)).map(|(seconds, rest)| seconds + i64::from(rest));
                // Version 7 does not tell which engine speaks, nor that it samples.
                let [engine, sampling] = if version == 5 { [half(20), half(22)] } else { [word(20).map(|_| 0); 2] };
                (time, word(4), word(16), engine.map(u32::from), 24, sampling)
            }
            9 => (second(8), word(4), word(12), word(16), 20, Some(0)),
            10 => (second(4), None, word(8), word(12), 16, Some(0)),
            _ => return Err("message of no known version"),
        };
        let exported = Time::from_nanoseconds(exported.ok_or(CUT)?);
        let (sequence, domain) = (sequence.ok_or(CUT)?, domain.ok_or(CUT)?);
        let body = message.get(length..).ok_or(CUT)?;
        let stated = if version == 10 { usize::from(half(2).ok_or(CUT)?) } else { message.len() };
        if stated < length {
            return Err("message length that its header exceeds");
        }
        let body = &body[..body.len().min(stated - length)];
        Ok((Header { version, sequence, exported, uptime, domain, sampling: sampling.ok_or(CUT)? }, body))
    }
}

/// The next set of a message: its number and its body; what the message's end cuts off is missing from it.
fn next_set<'a>(rest: &mut &'a [u8], batch: &mut Batch) -> Option<(u16, &'a [u8])> {
    let Some(&[a, b, c, d]) = rest.first_chunk() else {
        if rest.iter().any(|&byte| byte != 0) {
            batch.skip("set cut short");
        }
        return None;
    };
    let (set, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
    if length < 4 {
        // Some fill their messages up with zeros.
        if rest.iter().any(|&byte| byte != 0) {
            batch.skip("set of an impossible length");
        }
        return None;
    }
    if length > rest.len() {
        batch.skip("set cut short");
        // The records before the cut are whole. A template may not be.
        let is_data = set >= 256;
        let body = &rest[4..];
        *rest = &[];
        return is_data.then_some((set, body));
    }
    let (this, after) = rest.split_at(length);
    *rest = after;
    Some((set, &this[4..]))
}

/// Reads the records of a data set; how many there were.
fn read_data(
    header: &Header,
    set: u16,
    template: &Template,
    mut body: &[u8],
    context: &mut Context,
    batch: &mut Batch,
    each: &mut impl FnMut(&Record<'_>, &Context, &mut Batch),
) -> u32 {
    let mut records = 0;
    // Less than a record is padding.
    while body.len() >= template.record_bytes {
        let Some(length) = template.length_of(body) else {
            // Padding can look like the start of a record of variable length.
            if body.iter().any(|&byte| byte != 0) {
                batch.skip("record cut short");
            }
            break;
        };
        let (bytes, rest) = body.split_at(length);
        let record = Record { header, set, template, bytes };
        if template.is_options {
            context.options.read(&record);
        }
        each(&record, context, batch);
        records += 1;
        body = rest;
    }
    records
}

/// A version of NetFlow whose records have the same fields always.
pub(super) struct Fixed {
    template: Template,
    /// The most records that fit into a message, as its makers have it.
    most: usize,
}

impl Fixed {
    /// Version 5, or 7, which Catalyst switches send.
    pub(super) fn of(version: u16) -> Option<&'static Fixed> {
        match version {
            5 => Some(&VERSION_5),
            7 => Some(&VERSION_7),
            _ => None,
        }
    }

    /// The bytes of a message with so many records; `None` where none has so many.
    pub(super) fn message_bytes(&self, records: usize) -> Option<usize> {
        (1..=self.most).contains(&records).then(|| 24 + records * self.template.record_bytes)
    }

    /// Reads the records of a message; how many there were.
    fn read(
        &'static self,
        header: &Header,
        message: &[u8],
        body: &[u8],
        domain: &mut Domain,
        batch: &mut Batch,
        each: &mut impl FnMut(&Record<'_>, &Context, &mut Batch),
    ) -> Option<u32> {
        let count =
            usize::from(message.get(2..).and_then(<[u8]>::first_chunk).map_or(0, |count| u16::from_be_bytes(*count)));
        if !(1..=self.most).contains(&count) {
            batch.skip("message with an impossible count of records");
            return None;
        }
        let length = count * self.template.record_bytes;
        if body.len() < length {
            batch.skip("message cut short");
        }
        let body = &body[..body.len().min(length)];
        read_data(header, 0, &self.template, body, &mut domain.context, batch, each);
        Some(count as u32)
    }
}

static VERSION_5: LazyLock<Fixed> = LazyLock::new(|| Fixed { template: fixed(&FIELDS), most: 30 });
/// As version 5, and the address of the router that the switch goes round.
static VERSION_7: LazyLock<Fixed> = LazyLock::new(|| {
    let fields = [&FIELDS[..], &[(PADDING, 4)]].concat();
    Fixed { template: fixed(&fields), most: 27 }
});

fn fixed(fields: &[(u16, u16)]) -> Template {
    let fields: Vec<_> = fields.iter().map(|&(number, length)| Field::new(0, number, length)).collect();
    let record_bytes = fields.iter().map(|field| usize::from(field.length)).sum();
    Template { fields, is_options: false, record_bytes, is_variable: false, sent: Time::MIN }
}

/// Elements of a record of version 5 and their bytes.
const FIELDS: [(u16, u16); 20] = [
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 2),
    (14, 2),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (PADDING, 1),
    (6, 1),
    (4, 1),
    (5, 1),
    (16, 2),
    (17, 2),
    (9, 1),
    (13, 1),
    (PADDING, 2),
];
const PADDING: u16 = 210;
const NO_TEMPLATE: &str = "data without a template";
/// A large network has some hundred routers of a few line cards each; a templates' room each of at most 64 KiB.
const MAX_DOMAINS: usize = 1024;
/// Exporters repeat their templates every few minutes.
const MAX_WAITING: usize = 4096;
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Line cards' clocks differ by less.
const RESTART_MILLISECONDS: u32 = 60_000;
