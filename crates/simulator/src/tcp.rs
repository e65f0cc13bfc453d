//! TCP connections as a capture between their ends sees them.

use std::collections::VecDeque;
use std::net::IpAddr;

use flow::{Duration, Time};

use crate::activity::{Activity, Event};
use crate::content::Content;
use crate::random::Random;
use crate::wire::{self, ACK, Endpoint, FIN, PSH, RST, SYN, Segment, System};

/// A connection: who, when, how it opens, what is said, how it ends.
pub(crate) struct Connection {
    pub(crate) ends: (Endpoint, Endpoint),
    pub(crate) ports: (u16, u16),
    pub(crate) start: Time,
    pub(crate) opening: Opening,
    pub(crate) script: Script,
    pub(crate) ending: Ending,
}

/// What is said over a connection, in turns.
pub(crate) type Script = Box<dyn Iterator<Item = Turn> + Send>;

/// One side says something, or nothing but that it is still there.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) from: Side,
    /// How long that side thinks before.
    pub(crate) after: Duration,
    /// `None` is a keepalive probe (RFC 9293 s.3.8.4).
    pub(crate) content: Option<Content>,
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Originator,
    Responder,
}

/// What becomes of the first SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Accepted,
    Refused,
    Unanswered,
    /// The connection is older than the capture.
    Earlier,
}

/// How a connection ends once all is said.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// That side closes first, the other then.
    Close(Side),
    /// That side aborts.
    Reset(Side),
}

impl Connection {
    /// A connection that is accepted, and closed by the originator when all is said.
    pub(crate) fn new(ends: (Endpoint, Endpoint), ports: (u16, u16), start: Time, script: Vec<Turn>) -> Connection {
        let script = Box::new(script.into_iter());
        Connection { ends, ports, start, opening: Opening::Accepted, script, ending: Ending::Close(Side::Originator) }
    }

    /// The packets of the connection.
    pub(crate) fn activity(self, mut random: Random) -> Activity {
        let timestamps = [self.ends.0.system, self.ends.1.system].iter().all(|&system| system == System::Linux);
        let addresses = if self.ends.0.address.is_ipv6() { 40 } else { 20 };
        let options = if timestamps { 12 } else { 0 };
        // The window that a side offers: scaled, unless one side knows no options.
        let window = match [self.ends.0.system, self.ends.1.system] {
            systems if systems.contains(&System::Device) => 65_535,
            _ if timestamps => 502,
            _ => 1_026,
        };
        let far = self.ends.0.latency.max(self.ends.1.latency) > Duration::from_millis(2);
        let end = |endpoint: Endpoint, port, random: &mut Random| End {
            latency: random.near(endpoint.latency, 0.2),
            sequence: random.word(),
            window,
            identification: random.id(),
            clock: random.word(),
            heard: 0,
            flight: FIRST_FLIGHT,
            endpoint,
            port,
        };
        Box::new(Exchange {
            ends: [end(self.ends.0, self.ports.0, &mut random), end(self.ends.1, self.ports.1, &mut random)],
            now: self.start,
            last: Side::Responder,
            stage: Stage::Opening(self.opening),
            script: self.script,
            ending: self.ending,
            timestamps,
            segment_size: 1_500 - addresses - 20 - options,
            spacing: Duration::from_micros(if far { 120 } else { 12 }),
            loss: if far { 0.004 } else { 0.0005 },
            waiting: None,
            queue: VecDeque::new(),
            random,
        })
    }
}

impl Turn {
    /// The client says this.
    pub(crate) fn ask(after: Duration, content: impl Into<Content>) -> Turn {
        Turn { from: Side::Originator, after, content: Some(content.into()) }
    }

    /// The server says this.
    pub(crate) fn answer(after: Duration, content: impl Into<Content>) -> Turn {
        Turn { from: Side::Responder, after, content: Some(content.into()) }
    }

    /// That side probes whether the other is still there.
    pub(crate) fn keepalive(from: Side, after: Duration) -> Turn {
        Turn { from, after, content: None }
    }
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Originator => Side::Responder,
            Side::Responder => Side::Originator,
        }
    }
}

