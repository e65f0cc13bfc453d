//! Callbacks: a server that was just called calls out itself, in a way that it never does (Log4Shell, reverse shells).
//!
//! A call counts where it goes to a port of no known service, or speaks LDAP or RMI where neither belongs, and where the
//! host was called on a service within ten seconds before. Test: the chance that such a call falls by itself as soon
//! after a request as it did. Null model: a server opens a place that is new to it once an hour, or as often as it was
//! seen to, as a Poisson process that knows nothing of requests; the p-value is that rate times the delay and the
//! requests of the last hour, and must be below 0.01: once in 100 new places of a server called once an hour, never
//! for one called all the time, of which timing tells nothing. Then the pattern must hold as well: names looked up by LDAP
//! or RMI at an odd port or outside; a call back to the very caller; or a dialogue of small packets, as a shell holds,
//! with a host outside or after a day without any such call. A host with more than four such places (peers, queues,
//! clusters) or one that is called on no known service is no server of this kind.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Application, Duration, Endpoint, Flow, Protocol, Time};

use super::contacts::Outcome;
use super::tracks::{Tracks, Weigh};
use super::words::{hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Example, Fact, Facts, Home, Host, Role, Severity, Technique};

/// Watches servers that call out.
pub(super) struct Callbacks {
    home: Home,
    requests: Tracks<IpAddr, Requests>,
    /// Where hosts call that is nobody's known service; kept in the long run.
    callers: Tracks<IpAddr, Places>,
}

/// The latest requests that a host got.
#[derive(Default)]
struct Requests(Vec<Request>);

#[derive(Clone, Copy)]
struct Request {
    start: Time,
    end: Time,
    caller: IpAddr,
    port: u16,
    example: Example,
}

/// Odd places that a host called.
#[derive(Default)]
struct Places {
    since: Option<Time>,
    calls: Vec<Call>,
}

/// The first call of a place, and what all of them showed.
#[derive(Clone, Copy)]
struct Call {
    to: Endpoint,
    start: Time,
    end: Time,
    /// It looked a name up by LDAP or RMI.
    looks_up: bool,
    /// Both sides sent small packets, for long.
    is_dialogue: bool,
    example: Example,
}

/// A call and the request before it.
struct Answered<'a> {
    call: &'a Call,
    request: &'a Request,
    p_value: f64,
}

impl Weigh for Requests {
    fn weight(&self) -> usize {
        self.0.len() * 3
    }
}

impl Weigh for Places {
    fn weight(&self) -> usize {
        1 + self.calls.len() * 4
    }
}

impl Watch for Callbacks {
    fn observe(&mut self, flow: &Flow) {
        if flow.key.protocol != Protocol::Tcp || Outcome::of(flow) != Some(Outcome::Used) {
            return;
        }
        let (caller, callee) = (flow.key.originator.address, flow.key.responder);
        if is_served(callee.port) {
            let requests = &mut self.requests.touch(callee.address, flow.end).0;
            if requests.len() >= MAX_REQUESTS {
                // Most come in the order of time, so that the earlier half lies in front.
                requests.drain(..MAX_REQUESTS / 2);
            }
            let example = Example::of(flow);
            requests.push(Request { start: flow.start, end: flow.end, caller, port: callee.port, example });
        }
        let call = self.odd_call(flow);
        let places = self.callers.touch(caller, flow.end);
        places.since = Some(places.since.map_or(flow.start, |since| since.min(flow.start)));
        if let Some(call) = call
            && places.calls.len() <= MOST_PLACES
        {
            places.add(call);
        }
        let watched = self.callers.touch(callee.address, flow.end);
        watched.since = Some(watched.since.map_or(flow.start, |since| since.min(flow.start)));
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.requests
            .sorted()
            .into_iter()
            .filter_map(|(server, requests)| self.of_server(server, &requests.0))
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.requests.forget(before);
    }
}

impl Callbacks {
    /// In a network of these homes.
    pub(super) fn of(home: Home) -> Callbacks {
        Callbacks { home, requests: Tracks::default(), callers: Tracks::default() }
    }

