//! Suricata's EVE JSON (docs.suricata.io, "EVE JSON Format"): `flow` and `netflow` events give flows, `alert` events
//! notices, and `dns`, `http`, `tls`, `quic` and `ssh` events tell what the flow of the same `flow_id` was about.
//!
//! Suricata counts bytes from the Ethernet header on; the 14 bytes of each are taken off, so that they are bytes from the
//! IP header on. The padding of packets shorter than 60 bytes stays in.

mod application;
mod event;
mod state;

use flow::{Application, Ended, Endpoint, Flow, Notice, Side, Time};

use self::event::{Body, Counts, Event, NO_TIME, Orders};
use self::state::Seen;
use super::json::{Json, Malformed};
use super::recent::Recent;
use super::waiting::Waiting;
use super::{Decoder, Format, next_line};
use crate::Batch;

pub(super) const FORMAT: Format = Format {
    name: "suricata",
    what: "Suricata's EVE JSON",
    recognises: is_eve,
    next_message: next_line,
    decoder: || Box::new(Events::default()),
    sample,
};

fn is_eve(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    line.trim_ascii_start().starts_with(b"{") && has(b"\"event_type\"") && has(b"\"timestamp\"")
}

/// Reads the events of EVE logs.
pub struct Events {
    orders: Orders,
    /// What is known of a conversation whose flow has not come yet.
    applications: Waiting<Conversation, Told>,
    /// Of `netflow` events, the first of two directions.
    halves: Waiting<Conversation, Half>,
    seen: Recent,
    /// Of the first event that waited.
    first_waiting: Option<Time>,
}

/// A flow_id and both endpoints in one order: a flow_id is used again in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Conversation {
    id: u64,
    endpoints: [Endpoint; 2],
}

/// What the events of applications told of a conversation.
struct Told {
    application: Application,
    events: u64,
}

/// One direction of a conversation.
struct Half {
    flow: Flow,
    seen: Seen,
}

impl Default for Events {
    fn default() -> Events {
        Events {
            orders: Orders::default(),
            applications: Waiting::new(MAX_WAITING / 2),
            halves: Waiting::new(MAX_HALVES / 2),
            seen: Recent::default(),
            first_waiting: None,
        }
    }
}

impl Decoder for Events {
    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        if let Err(reason) = self.line(message, batch) {
            batch.skip(reason);
        }
    }

    fn first_waiting(&self) -> Option<Time> {
        self.first_waiting
    }

    fn finish(&mut self, batch: &mut Batch) {
        for half in self.halves.take_all() {
            self.half_alone(half, batch);
        }
        let events = self.applications.take_all().iter().map(|told| told.events).sum();
        batch.note("application events of EVE whose flow was not told after them", events);
    }
}