/// The connection while it goes on: makes one flight of segments with its acknowledgements at a time.
struct Exchange {
    ends: [End; 2],
    /// When the latest packet so far was seen.
    now: Time,
    /// Who sent it.
    last: Side,
    stage: Stage,
    script: Script,
    ending: Ending,
    timestamps: bool,
    segment_size: usize,
    spacing: Duration,
    loss: f64,
    /// A segment that its receiver has not acknowledged yet, and when it was seen.
    waiting: Option<(Side, Time)>,
    queue: VecDeque<(Time, Vec<u8>)>,
    random: Random,
}

/// One end of a connection while it goes on.
struct End {
    endpoint: Endpoint,
    port: u16,
    latency: Duration,
    /// The next sequence number to send.
    sequence: u32,
    window: u16,
    identification: u16,
    /// Added to the milliseconds of the capture to give the timestamp option (RFC 7323).
    clock: u32,
    /// The latest timestamp of the other end.
    heard: u32,
    /// Segments that it may have in flight: slow start, then what the other's window holds.
    flight: usize,
}

enum Stage {
    Opening(Opening),
    Talking,
    Sending { from: Side, content: Content, offset: u64 },
    Closing,
    Closed,
}

/// A segment before it is written down.
struct Draft {
    time: Time,
    from: Side,
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    payload: Vec<u8>,
    /// What arrived beyond a gap (RFC 2018).
    sack: Option<(u32, u32)>,
}

impl Iterator for Exchange {
    type Item = (Time, Event);

    fn next(&mut self) -> Option<(Time, Event)> {
        loop {
            if let Some((time, packet)) = self.queue.pop_front() {
                return Some((time, Event::Packet(packet)));
            }
            match std::mem::replace(&mut self.stage, Stage::Closed) {
                Stage::Opening(opening) => self.open(opening),
                Stage::Talking => self.talk(),
                Stage::Sending { from, content, offset } => self.send(from, content, offset),
                Stage::Closing => self.close(),
                Stage::Closed => return None,
            }
        }
    }
}

impl Exchange {
    fn open(&mut self, opening: Opening) {
        let [originator, responder] = [Side::Originator, Side::Responder];
        let start = self.now;
        let answered = start + self.end(responder).latency;
        match opening {
            Opening::Accepted => {
                let mut drafts = vec![self.draft(start, originator, SYN)];
                drafts[0].acknowledgement = 0;
                self.end_mut(originator).sequence = self.end(originator).sequence.wrapping_add(1);
                drafts.push(self.draft(answered, responder, SYN | ACK));
                self.end_mut(responder).sequence = self.end(responder).sequence.wrapping_add(1);
                drafts.push(self.draft(answered + self.end(originator).latency, originator, ACK));
                self.write(drafts);
                self.stage = Stage::Talking;
            }
            Opening::Refused => {
                let mut drafts = vec![self.draft(start, originator, SYN), self.draft(answered, responder, RST | ACK)];
                drafts[0].acknowledgement = 0;
                drafts[1].sequence = 0;
                drafts[1].acknowledgement = drafts[1].acknowledgement.wrapping_add(1);
                self.write(drafts);
            }
            Opening::Unanswered => {
                // Windows gives up after three, the others later (RFC 6298 s.5.5 doubles the wait).
                let tries = if self.end(originator).endpoint.system == System::Windows { 3 } else { 5 };
                let again = |count: u32| start + Duration::from_millis(1_000 * ((1 << count) - 1));
                let mut drafts: Vec<_> = (0..tries).map(|count| self.draft(again(count), originator, SYN)).collect();
                drafts.iter_mut().for_each(|draft| draft.acknowledgement = 0);
                self.write(drafts);
            }
            Opening::Earlier => self.stage = Stage::Talking,
        }
    }

    fn talk(&mut self) {
        let Some(turn) = self.script.next() else {
            self.stage = Stage::Closing;
            return;
        };
        let ready = self.ready(turn.from) + turn.after;
        self.settle(turn.from, ready);
        self.now = self.now.max(ready);
        match turn.content {
            Some(content) => self.stage = Stage::Sending { from: turn.from, content, offset: 0 },
            None => {
                let mut probe = self.draft(self.now, turn.from, ACK);
                probe.sequence = probe.sequence.wrapping_sub(1);
                let answer = self.draft(self.now + self.end(turn.from.other()).latency, turn.from.other(), ACK);
                self.waiting = None;
                self.write(vec![probe, answer]);
                self.stage = Stage::Talking;
            }
        }
    }