    /// The flow as an odd call; `None` where servers call so.
    fn odd_call(&self, flow: &Flow) -> Option<Call> {
        let to = flow.key.responder;
        let is_outside = !self.home.contains(to.address);
        let application = flow.application.as_deref();
        let is_ldap_port = matches!(to.port, 389 | 636 | 3268 | 3269);
        let looks_up = match application.map(Application::name) {
            Some("ldap") => is_outside || !is_ldap_port,
            // Machines inside are managed by RMI.
            Some("rmi") => is_outside,
            _ => false,
        };
        // Data of FTP (active) and the question who calls (RFC 1413) belong to the request.
        let is_own = matches!(to.port, 20 | 113) || matches!(flow.key.originator.port, 20 | 21);
        if !looks_up && (ports::service(to.port).is_some() || is_own) {
            return None;
        }
        Some(Call {
            to,
            start: flow.start,
            end: flow.end,
            looks_up,
            is_dialogue: application.is_none() && is_dialogue(flow),
            example: Example::of(flow),
        })
    }

    fn of_server(&self, server: IpAddr, requests: &[Request]) -> Option<Evidence> {
        let places = self.callers.get(&server).filter(|places| (1..=MOST_PLACES).contains(&places.calls.len()))?;
        let latest = requests.iter().map(|request| request.end).max()?;
        let watched = places.since.map_or(Duration::ZERO, |since| latest.since(since));
        let mut answered: Vec<Answered<'_>> =
            places.calls.iter().filter_map(|call| places.answered(call, requests, watched)).collect();
        answered.sort_by_key(|one| (one.call.start, one.call.to));
        let strongest = answered.iter().filter_map(|one| Some((self.severity(one, places)?, one)));
        let (severity, first) = strongest.max_by(|a, b| {
            (a.0, a.1.p_value, a.1.call.start)
                .partial_cmp(&(b.0, b.1.p_value, b.1.call.start))
                .unwrap_or(std::cmp::Ordering::Equal)
        })?;
        let looked_up = answered.iter().find(|one| one.call.looks_up);
        let first = looked_up.unwrap_or(first);
        // A look-up that is followed by another odd call has worked.
        let next = places.calls.iter().find(|call| {
            call.to.address != first.call.to.address
                && call.start >= first.call.start
                && call.start.since(first.call.start) <= SOON
        });
        let severity = if looked_up.is_some() && next.is_some() { Severity::High } else { severity };
        Some(self.describe(server, severity, first, &answered, next))
    }

    /// How urgent a call is that may answer a request; `None` where it is what servers do.
    fn severity(&self, answered: &Answered<'_>, places: &Places) -> Option<Severity> {
        let Answered { call, request, .. } = answered;
        let is_back = call.to.address == request.caller;
        let is_outside = !self.home.contains(call.to.address);
        let lasts = call.end.since(call.start) >= LASTING;
        // Not once in a day or more.
        let is_first_of_day = places.since.is_some_and(|since| call.start.since(since) >= DAY);
        match () {
            () if call.looks_up => Some(Severity::Medium),
            () if is_back && (call.is_dialogue || lasts && call.example.bytes.is_some()) => Some(Severity::Medium),
            () if call.is_dialogue && (is_outside || is_first_of_day) => Some(Severity::Medium),
            () if is_back => Some(Severity::Low),
            () => None,
        }
    }

