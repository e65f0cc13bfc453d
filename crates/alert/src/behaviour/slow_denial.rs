//! Slow denial of service: connections of a service held open with next to nothing said over them (Slowloris, slow POST,
//! slow reading, silence).
//!
//! Test: the most connections of one caller to one service that are held open at the same time, each for at least ten
//! seconds. A request that comes in drips or an answer that is let in by drips counts for itself: 25 are too many. A
//! request or a greeting that is followed by nothing is what long polling and reserve connections look like, too: 40, and
//! four times what half of the service's other callers hold. Null model: a client holds as many connections as a browser
//! opens to one host, Poisson with mean 6 (RFC 9112 s.9.4): 25 of them have a chance of 1e-8, 40 of 1e-19. From many
//! callers: 100 in drips, and at least a half of all that the service has open.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Application, Duration, Ended, Flow, Protocol, Side, State, Time};

use super::load::Span;
use super::scale::poisson_tail;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, list, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who holds connections open.
#[derive(Default)]
pub(super) struct HeldServices {
    callers: Tracks<(IpAddr, u16, IpAddr), Held>,
    /// Connections of each service, of whatever kind, that lasted as long.
    services: Tracks<(IpAddr, u16), Lasting>,
}

/// One caller's connections to one service.
#[derive(Default)]
struct Held {
    /// From when to when, and how.
    held: Vec<(Time, Time, Starvation)>,
    flows: u64,
    span: Span,
}

/// Connections that lasted.
#[derive(Default)]
struct Lasting(u64);

/// How a connection is kept from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Starvation {
    /// The request comes in drips and does not end.
    Dripping,
    /// The answer is let in by drips: the window is closed again and again, or tiny from the start.
    Reading,
    /// One packet of a request, and no answer to it.
    Waiting,
    /// The caller says nothing.
    Silent,
}

impl Weigh for Held {
    fn weight(&self) -> usize {
        self.held.len()
    }
}

impl Weigh for Lasting {
    fn weight(&self) -> usize {
        1
    }
}

impl Watch for HeldServices {
    fn observe(&mut self, flow: &Flow) {
        let service = flow.key.responder;
        let starvation = Starvation::of(flow);
        if starvation.is_some() || is_established(flow) && flow.duration() >= LONG {
            self.services.touch((service.address, service.port), flow.end).0 += 1;
        }
        let Some(starvation) = starvation else { return };
        let held = self.callers.touch((service.address, service.port, flow.key.originator.address), flow.end);
        held.flows += 1;
        held.span.add(flow);
        if held.held.len() < MAX_HELD {
            // Silence lasts at least as long as a meter waits for a word.
            let end = if flow.duration() < LONG { flow.start + LONG } else { flow.end };
            held.held.push((flow.start, end, starvation));
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let callers = self.callers.sorted();
        let services = callers.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1));
        services.flat_map(|callers| self.of_service(callers)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.callers.forget(before);
        self.services.forget(before);
    }
}

impl HeldServices {
    /// The callers of one service who hold too much of it, or all of them together.
    fn of_service(&self, callers: &[((IpAddr, u16, IpAddr), &Held)]) -> Vec<Evidence> {
        let Some(&((server, port, _), _)) = callers.first() else { return Vec::new() };
        let peaks: Vec<Peaks> = callers.iter().map(|(_, held)| Peaks::of(&held.held)).collect();
        let mut sorted: Vec<u64> = peaks.iter().map(|peaks| peaks.all).collect();
        sorted.sort_unstable();
        let found: Vec<Evidence> = callers
            .iter()
            .zip(&peaks)
            .filter_map(|(&((_, _, caller), held), peaks)| {
                // The lower middle, so that two callers alike are no measure of each other.
                let usual = if callers.len() > 2 { sorted[(callers.len() - 1) / 2] } else { 0 };
                let least = match peaks {
                    Peaks { active, .. } if *active >= ACTIVE => ACTIVE,
                    Peaks { all, .. } if *all >= IDLE.max(4 * usual) => IDLE,
                    _ => return None,
                };
                Some(held.evidence(caller, server, port, peaks, usual, least))
            })
            .collect();
        if found.is_empty() { self.together(server, port, callers).into_iter().collect() } else { found }
    }