impl Events {
    fn line(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| "line that is not UTF-8")?;
        let mut event = Event::default();
        event.read(text, &mut self.orders).map_err(|_| "not a JSON object")?;
        match event.body()? {
            Body::Flow => self.flow(&event, line, batch),
            Body::Netflow => self.netflow(&event, line, batch),
            Body::Alert => self.alert(&event, line, batch),
            Body::Application => self.application(&event, line, batch),
            Body::Other(what) => {
                batch.note(what, 1);
                Ok(())
            }
        }
    }

    fn flow(&mut self, event: &Event<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let counts = &event.flow;
        let (start, id) = (start(counts)?, event.id());
        let sought = match id {
            Some(id) => self.seen.seek(part(id, start)),
            None => self.seen.seek(line),
        };
        let mut flow = empty_flow(event, counts, start)?;
        flow.originator = side(counts.to_server)?;
        flow.responder = side(counts.to_client)?;
        let mut seen = Seen { flags: [event.tcp.to_server, event.tcp.to_client], ..Seen::default() };
        state::turn(&mut flow, &mut seen);
        flow.state = state::of(&flow, &seen);
        flow.ended = ended(counts);
        let conversation = id.map(|id| Conversation::of(id, &flow));
        let repeats = self.seen.has(sought);
        // The netflow events of the same conversation would tell it twice.
        let told_by_halves = conversation.and_then(|conversation| self.halves.take(&conversation)).is_some();
        batch.note(REPEATED_HALF, u64::from(told_by_halves));
        if repeats {
            return Err("flow that repeats another: the same flow_id and start");
        }
        self.give(flow, conversation, batch);
        batch.note("flows inside a tunnel of which EVE does not say more", u64::from(event.is_inside_tunnel));
        Ok(())
    }

    /// One direction of a conversation; the other one follows, if there was an answer.
    fn netflow(&mut self, event: &Event<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let counts = &event.netflow;
        let mut flow = empty_flow(event, counts, start(counts)?)?;
        flow.originator = side(counts.one_way)?;
        let half = Half { seen: Seen { flags: [event.tcp.any, None], is_one_way: true }, flow };
        let Some(conversation) = conversation(event, &half.flow) else {
            if self.seen.repeats(line) {
                return Err("line that repeats another");
            }
            self.give_alone(half, None, batch);
            return Ok(());
        };
        if let Some(first) = self.halves.take(&conversation) {
            if first.flow.key.originator == half.flow.key.originator {
                self.half_alone(first, batch);
            } else {
                self.pair(first, half, conversation, batch);
                return Ok(());
            }
        }
        if self.seen.contains(conversation.part(&half.flow)) {
            batch.note(REPEATED_HALF, 1);
            return Ok(());
        }
        let (_, let_go) = self.halves.entry(&conversation, || (conversation, half));
        for half in let_go {
            self.half_alone(half, batch);
        }
        Ok(())
    }

    /// Both directions of a conversation, the originator's first.
    fn pair(&mut self, first: Half, second: Half, conversation: Conversation, batch: &mut Batch) {
        let mut flow = first.flow;
        if self.seen.repeats(conversation.part(&flow)) {
            batch.note(REPEATED_HALF, 2);
            return;
        }
        flow.responder = second.flow.originator;
        flow.start = flow.start.min(second.flow.start);
        flow.conversation_start = flow.start;
        flow.end = flow.end.max(second.flow.end);
        let mut seen = Seen { flags: [first.seen.flags[0], second.seen.flags[0]], is_one_way: false };
        state::turn(&mut flow, &mut seen);
        flow.state = state::of(&flow, &seen);
        self.give(flow, Some(conversation), batch);
    }

    /// A direction that no other followed: Suricata tells of a responder only where it sent something.
    fn half_alone(&mut self, half: Half, batch: &mut Batch) {
        let id = half.flow.id.as_deref().and_then(|id| id.parse().ok());
        let conversation = id.map(|id| Conversation::of(id, &half.flow));
        if conversation.is_some_and(|conversation| self.seen.repeats(conversation.part(&half.flow))) {
            return batch.note(REPEATED_HALF, 1);
        }
        self.give_alone(half, conversation, batch);
    }

    fn give_alone(&mut self, half: Half, conversation: Option<Conversation>, batch: &mut Batch) {
        let Half { mut flow, mut seen } = half;
        flow.responder = Side::SILENT;
        state::turn(&mut flow, &mut seen);
        flow.state = state::of(&flow, &seen);
        self.give(flow, conversation, batch);
    }

    /// Gives a flow with what is known of its conversation.
    fn give(&mut self, mut flow: Flow, conversation: Option<Conversation>, batch: &mut Batch) {
        if let Some(told) = conversation.and_then(|conversation| self.applications.take(&conversation)) {
            batch.note("application events of EVE joined with their flow", told.events);
            flow.application = Some(Box::new(told.application));
        }
        batch.flows.push(flow);
    }

    fn alert(&mut self, event: &Event<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let [source, target] = event.packet();
        let mut notice = Notice {
            time: event.time().ok_or(NO_TIME)?,
            reporter: "suricata",
            name: Box::default(),
            detail: Box::default(),
            severity: None,
            source,
            target,
            key: event.key_of_flow(),
            id: event.id().map(|_| event.flow_id.raw().into()),
        };
        event::alert(event.nested, &mut notice).map_err(|_| "alert that is no JSON object")?;
        if notice.name.is_empty() {
            return Err("alert without a signature");
        }
        if self.seen.repeats(line) {
            return Err("line that repeats another");
        }
        batch.notices.push(notice);
        Ok(())
    }

    /// Keeps what the event tells until its flow comes.
    fn application(&mut self, event: &Event<'_>, line: &[u8], batch: &mut Batch) -> Result<(), &'static str> {
        let time = event.time().ok_or(NO_TIME)?;
        let Some(id) = event.id() else {
            batch.note("application events of EVE without a flow_id", 1);
            return Ok(());
        };
        let key = event.key()?;
        if self.seen.repeats(line) {
            return Err("line that repeats another");
        }
        if !event.nested.starts_with('{') {
            return Err("application event that says nothing");
        }
        self.first_waiting = self.first_waiting.or(Some(time));
        let conversation = Conversation::between(id, [key.originator, key.responder]);
        let make = || (conversation, Told { application: application::of(event), events: 0 });
        let (told, let_go) = self.applications.entry(&conversation, make);
        let events = let_go.iter().map(|told| told.events).sum();
        batch.note("application events of EVE let go before their flow came, to bound the memory", events);
        if let Some(told) = told {
            told.events += 1;
            application::tell(&mut told.application, event).map_err(|_| "application event that is not readable")?;
        }
        Ok(())
    }
}