    fn describe(
        &self,
        server: IpAddr,
        severity: Severity,
        first: &Answered<'_>,
        answered: &[Answered<'_>],
        next: Option<&Call>,
    ) -> Evidence {
        let Answered { call, request, p_value } = first;
        let is_back = call.to.address == request.caller;
        let mut summary = format!(
            "{} after {} called its port {}, {server} called {} port {} ",
            seconds(call.start.since(request.start)),
            request.caller,
            port_words(request.port),
            if is_back { "it back on".to_owned() } else { call.to.address.to_string() },
            call.to.port,
        );
        summary.push_str(match () {
            () if call.looks_up => "for a name (LDAP or RMI)",
            () if call.is_dialogue => "and held a dialogue of small packets, as over a shell",
            () => "for the first time",
        });
        if let Some(next) = next {
            let dialogue = if next.is_dialogue { ", with a dialogue of small packets, as over a shell" } else { "" };
            summary.push_str(&format!(", then {} port {}{dialogue}", next.to.address, next.to.port));
        }
        let is_outside = !self.home.contains(request.caller);
        let technique = if is_outside || !self.home.contains(server) {
            Technique::ExploitPublicFacingApplication
        } else {
            Technique::ExploitationOfRemoteServices
        };
        let calls: Vec<&Call> = answered.iter().map(|one| one.call).chain(next).collect();
        let mut listed = hosts((server, Role::Victim), [request.caller], Role::Attacker);
        for call in &calls {
            let host = Host { address: call.to.address, role: Role::Peer };
            if listed.len() < Evidence::MAX_HOSTS && listed.iter().all(|known| known.address != host.address) {
                listed.push(host);
            }
        }
        let mut examples = vec![request.example];
        calls.iter().for_each(|call| {
            if !examples.contains(&call.example) {
                examples.push(call.example);
            }
        });
        examples.truncate(4);
        Evidence {
            behaviour: Behaviour::Callback,
            subject: server,
            hosts: listed,
            start: request.start.min(call.start),
            end: calls.iter().map(|call| call.end).max().unwrap_or(call.end),
            severity,
            score: (1.0 - p_value.sqrt()) * if severity >= Severity::Medium { 0.95 } else { 0.5 },
            technique: (severity >= Severity::Medium).then_some(technique),
            flows: examples.len() as u64,
            summary,
            facts: Facts::from([
                ("delay_seconds", Fact::Number(call.start.since(request.start).as_secs_f64())),
                ("odd_places_called", Fact::Count(calls.len() as u64)),
                ("p_value", Fact::Number(*p_value)),
            ]),
            examples,
        }
    }
}

impl Places {
    /// Takes in a call; one place is one entry.
    fn add(&mut self, call: Call) {
        match self.calls.iter_mut().find(|known| known.to == call.to) {
            Some(known) => {
                known.looks_up |= call.looks_up;
                known.is_dialogue |= call.is_dialogue;
                known.end = known.end.max(call.end);
                if call.start < known.start {
                    (known.start, known.example) = (call.start, call.example);
                }
            }
            None => self.calls.push(call),
        }
    }

    /// The request that the first call of a place may answer: the latest one before it, where chance is no better reason.
    fn answered<'a>(&self, call: &'a Call, requests: &'a [Request], watched: Duration) -> Option<Answered<'a>> {
        let before = requests.iter().filter(|request| {
            // A call back to the caller may come as long as the request lasts.
            let is_soon = if request.caller == call.to.address {
                call.start <= request.end + SOON_AFTER
            } else {
                call.start.since(request.start) <= SOON_AFTER
            };
            request.start <= call.start && is_soon
        });
        let request = before.max_by_key(|request| (request.start, request.caller))?;
        let lately =
            requests.iter().filter(|one| one.start <= call.start && call.start.since(one.start) <= HOUR).count();
        let others =
            self.calls.iter().filter(|one| call.start.since(one.start) > SOON && one.start < call.start).count();
        let hourly = (others as f64 * HOUR.as_secs_f64() / watched.as_secs_f64().max(HOUR.as_secs_f64())).max(1.0);
        let delay = call.start.since(request.start).min(SOON_AFTER).as_secs_f64() + LEAST_DELAY;
        let p_value = (1.0 - (-hourly * delay * lately as f64 / HOUR.as_secs_f64()).exp()).clamp(0.0, 1.0);
        (p_value < SIGNIFICANCE).then_some(Answered { call, request, p_value })
    }
}

/// Whether a host that is called there is a server: FTP and portmappers call back by design.
fn is_served(port: u16) -> bool {
    (port < 1024 || ports::service(port).is_some()) && !matches!(port, 20 | 21 | 111 | 113 | 135)
}

/// Small packets from both sides over some seconds.
fn is_dialogue(flow: &Flow) -> bool {
    let small = |side: &flow::Side| {
        let packets = side.detail.map_or(0, |detail| u64::from(detail.payload_packets));
        packets >= DIALOGUE_PACKETS && side.payload_bytes.is_some_and(|bytes| bytes < packets * SMALL_BYTES)
    };
    flow.duration() >= DIALOGUE && small(&flow.originator) && small(&flow.responder)
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// How soon a request that took effect shows.
const SOON_AFTER: Duration = Duration::from_secs(10);
/// How soon the next step follows.
const SOON: Duration = Duration::from_secs(60);
/// No delay is shorter, for all that clocks tell.
const LEAST_DELAY: f64 = 0.05;
/// A connection of somebody who stays.
const LASTING: Duration = Duration::from_secs(30);
/// What a few lines typed take.
const DIALOGUE: Duration = Duration::from_secs(3);
const DIALOGUE_PACKETS: u64 = 3;
const SMALL_BYTES: u64 = 300;
/// Odd places of a server that has none by design; more are a habit.
const MOST_PLACES: usize = 4;
/// Requests kept of one host.
const MAX_REQUESTS: usize = 1024;
const SIGNIFICANCE: f64 = 0.01;

#[cfg(test)]
mod tests {
    use flow::{Detail, Key, Side, State};

    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    /// A conversation from so many milliseconds on, over so many seconds, of 20 small packets each way.
    fn dialogue(from: IpAddr, to: IpAddr, port: u16, at: u64, lasts: u64, name: Option<&str>) -> Flow {
        let key = Key {
            originator: Endpoint::new(from, 50_000),
            responder: Endpoint::new(to, port),
            protocol: Protocol::Tcp,
        };
        let start = Time::from_nanoseconds(0) + Duration::from_millis(at);
        let side = Side {
            packets: Some(30),
            bytes: Some(2000),
            payload_bytes: Some(800),
            detail: Some(Detail { payload_packets: 20, ..Detail::default() }),
            ..Side::default()
        };
        Flow {
            originator: side.clone(),
            responder: side,
            state: Some(State::SF),
            application: name.map(|name| Box::new(Application::Other(name.into()))),
            ..Flow::between(key, start, start + Duration::from_secs(lasts))
        }
    }

    fn found(flows: &[Flow]) -> Vec<(IpAddr, Severity)> {
        let mut watch = Callbacks::of(Home::default());
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.subject, one.severity)).collect()
    }

