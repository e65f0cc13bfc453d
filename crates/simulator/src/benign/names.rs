//! Names looked up.

use std::net::{IpAddr, Ipv4Addr};

use flow::{Duration, Time};

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::{Host, Network, Site};
use crate::protocol::dns;
use crate::random::Random;
use crate::scene::Scene;

/// What a workstation looks up beside the places that its people visit.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![mistyped(scene, host), reputation(scene, host)]
}

/// Names that do not exist: mistyped, or searched for in the office first.
fn mistyped(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("mistyped names {}", host.name));
    habit(Pace::Working(Duration::from_secs(700)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let name = format!("{}.office.example", network.site(random).name.trim_end_matches(".example"));
        let asked = ask(&mut plan, &network, random, (&host, &name), None, time);
        if random.chance(0.3) {
            ask(&mut plan, &network, random, (&host, "ww.wether.example"), None, asked);
        }
        plan.activity()
    })
}

/// The virus scanner asks about files: a name for the hash of each, under the domain of its maker.
fn reputation(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("reputation {}", host.name));
    habit(Pace::Working(Duration::from_secs(260)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let mut now = time;
        for _ in 0..random.within(1..6) {
            let hash: String = random.bytes(20).iter().map(|byte| format!("{byte:02x}")).collect();
            let name = format!("{hash}.f1.lookup.scancrane.example");
            let known = u8::from(random.chance(0.9)) * 4;
            now = relay(&mut plan, &network, random, (&host, now), |id| {
                (dns::question(id, &name, dns::A), dns::record(id, &name, dns::A, vec![127, 0, 0, known]))
            }) + random.seconds(0.002..0.3);
        }
        plan.activity()
    })
}

/// Looks up a place unless the machine remembers it; gives the time from which it can be visited.
pub(crate) fn lookup(
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

/// Asks the office's name server what it cannot remember, as nobody has asked it before: it asks outside.
pub(crate) fn relay(
    plan: &mut Plan,
    network: &Network,
    random: &mut Random,
    (host, time): (&Host, Time),
    message: impl Fn(u16) -> (Vec<u8>, Vec<u8>),
) -> Time {
    let (from, server) = (host.endpoint(), network.domain.endpoint());
    let forwarded = time + Duration::from_micros(200);
    let (ask, answer) = message(random.id());
    let ends = (server, network.outside(RESOLVER.into()));
    let answered = plan.exchange(forwarded, ends, (random.port(), dns::PORT), &ask, &answer) + server.latency;
    let (port, (ask, answer)) = (random.port(), message(random.id()));
    plan.packet(time, crate::wire::udp(from, server, (port, dns::PORT), &ask));
    plan.packet(answered, crate::wire::udp(server, from, (dns::PORT, port), &answer));
    answered + from.latency
}

const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);