impl Conversation {
    fn of(id: u64, flow: &Flow) -> Conversation {
        Conversation::between(id, [flow.key.originator, flow.key.responder])
    }

    fn part(&self, flow: &Flow) -> (u64, i64) {
        part(self.id, flow.start)
    }

    fn between(id: u64, mut endpoints: [Endpoint; 2]) -> Conversation {
        if endpoints[1] < endpoints[0] {
            endpoints.reverse();
        }
        Conversation { id, endpoints }
    }
}

fn conversation(event: &Event<'_>, flow: &Flow) -> Option<Conversation> {
    event.id().map(|id| Conversation::of(id, flow))
}

/// What no other flow has: flows of one flow_id start at different times.
fn part(id: u64, start: Time) -> (u64, i64) {
    (id, start.nanoseconds())
}

fn start(counts: &Counts<'_>) -> Result<Time, &'static str> {
    counts.time(counts.start).ok_or("flow without a readable start")
}

/// A flow without counts.
fn empty_flow(event: &Event<'_>, counts: &Counts<'_>, start: Time) -> Result<Flow, &'static str> {
    let end = match counts.time(counts.end) {
        Some(end) => end.max(start),
        None if counts.end.raw().is_empty() => start,
        None => return Err("flow without a readable end"),
    };
    Ok(Flow {
        vlan: event.vlan,
        application: application::named(event.app_proto),
        id: event.id().map(|_| event.flow_id.raw().into()),
        ..Flow::between(event.key()?, start, end)
    })
}

fn side([packets, bytes]: [Option<u64>; 2]) -> Result<Side, &'static str> {
    if [packets, bytes].into_iter().flatten().any(|count| count > MAX_COUNT) {
        return Err("count beyond what any network carries");
    }
    let bytes = match (packets, bytes) {
        (Some(packets), Some(bytes)) => {
            let above_ethernet = bytes.checked_sub(packets * ETHERNET_HEADER_BYTES);
            // Where that leaves less than IP headers there was no Ethernet.
            Some(above_ethernet.filter(|&bytes| bytes >= packets * IP_HEADER_BYTES).unwrap_or(bytes))
        }
        (_, bytes) => bytes,
    };
    Ok(Side { packets, bytes, ..Side::default() })
}

fn ended(counts: &Counts<'_>) -> Ended {
    match (counts.state.raw(), counts.reason.raw()) {
        ("closed", _) | (_, "tcp_reuse") => Ended::Closed,
        (_, "timeout") => Ended::Idle,
        (_, "shutdown") => Ended::Input,
        (_, "forced") => Ended::Evicted,
        _ => Ended::Unknown,
    }
}