    #[test]
    fn a_name_looked_up_at_an_odd_port_after_a_request_and_then_a_shell_is_a_callback() {
        let request = dialogue(address(1), address(2), 8080, 0, 20, Some("http"));
        let look_up = dialogue(address(2), address(3), 1389, 300, 1, Some("ldap"));
        let shell = dialogue(address(2), address(4), 9001, 600, 18, None);
        assert_eq!(found(&[request.clone(), look_up.clone(), shell.clone()]), [(address(2), Severity::High)]);
        assert_eq!(found(&[request.clone(), look_up]), [(address(2), Severity::Medium)]);
        // A queue or a cache inside looks like a shell.
        assert_eq!(found(&[request, shell]), []);
    }

    #[test]
    fn a_dialogue_back_with_the_caller_is_a_callback() {
        let outside = [203, 0, 113, 9].into();
        let request = dialogue(outside, address(2), 80, 0, 1, Some("http"));
        let shell = dialogue(address(2), outside, 4444, 2000, 60, None);
        assert_eq!(found(&[request, shell.clone()]), [(address(2), Severity::Medium)]);
        assert_eq!(found(&[shell]), []);
    }

    #[test]
    fn a_server_that_is_called_all_the_time_tells_nothing_by_its_timing() {
        let outside = [203, 0, 113, 9].into();
        let mut flows: Vec<Flow> =
            (0..600).map(|at| dialogue(address(1), address(2), 80, at * 1000, 1, Some("http"))).collect();
        flows.push(dialogue(address(2), outside, 5000, 599_500, 60, None));
        assert_eq!(found(&flows), []);
    }

    #[test]
    fn a_directory_at_its_own_port_and_peers_in_plenty_are_benign() {
        let request = dialogue(address(1), address(2), 443, 0, 20, Some("tls"));
        let directory = dialogue(address(2), address(3), 389, 100, 1, Some("ldap"));
        assert_eq!(found(&[request.clone(), directory]), []);
        let peers = (0..6).map(|peer| dialogue(address(2), [203, 0, 113, peer].into(), 6881, 100, 20, None));
        assert_eq!(found(&std::iter::once(request).chain(peers).collect::<Vec<_>>()), []);
    }
}
