//! Which flows are behind an alert.

use std::net::IpAddr;

use flow::{Flow, Key, Time};

use crate::{Alert, Evidence, Example, Host};

impl Alert {
    /// Whether a flow is one of those behind the alert, as far as the alert tells: it keeps a few of its flows as examples
    /// and who took part, not each flow. See [`Evidence::covers`].
    pub fn covers(&self, flow: &Flow) -> bool {
        if self.evidence.iter().any(|evidence| evidence.covers(flow)) {
            return true;
        }
        // Of more evidence than an alert carries, only what all of it has in common is known.
        let is_cut = self.evidence.len() >= Alert::MAX_EVIDENCE;
        let examples = || self.evidence.iter().flat_map(|evidence| &evidence.examples);
        is_cut && Behind::of(self.subject, &self.hosts, (self.start, self.end), examples()).covers(flow)
    }
}

impl Evidence {
    /// Whether a flow is one of those behind the evidence, as far as that tells. It is where it overlaps the evidence in
    /// time, is between the subject and one of its hosts (anyone, where the list is full or names nobody else), and agrees
    /// with the examples in what these have in common: protocol, responder's port (of ICMP type and code), which side the
    /// subject is on. Where the subject speaks in no example, it is between two that do.
    ///
    /// So a flow that is behind it is hardly ever left out, and one beside it is taken for it only where the same two hosts
    /// talk alike at the same time.
    pub fn covers(&self, flow: &Flow) -> bool {
        Behind::of(self.subject, &self.hosts, (self.start, self.end), self.examples.iter()).covers(flow)
    }
}

/// What the flows behind evidence have in common.
struct Behind<'a, E> {
    subject: IpAddr,
    hosts: &'a [Host],
    span: (Time, Time),
    examples: E,
}

