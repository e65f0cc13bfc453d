//! Long connections: conversations with the outside that stay open for hours.
//!
//! A conversation is cut into parts by the active timeout; all parts know when it began, and here they are one again. There
//! is no test in it but time: four hours, or one hour on a port that is known for nothing, with somebody whom fewer than
//! three hosts call. The evidence says what share of the conversations outside that lasted ten minutes or more lasted
//! less, which is the place of this one in this network. Chats and terminals do so by design: info, and
//! low only on an unlisted port over which nothing known was said. No technique: time alone is none.
//!
//! The subject is the host inside, as the attacker; the other end is a peer.

use std::net::IpAddr;

use flow::{Duration, Flow, Time};

use super::destination::{self, Destination};
use super::load::Span;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity};

/// Watches what stays open.
pub(super) struct LongConnections {
    home: Home,
    /// By host, its port, and the service.
    open: Tracks<(IpAddr, u16, Destination), Open>,
    callers: Tracks<Destination, Callers>,
}

/// A conversation of ten minutes or more.
#[derive(Default)]
struct Open {
    start: Option<Time>,
    end: Option<Time>,
    parts: u64,
    bytes: u64,
    is_known: bool,
    name: Option<Box<str>>,
    span: Span,
}

/// Who calls a service, as many as tell that it is popular.
#[derive(Default)]
struct Callers(Vec<IpAddr>);

impl Weigh for Open {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Callers {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl LongConnections {
    pub(super) fn new(home: &Home) -> LongConnections {
        LongConnections { home: home.clone(), open: Tracks::default(), callers: Tracks::default() }
    }
}

impl Watch for LongConnections {
    fn observe(&mut self, flow: &Flow) {
        let service = Destination::of(flow, &self.home).filter(|to| !to.keeps_house() && to.service() != Some("dns"));
        let Some(service) = service else { return };
        let host = flow.key.originator;
        let callers = &mut self.callers.touch(service, flow.end).0;
        if callers.len() < POPULAR && !callers.contains(&host.address) {
            callers.push(host.address);
        }
        let is_two_way = !flow.responder.is_silent();
        if !is_two_way || flow.end.since(flow.conversation_start) < NOTED {
            return;
        }
        let open = self.open.touch((host.address, host.port, service), flow.end);
        open.start = Some(open.start.map_or(flow.conversation_start, |start| start.min(flow.conversation_start)));
        open.end = Some(open.end.map_or(flow.end, |end| end.max(flow.end)));
        open.parts += 1;
        open.bytes = open.bytes.saturating_add(flow.bytes().unwrap_or(0));
        open.is_known |= flow.application.is_some();
        if let Some(name) = destination::name(flow)
            && open.name.as_deref().is_none_or(|known| name < known)
        {
            open.name = Some(name.into());
        }
        open.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let open = self.open.sorted();
        let mut lengths: Vec<Duration> = open.iter().map(|(_, open)| open.length()).collect();
        lengths.sort_unstable();
        open.iter()
            .filter_map(|((host, _, service), open)| {
                let is_popular = self.callers.get(service).is_some_and(|callers| callers.0.len() >= POPULAR);
                let shorter = lengths.partition_point(|length| *length < open.length());
                let share = shorter as f64 / lengths.len().max(1) as f64;
                if is_popular { None } else { open.evidence(*host, *service, (share, lengths.len())) }
            })
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.open.forget(before);
        self.callers.forget(before);
    }
}

impl Open {
    fn length(&self) -> Duration {
        self.start.zip(self.end).map_or(Duration::ZERO, |(start, end)| end.since(start))
    }

    fn evidence(&self, host: IpAddr, service: Destination, (share, all): (f64, usize)) -> Option<Evidence> {
        let length = self.length();
        let is_odd = service.service().is_none() && !self.is_known;
        if length < if is_odd { ODD } else { LONG } {
            return None;
        }
        let whom = service.words(self.name.as_deref());
        Some(Evidence {
            behaviour: Behaviour::LongConnection,
            subject: host,
            hosts: hosts((host, Role::Attacker), [service.address], Role::Peer),
            start: self.start?,
            end: self.end?,
            severity: if is_odd { Severity::Low } else { Severity::Info },
            score: if is_odd { 0.4 } else { 0.2 },
            technique: None,
            flows: self.parts,
            summary: format!(
                "{host} kept a conversation with {whom} open for {}, {} bytes; {:.0} % of {all} long ones here are \
                 shorter",
                seconds(length),
                grouped(self.bytes),
                share * 100.0,
            ),
            facts: Facts::from([
                ("destination", Fact::Text(whom)),
                ("seconds", Fact::Number(length.as_secs_f64())),
                ("bytes", Fact::Count(self.bytes)),
                ("share_shorter", Fact::Number(share)),
                ("long_conversations", Fact::Count(all as u64)),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

/// Shorter conversations are not looked at.
const NOTED: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(4 * 3600);
const ODD: Duration = Duration::from_secs(3600);
/// From so many callers on, a service is popular.
const POPULAR: usize = 3;