    /// Many callers with a few connections each.
    fn together(&self, server: IpAddr, port: u16, callers: &[((IpAddr, u16, IpAddr), &Held)]) -> Option<Evidence> {
        // Sensors and logs are sent in drips without an answer.
        if !matches!(ports::service(port), Some("http" | "https" | "smtp" | "ftp" | "imap" | "pop3" | "ldap")) {
            return None;
        }
        let active = |held: &Held| held.held.iter().filter(|held| held.2 <= Starvation::Reading).count() as u64;
        let mut all = Vec::new();
        let (mut flows, mut span) = (0, Span::default());
        for (_, held) in callers.iter().filter(|(_, held)| active(held) > 0) {
            all.extend_from_slice(&held.held);
            flows += held.flows;
            span.append(&held.span);
        }
        let sources: Vec<IpAddr> = callers.iter().filter(|(_, held)| active(held) > 0).map(|(key, _)| key.2).collect();
        let peaks = Peaks::of(&all);
        let lasting = self.services.get(&(server, port)).map_or(0, |lasting| lasting.0);
        if peaks.active < TOGETHER || 2 * flows < lasting {
            return None;
        }
        Some(Evidence {
            behaviour: Behaviour::SlowDenial,
            subject: server,
            hosts: hosts((server, Role::Victim), sources.iter().copied(), Role::Peer),
            start: span.start(),
            end: span.end(),
            severity: Severity::High,
            score: 1.0 - 0.5 * TOGETHER as f64 / peaks.active as f64,
            technique: Some(Technique::ServiceExhaustionFlood),
            flows,
            summary: format!(
                "{server} port {} had {} connections held open at a time by {} hosts, with requests or answers in drips \
                 (slow denial of service)",
                port_words(port),
                grouped(peaks.active),
                grouped(sources.len() as u64),
            ),
            facts: Facts::from([
                ("held_at_a_time", Fact::Count(peaks.active)),
                ("connections", Fact::Count(flows)),
                ("lasting_connections_of_all", Fact::Count(lasting)),
                ("sources", list(&sources)),
                ("p_value", Fact::Number(poisson_tail(peaks.active, MEAN_HELD * sources.len() as f64))),
            ]),
            examples: span.examples,
        })
    }
}

impl Held {
    fn evidence(&self, caller: IpAddr, server: IpAddr, port: u16, peaks: &Peaks, usual: u64, least: u64) -> Evidence {
        let peak = if least == ACTIVE { peaks.active } else { peaks.all };
        let count = |kind| self.held.iter().filter(|held| held.2 == kind).count() as u64;
        let kinds = [Starvation::Dripping, Starvation::Reading, Starvation::Waiting, Starvation::Silent];
        let commonest = kinds.into_iter().max_by_key(|&kind| (count(kind), std::cmp::Reverse(kind)));
        let longest = self.held.iter().map(|held| held.1.since(held.0)).max().unwrap_or_default();
        Evidence {
            behaviour: Behaviour::SlowDenial,
            subject: caller,
            hosts: hosts((caller, Role::Attacker), [server], Role::Victim),
            start: self.span.start(),
            end: self.span.end(),
            severity: if peak >= 2 * least { Severity::High } else { Severity::Medium },
            score: 1.0 - 0.5 * least as f64 / peak as f64,
            technique: Some(Technique::ServiceExhaustionFlood),
            flows: self.flows,
            summary: format!(
                "{caller} held {} connections to {server} port {} open at a time, up to {}, {}",
                grouped(peak),
                port_words(port),
                seconds(longest),
                commonest.map_or("", Starvation::words),
            ),
            facts: Facts::from([
                ("held_at_a_time", Fact::Count(peak)),
                ("connections", Fact::Count(self.flows)),
                ("requests_in_drips", Fact::Count(count(Starvation::Dripping))),
                ("answers_read_in_drips", Fact::Count(count(Starvation::Reading))),
                ("without_an_answer", Fact::Count(count(Starvation::Waiting))),
                ("without_a_word", Fact::Count(count(Starvation::Silent))),
                ("usual_for_the_service", Fact::Count(usual)),
                ("p_value", Fact::Number(poisson_tail(peak, MEAN_HELD))),
            ]),
            examples: self.span.examples.clone(),
        }
    }
}