impl<'a, E: Iterator<Item = &'a Example> + Clone> Behind<'a, E> {
    fn of(subject: IpAddr, hosts: &'a [Host], span: (Time, Time), examples: E) -> Behind<'a, E> {
        Behind { subject, hosts, span, examples }
    }

    fn covers(&self, flow: &Flow) -> bool {
        let (start, end) = self.span;
        flow.start <= end && start <= flow.end && self.is_between_its_hosts(&flow.key) && self.is_alike(&flow.key)
    }

    fn is_between_its_hosts(&self, key: &Key) -> bool {
        let (one, other) = (key.originator.address, key.responder.address);
        let is_with = |key: &Key| [key.originator.address, key.responder.address].contains(&self.subject);
        if self.keys().next().is_some() && !self.keys().any(is_with) {
            let ends = |key: &Key| (key.originator.address, key.responder.address);
            return self.keys().any(|known| [(one, other), (other, one)].contains(&ends(known)));
        }
        let peer = match self.subject {
            subject if subject == one => other,
            subject if subject == other => one,
            _ => return false,
        };
        let mut others = self.hosts.iter().filter(|host| host.address != self.subject).peekable();
        let is_anyone = others.peek().is_none() || self.hosts.len() >= Evidence::MAX_HOSTS;
        is_anyone || others.any(|host| host.address == peer)
    }

    /// Whether it has what all the examples have.
    fn is_alike(&self, key: &Key) -> bool {
        let protocol = self.common(|key| key.protocol);
        let port = self.common(|key| key.responder.port);
        let kind = self.common(|key| (!key.protocol.has_ports()).then_some(key.originator.port)).flatten();
        let calls = self.common(|key| key.originator.address == self.subject);
        protocol.is_none_or(|common| common == key.protocol)
            && port.is_none_or(|common| common == key.responder.port)
            && kind.is_none_or(|common| common == key.originator.port)
            && calls.is_none_or(|common| common == (key.originator.address == self.subject))
    }

    /// What all the examples have, if they do.
    fn common<T: PartialEq>(&self, of: impl Fn(&Key) -> T) -> Option<T> {
        let mut keys = self.keys();
        let first = of(keys.next()?);
        keys.all(|key| of(key) == first).then_some(first)
    }

    fn keys(&self) -> impl Iterator<Item = &'a Key> + use<'a, E> {
        self.examples.clone().map(|example| &example.key)
    }
}

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Protocol};

    use super::*;
    use crate::{Behaviour, Facts, Role, Severity};

    fn host(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn at(second: i64) -> Time {
        Time::from_nanoseconds(second * 1_000_000_000)
    }

    fn flow(from: u8, to: u8, (protocol, port): (Protocol, u16), (start, end): (i64, i64)) -> Flow {
        let own = if protocol.has_ports() { 50_000 } else { 8 };
        let key =
            Key { originator: Endpoint::new(host(from), own), responder: Endpoint::new(host(to), port), protocol };
        Flow::between(key, at(start), at(end))
    }

    /// Evidence about host 1 against host 2 and others, from second 100 to 200, with flows like these behind it.
    fn evidence(others: impl IntoIterator<Item = u8>, flows: &[Flow]) -> Evidence {
        let hosts = std::iter::once(1).chain(others);
        Evidence {
            behaviour: Behaviour::PortScan,
            subject: host(1),
            hosts: hosts.map(|last| Host { address: host(last), role: Role::Peer }).collect(),
            start: at(100),
            end: at(200),
            severity: Severity::Medium,
            score: 1.0,
            technique: None,
            flows: flows.len() as u64,
            summary: String::new(),
            facts: Facts::default(),
            examples: flows.iter().map(Example::of).collect(),
        }
    }

    fn tcp(from: u8, to: u8, port: u16) -> Flow {
        flow(from, to, (Protocol::Tcp, port), (100, 101))
    }

    #[test]
    fn a_flow_is_behind_evidence_where_it_overlaps_it_in_time() {
        let guessing = evidence([2], &[tcp(1, 2, 22)]);
        let told = [(0, 99), (0, 100), (150, 160), (0, 300), (200, 300), (201, 300)];
        let covered = told.map(|times| guessing.covers(&flow(1, 2, (Protocol::Tcp, 22), times)));
        assert_eq!(covered, [false, true, true, true, true, false]);
    }

    #[test]
    fn both_ends_take_part_and_the_subject_stands_where_it_stood() {
        let guessing = evidence([2], &[tcp(1, 2, 22)]);
        let flows = [tcp(1, 2, 22), tcp(1, 3, 22), tcp(3, 2, 22), tcp(2, 1, 22), tcp(1, 2, 80)];
        assert_eq!(flows.map(|flow| guessing.covers(&flow)), [true, false, false, false, false]);
        assert!(!guessing.covers(&flow(1, 2, (Protocol::Udp, 22), (100, 101))));
    }

    #[test]
    fn a_scan_covers_every_port_and_a_full_list_every_host() {
        let scan = evidence([2], &[tcp(1, 2, 22), tcp(1, 2, 23)]);
        assert!(scan.covers(&tcp(1, 2, 4444)) && !scan.covers(&tcp(1, 9, 22)));
        let sweep = evidence(2..=32, &[tcp(1, 2, 445), tcp(1, 3, 445)]);
        assert!(sweep.hosts.len() == Evidence::MAX_HOSTS && sweep.covers(&tcp(1, 200, 445)));
        assert!(!sweep.covers(&tcp(1, 200, 446)) && !sweep.covers(&tcp(200, 201, 445)));
        assert!(evidence([], &[tcp(1, 2, 445)]).covers(&tcp(1, 77, 445)));
    }

    #[test]
    fn of_icmp_the_type_counts_and_arp_has_none() {
        let ping = |times| flow(1, 2, (Protocol::Icmp, 0), times);
        let mut unreachable = ping((100, 101));
        unreachable.key.originator.port = 3;
        let pings = evidence([2], &[ping((100, 101))]);
        assert!(pings.covers(&ping((120, 130))) && !pings.covers(&unreachable));
        let mut asks = flow(1, 2, (Protocol::Arp, 0), (100, 100));
        asks.key.originator.port = 0;
        assert!(evidence([2], std::slice::from_ref(&asks)).covers(&asks));
    }

    #[test]
    fn where_the_subject_does_not_speak_itself_the_examples_tell_who_does() {
        let spoofed = evidence([2], &[tcp(7, 8, 80)]);
        assert!(spoofed.covers(&tcp(7, 8, 80)));
        assert!(!spoofed.covers(&tcp(7, 9, 80)) && !spoofed.covers(&tcp(1, 2, 80)));
    }

    #[test]
    fn an_alert_covers_what_its_evidence_covers_and_more_only_where_evidence_was_left_out() {
        let one = evidence([2], &[tcp(1, 2, 22)]);
        let mut alert = Alert::test(at(0));
        (alert.subject, alert.start, alert.end) = (host(1), at(100), at(900));
        alert.hosts = one.hosts.clone();
        alert.evidence = vec![one];
        let later = flow(1, 2, (Protocol::Tcp, 22), (500, 501));
        assert!(alert.covers(&tcp(1, 2, 22)) && !alert.covers(&later));
        alert.evidence = vec![alert.evidence.remove(0); Alert::MAX_EVIDENCE];
        assert!(alert.covers(&later) && !alert.covers(&flow(1, 2, (Protocol::Tcp, 23), (500, 501))));
    }
}