    /// Sends as much as may be in flight, and has it acknowledged: every second segment at once, a last odd one later.
    fn send(&mut self, from: Side, content: Content, offset: u64) {
        let to = from.other();
        let left = (content.len() - offset).div_ceil(self.segment_size as u64);
        let count = left.min(self.end(from).flight as u64) as usize;
        let ends_here = left == count as u64;
        let lost = (count > 5 && self.random.chance(self.loss)).then(|| self.random.within(0..count - 4));

        let (first, size) = (self.end(from).sequence, self.segment_size);
        let place = |index: usize| first.wrapping_add((index * size) as u32);
        let mut drafts = Vec::with_capacity(count * 2);
        let mut time = self.now;
        let mut acknowledged = time;
        let mut unacknowledged = usize::from(self.waiting.take().is_some());
        for index in 0..count {
            let payload = content.bytes(offset + (index * size) as u64, size);
            let push = if ends_here && index + 1 == count { PSH } else { 0 };
            let mut data = self.draft(time, from, ACK | push);
            data.payload = payload;
            self.end_mut(from).sequence = data.sequence.wrapping_add(data.payload.len() as u32);
            drafts.push(data);
            unacknowledged += 1;
            let beyond = lost.filter(|&lost| index >= lost);
            let due = match beyond {
                // A receiver says at once, for each segment, that one before it is missing.
                Some(lost) => index > lost,
                None => unacknowledged >= 2 || (index + 1 == count && !ends_here),
            };
            if due {
                acknowledged = acknowledged.max(time + self.random.near(self.end(to).latency, 0.1));
                let mut answer = self.draft(acknowledged, to, ACK);
                if let Some(lost) = beyond {
                    answer.sack = Some((place(lost + 1), answer.acknowledgement));
                    answer.acknowledgement = place(lost);
                }
                drafts.push(answer);
                unacknowledged = 0;
            }
            time = time + self.random.near(self.spacing, 0.3);
        }
        if let Some(lost) = lost {
            let again = time.max(acknowledged + self.end(from).latency);
            let mut data = self.draft(again, from, ACK);
            data.sequence = place(lost);
            data.payload = content.bytes(offset + (lost * size) as u64, size);
            drafts.push(data);
            drafts.push(self.draft(again + self.end(to).latency, to, ACK));
            unacknowledged = 0;
            self.end_mut(from).flight = FIRST_FLIGHT;
        } else {
            self.end_mut(from).flight = (self.end(from).flight * 2).min(LARGEST_FLIGHT);
        }
        self.write(drafts);
        self.last = from;
        if !ends_here {
            self.now = self.now + self.end(from).latency;
            let offset = offset + (count * size) as u64;
            self.stage = Stage::Sending { from, content, offset };
            return;
        }
        self.waiting = (unacknowledged > 0).then_some((to, self.now));
        self.stage = Stage::Talking;
    }

    fn close(&mut self) {
        match self.ending {
            Ending::Reset(side) => {
                let time = self.ready(side) + self.spacing;
                self.settle(side, time);
                let reset = self.draft(time, side, RST | ACK);
                self.write(vec![reset]);
            }
            Ending::Close(side) => {
                let other = side.other();
                let time = self.ready(side) + self.spacing;
                self.settle(side, time);
                let mut drafts = vec![self.draft(time, side, FIN | ACK)];
                self.end_mut(side).sequence = self.end(side).sequence.wrapping_add(1);
                let heard = time + self.end(other).latency;
                let mut closed = heard;
                if self.random.chance(0.6) {
                    drafts.push(self.draft(heard, other, ACK));
                    closed = heard + self.random.seconds(0.000_05..0.02);
                }
                drafts.push(self.draft(closed, other, FIN | ACK));
                self.end_mut(other).sequence = self.end(other).sequence.wrapping_add(1);
                drafts.push(self.draft(closed + self.end(side).latency, side, ACK));
                self.write(drafts);
            }
        }
        self.stage = Stage::Closed;
    }

    /// When a side may speak: as soon as it has heard what the other said last.
    fn ready(&self, side: Side) -> Time {
        if self.last == side { self.now } else { self.now + self.end(side).latency }
    }