/// Reads the members of an object that was passed over before.
fn nested<'a>(
    text: &'a str,
    member: impl FnMut(&mut Json<'a>, &str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut json = Json::new(text);
    json.object(member)?;
    json.end()
}

fn sample() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"timestamp":"2023-11-14T22:13:20.100000+0000","flow_id":7,"event_type":"tls","src_ip":"192.0.2.1","src_port":50000,"dest_ip":"192.0.2.2","dest_port":443,"proto":"TCP","tls":{"sni":"www.example.org","version":"TLS 1.3","ja4":"t13d1516h2_8daaf6152771_b186095e22b6","client_alpns":["h2"]}}"#,
        r#"{"timestamp":"2023-11-14T22:14:20.000000+0000","flow_id":7,"event_type":"flow","vlan":[7],"src_ip":"192.0.2.1","src_port":50000,"dest_ip":"192.0.2.2","dest_port":443,"proto":"TCP","app_proto":"tls","flow":{"pkts_toserver":9,"pkts_toclient":8,"bytes_toserver":1800,"bytes_toclient":6000,"start":"2023-11-14T22:13:20.000000+0000","end":"2023-11-14T22:13:21.500000+0000","state":"closed","reason":"timeout"},"tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","state":"closed"}}"#,
        r#"{"timestamp":"2023-11-14T22:13:20.300000+0000","flow_id":8,"event_type":"http","src_ip":"192.0.2.1","src_port":50001,"dest_ip":"192.0.2.2","dest_port":80,"proto":"TCP","http":{"hostname":"www.example.org","url":"/","http_user_agent":"example/1.0","http_method":"GET","status":200}}"#,
        r#"{"timestamp":"2023-11-14T22:14:20.000000+0000","flow_id":8,"event_type":"flow","src_ip":"192.0.2.1","src_port":50001,"dest_ip":"192.0.2.2","dest_port":80,"proto":"TCP","app_proto":"http","flow":{"pkts_toserver":5,"pkts_toclient":4,"bytes_toserver":700,"bytes_toclient":2000,"start":"2023-11-14T22:13:20.200000+0000","end":"2023-11-14T22:13:21.500000+0000","state":"closed","reason":"timeout"}}"#,
        r#"{"timestamp":"2023-11-14T22:13:20.400000+0000","flow_id":9,"event_type":"dns","src_ip":"192.0.2.1","src_port":50002,"dest_ip":"192.0.2.3","dest_port":53,"proto":"UDP","dns":{"type":"query","id":1,"rrname":"www.example.org","rrtype":"A"}}"#,
        r#"{"timestamp":"2023-11-14T22:13:20.410000+0000","flow_id":9,"event_type":"dns","src_ip":"192.0.2.1","src_port":50002,"dest_ip":"192.0.2.3","dest_port":53,"proto":"UDP","dns":{"type":"answer","id":1,"rcode":"NXDOMAIN","rrname":"www.example.org","rrtype":"A"}}"#,
        r#"{"timestamp":"2023-11-14T22:14:20.000000+0000","flow_id":9,"event_type":"flow","src_ip":"192.0.2.1","src_port":50002,"dest_ip":"192.0.2.3","dest_port":53,"proto":"UDP","app_proto":"dns","flow":{"pkts_toserver":1,"pkts_toclient":1,"bytes_toserver":80,"bytes_toclient":140,"start":"2023-11-14T22:13:20.400000+0000","end":"2023-11-14T22:13:20.410000+0000","state":"established","reason":"timeout"}}"#,
    ];
    lines.map(|line| line.as_bytes().to_vec()).into()
}

const REPEATED_HALF: &str = "netflow events of EVE that repeat a flow event";
/// Conversations of which events told and whose flow has not come: some 400 bytes each, so 200 MiB at most.
const MAX_WAITING: usize = 1 << 19;
/// Conversations of which one direction was told: both are logged together, so few wait; some 700 bytes each.
const MAX_HALVES: usize = 1 << 14;
const ETHERNET_HEADER_BYTES: u64 = 14;
const IP_HEADER_BYTES: u64 = 20;
/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: u64 = 1 << 50;