impl Starvation {
    /// How the flow's connection is kept from its end; `None` where it is not, or where too little is known.
    pub(super) fn of(flow: &Flow) -> Option<Starvation> {
        if flow.key.protocol != Protocol::Tcp || !is_established(flow) {
            return None;
        }
        let (asked, answered) = (flow.originator.payload_bytes?, flow.responder.payload_bytes?);
        let lasted = flow.duration() >= LONG;
        // A later part of a conversation does not tell how it began.
        let is_first = flow.start == flow.conversation_start;
        if asked == 0 && is_first && answered <= REFUSAL_BYTES && is_acknowledged(flow) {
            return (lasted || flow.ended == Ended::Idle).then_some(Starvation::Silent);
        }
        if !lasted {
            return None;
        }
        if is_reading(&flow.originator) && answered > 0 {
            return Some(Starvation::Reading);
        }
        let packets = |side: &Side| side.detail.map_or(0, |detail| u64::from(detail.payload_packets));
        let (asked_packets, answered_packets) = (packets(&flow.originator), packets(&flow.responder));
        let is_thin = asked < SLOW_BYTES_A_SECOND * flow.duration().as_secs() && asked < asked_packets * DRIP_BYTES;
        // Keys are exchanged before anything is asked for.
        let is_encrypted = matches!(flow.application.as_deref(), Some(Application::Tls(_)))
            || ports::service(flow.key.responder.port) == Some("https");
        let is_refused = if is_encrypted {
            answered <= HANDSHAKE_BYTES && asked_packets >= 2 * answered_packets.max(3)
        } else {
            answered <= REFUSAL_BYTES && asked_packets >= 2 * answered_packets + 2
        };
        match answered {
            _ if is_thin && (is_refused || answered == 0 && asked_packets >= 2) => Some(Starvation::Dripping),
            0 if is_first && asked > 0 => Some(Starvation::Waiting),
            _ => None,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Starvation::Dripping => "with requests in drips that never end (Slowloris, slow POST)",
            Starvation::Reading => "with answers read in drips (slow read)",
            Starvation::Waiting => "without an answer (slow denial of service)",
            Starvation::Silent => "without a word (slow denial of service)",
        }
    }
}

/// Whether a side lets in what it gets by drips.
fn is_reading(side: &Side) -> bool {
    side.detail.is_some_and(|detail| {
        detail.zero_windows >= 2 || detail.initial_window.is_some_and(|window| (1..TINY_WINDOW).contains(&window))
    })
}

/// Whether the handshake came to its end. From the middle of a conversation only what both sides say tells.
fn is_established(flow: &Flow) -> bool {
    use State::{Oth, Rsto, Rstr, S1, S2, S3, SF};
    match flow.state {
        Some(S1 | S2 | S3 | SF | Rsto | Rstr) => !flow.responder.is_silent(),
        Some(Oth) => !flow.originator.is_silent() && !flow.responder.is_silent(),
        _ => false,
    }
}

/// Whether the caller acknowledged the SYN-ACK; who does not floods with SYN.
fn is_acknowledged(flow: &Flow) -> bool {
    match (flow.originator.detail, flow.history) {
        (Some(detail), _) => detail.flags.ack > 0,
        (None, Some(history)) => history.contains(b'A'),
        (None, None) => true,
    }
}

/// The most connections at a time.
#[derive(Debug)]
struct Peaks {
    /// Of those in drips.
    active: u64,
    /// Of any kind.
    all: u64,
}

impl Peaks {
    fn of(held: &[(Time, Time, Starvation)]) -> Peaks {
        let active = most_at_a_time(held.iter().filter(|held| held.2 <= Starvation::Reading));
        Peaks { active, all: most_at_a_time(held.iter()) }
    }
}

fn most_at_a_time<'a>(held: impl Iterator<Item = &'a (Time, Time, Starvation)>) -> u64 {
    let mut changes: Vec<(Time, i64)> = held.flat_map(|&(start, end, _)| [(start, 1), (end, -1)]).collect();
    changes.sort_unstable();
    let mut open = 0;
    changes
        .iter()
        .map(|&(_, change)| {
            open += change;
            open
        })
        .max()
        .unwrap_or(0)
        .unsigned_abs()
}

/// What a client opens to one host.
const MEAN_HELD: f64 = 6.0;
/// Connections in drips, of one caller.
const ACTIVE: u64 = 25;
/// Connections of any kind that are held open, of one caller.
const IDLE: u64 = 40;
/// Connections in drips, of all callers.
const TOGETHER: u64 = 100;
/// Servers of the web answer within a second or two.
const LONG: Duration = Duration::from_secs(10);
/// A greeting, or a page that says that the request took too long.
const REFUSAL_BYTES: u64 = 1000;
/// A handshake of TLS with its certificates.
const HANDSHAKE_BYTES: u64 = 10_000;
/// A packet of a request in drips, on average, and what a request in drips brings in a second.
const DRIP_BYTES: u64 = 600;
const SLOW_BYTES_A_SECOND: u64 = 200;
/// No system opens with so small a window of itself.
const TINY_WINDOW: u16 = 1024;
/// Connections kept of one caller to one service.
const MAX_HELD: usize = 4096;

