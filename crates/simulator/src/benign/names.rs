//! Names looked up.

use std::net::{IpAddr, Ipv4Addr};

use flow::{Duration, Time};

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::{Host, Network, Site};
use crate::protocol::dns;
use crate::random::Random;
use crate::scene::Scene;

/// Names that do not exist: mistyped, or searched for in the office first.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let mut habits = Vec::new();
    for host in &scene.network.workstations {
        let (network, host) = (scene.network.clone(), host.clone());
        let random = scene.random(&format!("mistyped names {}", host.name));
        habits.push(habit(Pace::Working(Duration::from_secs(700)), random, scene.span(), move |random, time| {
            let mut plan = Plan::default();
            let name = format!("{}.office.example", network.site(random).name.trim_end_matches(".example"));
            let asked = ask(&mut plan, &network, random, (&host, &name), None, time);
            if random.chance(0.3) {
                ask(&mut plan, &network, random, (&host, "ww.wether.example"), None, asked);
            }
            plan.activity()
        }));
    }
    habits
}

/// Looks up a place unless the machine remembers it; gives the time from which it can be visited.
pub(super) fn lookup(
    plan: &mut Plan,
    network: &Network,
    random: &mut Random,
    host: &Host,
    site: &Site,
    time: Time,
) -> Time {
    if random.chance(0.35) {
        return time;
    }
    ask(plan, network, random, (host, &site.name), Some(site), time)
}

/// Asks the office's name server, which asks outside what it does not remember.
fn ask(
    plan: &mut Plan,
    network: &Network,
    random: &mut Random,
    (host, name): (&Host, &str),
    site: Option<&Site>,
    time: Time,
) -> Time {
    let server = &network.domain;
    let ends = network.between(host, server, random);
    let kinds: &[u16] = if host.v6.is_some() { &[dns::A, dns::AAAA] } else { &[dns::A] };
    let mut known = time;
    for (index, &kind) in kinds.iter().enumerate() {
        let asked = time + Duration::from_micros(90 * index as u64);
        let (id, port) = (random.id(), random.port());
        let addresses: Vec<IpAddr> =
            site.iter().flat_map(|site| [Some(site.v4.into()), site.v6.map(IpAddr::from)]).flatten().collect();
        let answer = |id| match site {
            Some(_) => dns::answer(id, name, kind, &addresses),
            None => dns::no_such_name(id, name, kind),
        };
        let mut answered = asked + random.near(ends.1.latency, 0.4);
        if random.chance(0.4) {
            let resolver = network.outside(RESOLVER.into());
            let (id, port) = (random.id(), random.port());
            let forwarded = asked + Duration::from_micros(200);
            let ends = (server.endpoint(), resolver);
            answered = plan.exchange(forwarded, ends, (port, dns::PORT), &dns::question(id, name, kind), &answer(id));
            answered = answered + server.endpoint().latency;
        }
        plan.packet(asked, crate::wire::udp(ends.0, ends.1, (port, dns::PORT), &dns::question(id, name, kind)));
        plan.packet(answered, crate::wire::udp(ends.1, ends.0, (dns::PORT, port), &answer(id)));
        known = known.max(answered);
    }
    known + host.endpoint().latency
}

const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);