    /// Acknowledges what still waits for it, unless the side that owes it speaks in time and so acknowledges by the way.
    fn settle(&mut self, speaker: Side, time: Time) {
        let Some((debtor, since)) = self.waiting else { return };
        let due = (since + DELAYED_ACKNOWLEDGEMENT + self.end(debtor).latency).max(self.now);
        if due < time {
            let answer = self.draft(due, debtor, ACK);
            self.write(vec![answer]);
        }
        if due < time || speaker == debtor {
            self.waiting = None;
        }
    }

    /// A segment without data, from where the conversation stands.
    fn draft(&self, time: Time, from: Side, flags: u8) -> Draft {
        let acknowledgement = self.end(from.other()).sequence;
        let sequence = self.end(from).sequence;
        Draft { time, from, flags, sequence, acknowledgement, payload: Vec::new(), sack: None }
    }

    /// Turns segments into packets in the order of time.
    fn write(&mut self, mut drafts: Vec<Draft>) {
        drafts.sort_by_key(|draft| draft.time);
        for draft in drafts {
            self.now = draft.time;
            self.last = draft.from;
            let timestamp = self.end(draft.from).clock.wrapping_add((draft.time.nanoseconds() / 1_000_000) as u32);
            let options = self.options(&draft, timestamp);
            self.end_mut(draft.from.other()).heard = timestamp;
            let end = self.end_mut(draft.from);
            end.identification = end.identification.wrapping_add(1);
            let (end, other) = (self.end(draft.from), self.end(draft.from.other()));
            let window = match draft.flags {
                flags if flags & SYN != 0 => first_window(end.endpoint.system),
                flags if flags & RST != 0 => 0,
                _ => end.window,
            };
            let segment = Segment {
                ports: (end.port, other.port),
                sequence: draft.sequence,
                acknowledgement: draft.acknowledgement,
                flags: draft.flags,
                window,
                options: &options,
                payload: &draft.payload,
            };
            self.queue.push_back((draft.time, wire::tcp(end.endpoint, other.endpoint, end.identification, &segment)));
        }
    }

    fn options(&self, draft: &Draft, timestamp: u32) -> Vec<u8> {
        let end = self.end(draft.from);
        if draft.flags & SYN != 0 {
            return first_options(&end.endpoint, self.timestamps.then_some((timestamp, end.heard)));
        }
        let mut options = Vec::new();
        if self.timestamps {
            options.extend([1, 1, 8, 10]);
            options.extend(timestamp.to_be_bytes());
            options.extend(end.heard.to_be_bytes());
        }
        if let Some((first, past)) = draft.sack {
            options.extend([1, 1, 5, 10]);
            options.extend(first.to_be_bytes());
            options.extend(past.to_be_bytes());
        }
        options
    }

    fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }
}

/// The options on the first segment of a system, with its timestamps if it uses them.
pub(crate) fn first_options(endpoint: &Endpoint, timestamps: Option<(u32, u32)>) -> Vec<u8> {
    let largest: u16 = if matches!(endpoint.address, IpAddr::V6(_)) { 1_440 } else { 1_460 };
    let [high, low] = largest.to_be_bytes();
    let mut options = vec![2, 4, high, low];
    match (endpoint.system, timestamps) {
        (System::Linux, Some((timestamp, heard))) => {
            options.extend([4, 2, 8, 10]);
            options.extend(timestamp.to_be_bytes());
            options.extend(heard.to_be_bytes());
            options.extend([1, 3, 3, 7]);
        }
        (System::Linux, None) | (System::Windows, _) => options.extend([1, 3, 3, 8, 1, 1, 4, 2]),
        (System::Device, _) => {}
    }
    options
}

/// The window on the first segment of a system.
pub(crate) fn first_window(system: System) -> u16 {
    match system {
        System::Windows => 64_240,
        System::Linux => 64_240,
        System::Device => 14_600,
    }
}

/// Segments that a connection may send before the first acknowledgement (RFC 6928).
const FIRST_FLIGHT: usize = 10;
/// Segments in flight at most: some 64 KB, so that a connection holds little in memory.
const LARGEST_FLIGHT: usize = 40;
/// How long a receiver holds back the acknowledgement of a single segment, as Linux and Windows do.
const DELAYED_ACKNOWLEDGEMENT: Duration = Duration::from_millis(40);