#[cfg(test)]
mod tests {
    use flow::{Detail, Endpoint, Key};

    use super::*;

    /// A connection of 30 s, with so many bytes in so many packets each way.
    fn connection(caller: u8, at: u64, asked: (u64, u32), answered: (u64, u32)) -> Flow {
        let end = |last, port| Endpoint::new([10, 0, 0, last].into(), port);
        let key = Key { originator: end(caller, 20_000 + at as u16), responder: end(2, 80), protocol: Protocol::Tcp };
        let start = Time::from_nanoseconds(0) + Duration::from_millis(at * 100);
        let side = |(bytes, packets)| Side {
            packets: Some(u64::from(packets) + 3),
            payload_bytes: Some(bytes),
            detail: Some(Detail { payload_packets: packets, initial_window: Some(64_240), ..Detail::default() }),
            ..Side::default()
        };
        let (originator, responder) = (side(asked), side(answered));
        let end = start + Duration::from_secs(30);
        Flow { originator, responder, state: Some(State::SF), ended: Ended::Closed, ..Flow::between(key, start, end) }
    }

    fn found(flows: &[Flow]) -> Vec<(IpAddr, u64)> {
        let mut watch = HeldServices::default();
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.subject, one.flows)).collect()
    }

    #[test]
    fn twenty_five_requests_in_drips_are_too_many_and_twenty_four_are_not() {
        let flows: Vec<Flow> = (0..25).map(|at| connection(1, at, (250, 4), (0, 0))).collect();
        assert_eq!(found(&flows), [([10, 0, 0, 1].into(), 25)]);
        assert_eq!(found(&flows[1..]), []);
    }

    #[test]
    fn a_refusal_at_the_end_does_not_hide_the_drips() {
        let flows: Vec<Flow> = (0..30).map(|at| connection(1, at, (250, 4), (480, 1))).collect();
        assert_eq!(found(&flows).len(), 1);
    }

    #[test]
    fn answers_read_in_drips_are_told_by_closed_windows() {
        let mut flows: Vec<Flow> = (0..30).map(|at| connection(1, at, (400, 1), (20_000, 14))).collect();
        assert_eq!(found(&flows), []);
        for flow in &mut flows {
            flow.originator.detail.as_mut().unwrap().zero_windows = 5;
        }
        assert_eq!(found(&flows).len(), 1);
    }

    #[test]
    fn connections_one_after_the_other_hold_nothing() {
        let flows: Vec<Flow> = (0..60).map(|at| connection(1, at * 400, (250, 4), (0, 0))).collect();
        assert_eq!(found(&flows), []);
    }

    #[test]
    fn long_polling_of_many_proxies_is_the_habit_of_the_service() {
        let polls = |caller| (0..50).map(move |at| connection(caller, at, (300, 1), (0, 0)));
        assert_eq!(found(&polls(1).collect::<Vec<_>>()).len(), 1);
        assert_eq!(found(&(1..6).flat_map(polls).collect::<Vec<_>>()), []);
    }

    #[test]
    fn kept_alive_after_answers_is_benign() {
        let flows: Vec<Flow> = (0..200).map(|at| connection(1, at, (2000, 5), (50_000, 40))).collect();
        assert_eq!(found(&flows), []);
    }

    #[test]
    fn silence_holds_a_service_only_after_the_handshake() {
        let mut flows: Vec<Flow> = (0..50).map(|at| connection(1, at, (0, 0), (0, 0))).collect();
        assert_eq!(found(&flows), []);
        for flow in &mut flows {
            flow.originator.detail.as_mut().unwrap().flags.ack = 1;
        }
        assert_eq!(found(&flows).len(), 1);
    }

    #[test]
    fn many_hosts_together_hold_a_server_of_which_none_holds_much() {
        let flows: Vec<Flow> = (0..120).map(|at| connection(10 + (at % 60) as u8, at, (250, 4), (0, 0))).collect();
        assert_eq!(found(&flows), [([10, 0, 0, 2].into(), 120)]);
    }
}
