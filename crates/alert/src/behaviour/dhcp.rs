//! DHCP starvation and rogue DHCP servers.
//!
//! Starvation: distinct hardware addresses that ask for an address, from the clients of one link or through one relay: 100
//! in ten seconds or 500 in ten minutes, through a relay four times as many. Null model: new clients come by themselves,
//! one every four seconds (a lecture hall that fills), Poisson; 100 in ten seconds have a chance below 1e-100. After a
//! power failure a whole site comes at once; that is told as medium, because its clients go on to take their addresses,
//! while starvation mostly asks and does not take.
//!
//! Rogue: a second server offers another way out (router or name server) into the same network, and was first seen within
//! the last day. Two that share their work offer the same. Null model: a network gets another server once a year.

use std::net::{IpAddr, Ipv4Addr};

use flow::{Application, Distinct, Duration, Flow, Lessor, Time};

use super::load::Span;
use super::scale::{Scale, poisson_tail};
use super::timeline::Timeline;
use super::tracks::{Map, Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who asks for addresses and who gives them.
#[derive(Default)]
pub(super) struct Leases {
    askers: Tracks<IpAddr, Asking>,
    /// Kept in the long run.
    servers: Map<Ipv4Addr, Server>,
    /// Servers that gave nothing since are not told again.
    told_before: Option<Time>,
}

/// What comes from one address: that of a relay, or none, which is that of all clients.
#[derive(Default)]
struct Asking {
    timeline: Timeline,
    clients: Distinct<16>,
    discovers: u64,
    requests: u64,
    flows: u64,
    span: Span,
}

/// A server and what it offers.
#[derive(Default)]
struct Server {
    offers: u64,
    routers: Vec<Ipv4Addr>,
    name_servers: Vec<Ipv4Addr>,
    flows: u64,
    span: Span,
}

impl Weigh for Asking {
    fn weight(&self) -> usize {
        4 + self.timeline.weight()
    }
}

impl Watch for Leases {
    fn observe(&mut self, flow: &Flow) {
        let Some(Application::Dhcp(dhcp)) = flow.application.as_deref() else { return };
        let asked = u64::from(dhcp.discovers) + u64::from(dhcp.requests);
        if asked > 0 {
            let asking = self.askers.touch(flow.key.originator.address, flow.end);
            asking.timeline.add(flow.start, flow.end, dhcp.clients.estimate().min(asked));
            asking.clients.append(&dhcp.clients);
            asking.discovers += u64::from(dhcp.discovers);
            asking.requests += u64::from(dhcp.requests);
            asking.flows += 1;
            asking.span.add(flow);
        }
        for lessor in &dhcp.servers {
            if self.servers.len() < MAX_SERVERS || self.servers.contains_key(&lessor.server) {
                self.servers.entry(lessor.server).or_default().add(flow, lessor);
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut servers: Vec<(Ipv4Addr, &Server)> = self.servers.iter().map(|(name, server)| (*name, server)).collect();
        servers.sort_unstable_by_key(|(name, server)| (server.span.start(), *name));
        let is_recent = |server: &Server| self.told_before.is_none_or(|before| server.span.end() >= before);
        let rogue = servers
            .iter()
            .enumerate()
            .filter(|(_, (_, server))| is_recent(server))
            .filter_map(|(place, second)| servers[..place].iter().find_map(|first| rogue(*first, *second)));
        let askers = self.askers.sorted();
        let starved = askers.iter().filter_map(|(source, asking)| asking.starvation(*source, &servers));
        starved.chain(rogue).collect()
    }

    fn forget(&mut self, before: Time) {
        self.askers.forget(before);
        self.told_before = self.told_before.max(Some(before));
    }
}

impl Asking {
    fn starvation(&self, source: IpAddr, servers: &[(Ipv4Addr, &Server)]) -> Option<Evidence> {
        let scales = if source.is_unspecified() { STARVATION } else { STARVATION_BY_RELAY };
        let clients = self.clients.estimate();
        // Few clients that ask again and again are none more.
        let crossing = self.timeline.crossing(&scales).filter(|crossing| clients >= crossing.scale.least * 9 / 10)?;
        let takes = self.requests * 4 >= self.discovers;
        let window = crossing.scale.window.map_or(0.0, |window| window.as_secs_f64());
        let victims = servers.iter().map(|(name, _)| IpAddr::V4(*name));
        let doer = if source.is_unspecified() { Role::Peer } else { Role::Attacker };
        Some(Evidence {
            behaviour: Behaviour::DhcpStarvation,
            subject: source,
            hosts: hosts((source, doer), victims, Role::Victim),
            start: self.span.start(),
            end: self.span.end(),
            severity: if takes { Severity::Medium } else { Severity::High },
            score: crossing.score(),
            technique: Some(Technique::ServiceExhaustionFlood),
            flows: self.flows,
            summary: format!(
                "About {} hardware addresses asked for an address by DHCP in {} ({} times, {} took one)",
                grouped(clients),
                seconds(self.span.end().since(self.span.start())),
                grouped(self.discovers + self.requests),
                grouped(self.requests),
            ),
            facts: Facts::from([
                ("clients", Fact::Count(clients)),
                ("discovers", Fact::Count(self.discovers)),
                ("requests", Fact::Count(self.requests)),
                ("window", Fact::Text(crossing.scale.name())),
                ("count_in_window", Fact::Count(crossing.count)),
                ("p_value", Fact::Number(poisson_tail(crossing.count, window * CLIENTS_A_SECOND))),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

impl Server {
    fn add(&mut self, flow: &Flow, lessor: &Lessor) {
        self.offers += u64::from(lessor.offers);
        self.flows += 1;
        self.span.add(flow);
        for (known, told) in [(&mut self.routers, lessor.router), (&mut self.name_servers, lessor.name_server)] {
            if let Some(told) = told.filter(|told| known.len() < MAX_WAYS && !known.contains(told)) {
                known.push(told);
            }
        }
    }
}

/// The second of two servers, where it came lately and leads elsewhere.
fn rogue(first: (Ipv4Addr, &Server), second: (Ipv4Addr, &Server)) -> Option<Evidence> {
    let ((name, server), (rogue_name, rogue)) = (first, second);
    let network = |address: &Ipv4Addr| u32::from(*address) >> 8;
    let networks = |server: &Server, name: Ipv4Addr| -> Vec<u32> {
        server.routers.iter().chain(std::iter::once(&name)).map(network).collect()
    };
    let theirs = networks(server, name);
    let is_same_network = networks(rogue, rogue_name).iter().any(|network| theirs.contains(network));
    let differs = |theirs: &[Ipv4Addr], ours: &[Ipv4Addr]| {
        !theirs.is_empty() && ours.iter().any(|address| !theirs.contains(address))
    };
    let leads_elsewhere =
        differs(&server.routers, &rogue.routers) || differs(&server.name_servers, &rogue.name_servers);
    let is_settled = rogue.span.end().since(rogue.span.start()) >= DAY;
    if !is_same_network || !leads_elsewhere || is_settled {
        return None;
    }
    let watched = rogue.span.start().since(server.span.start());
    let way = |routers: &[Ipv4Addr]| routers.first().map_or_else(|| "none".to_owned(), Ipv4Addr::to_string);
    let p_value = poisson_tail(1, watched.max(HOUR).as_secs_f64() / YEAR.as_secs_f64());
    Some(Evidence {
        behaviour: Behaviour::RogueDhcp,
        subject: rogue_name.into(),
        hosts: hosts((rogue_name.into(), Role::Attacker), [IpAddr::V4(name)], Role::Peer),
        start: rogue.span.start(),
        end: rogue.span.end(),
        severity: Severity::Medium,
        score: if watched >= DAY { 0.95 } else { 0.8 },
        technique: Some(Technique::DhcpSpoofing),
        flows: rogue.flows,
        summary: format!(
            "{rogue_name} gave addresses by DHCP {} times with the router {} and the name server {}, where {name} gives {} and {}",
            grouped(rogue.offers),
            way(&rogue.routers),
            way(&rogue.name_servers),
            way(&server.routers),
            way(&server.name_servers),
        ),
        facts: Facts::from([
            ("offers", Fact::Count(rogue.offers)),
            ("offers_of_the_other", Fact::Count(server.offers)),
            ("p_value", Fact::Number(p_value)),
        ]),
        examples: rogue.span.examples.clone(),
    })
}

/// New clients of one link, and through a relay, which stands for several.
const STARVATION: [Scale; 2] = [Scale::within(10, 100), Scale::within(600, 500)];
const STARVATION_BY_RELAY: [Scale; 2] = [Scale::within(10, 400), Scale::within(600, 2000)];
const CLIENTS_A_SECOND: f64 = 0.25;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Servers kept, and routers and name servers of each.
const MAX_SERVERS: usize = 1024;
const MAX_WAYS: usize = 32;

#[cfg(test)]
mod tests {
    use flow::{Dhcp, Endpoint, Key, Protocol};

    use super::*;

    fn message(second: u64, from: [u8; 4], dhcp: Dhcp) -> Flow {
        let end = |address: [u8; 4], port| Endpoint::new(address.into(), port);
        let (originator, responder) = (end(from, 68), end([255; 4], 67));
        let start = Time::from_nanoseconds(0) + Duration::from_secs(second);
        let application = Some(Box::new(Application::Dhcp(Box::new(dhcp))));
        let key = Key { originator, responder, protocol: Protocol::Udp };
        Flow { application, ..Flow::between(key, start, start + Duration::from_secs(5)) }
    }

    fn asking(clients: u32, discovers: u32, requests: u32) -> Flow {
        let mut dhcp = Dhcp { discovers, requests, ..Dhcp::default() };
        (0..clients).for_each(|client| dhcp.clients.add(&client.to_be_bytes()));
        message(0, [0; 4], dhcp)
    }

    fn offer(second: u64, server: [u8; 4], router: [u8; 4]) -> Flow {
        let lessor = Lessor { server: server.into(), router: Some(router.into()), name_server: None, offers: 1 };
        message(second, server, Dhcp { servers: vec![lessor], ..Dhcp::default() })
    }

    fn found(flows: &[Flow]) -> Vec<(Behaviour, Severity)> {
        let mut watch = Leases::default();
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.behaviour, one.severity)).collect()
    }

    #[test]
    fn ever_new_clients_that_ask_and_do_not_take_are_starvation() {
        assert_eq!(found(&[asking(200, 200, 0)]), [(Behaviour::DhcpStarvation, Severity::High)]);
        assert_eq!(found(&[asking(200, 200, 190)]), [(Behaviour::DhcpStarvation, Severity::Medium)]);
        // A few that ask again and again.
        assert_eq!(found(&[asking(20, 1000, 0), asking(60, 60, 60)]), []);
    }

    #[test]
    fn a_rogue_that_has_gone_is_not_told_again() {
        let mut watch = Leases::default();
        watch.observe(&offer(0, [10, 0, 0, 2], [10, 0, 0, 1]));
        watch.observe(&offer(9, [10, 0, 0, 3], [10, 0, 0, 3]));
        assert_eq!(watch.evidence().len(), 1);
        watch.forget(offer(100, [0; 4], [0; 4]).start);
        assert_eq!(watch.evidence().len(), 0);
    }

    #[test]
    fn a_server_that_leads_elsewhere_is_a_rogue_and_a_partner_is_not() {
        let [server, partner, router] = [[10, 0, 0, 2], [10, 0, 0, 3], [10, 0, 0, 1]];
        assert_eq!(found(&[offer(0, server, router), offer(0, partner, router)]), []);
        let rogue = [(Behaviour::RogueDhcp, Severity::Medium)];
        assert_eq!(found(&[offer(0, server, router), offer(9, partner, partner)]), rogue);
        // Another network's.
        assert_eq!(found(&[offer(0, server, router), offer(9, [10, 9, 0, 2], [10, 9, 0, 1])]), []);
    }
}
