//! Machines that call home for orders, again and again.

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot, lair};
use crate::activity::{Activity, Plan};
use crate::benign::names;
use crate::network::{Host, Site};
use crate::protocol::dns;
use crate::protocol::tls::{self, Request};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::Connection;

/// The calls of one infected workstation.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let host = scene.network.insider(attack as usize).clone();
    let attacker = host.v4.into();
    match attack {
        Attack::DnsBeacon => {
            // The name server passes the question on, and so asks it, too.
            let server = scene.network.domain.v4.into();
            Plot::whole(attack, vec![attacker, server], vec![server], lookups(scene, host, occasion))
        }
        _ => {
            let (name, every) = match attack {
                Attack::SlowBeacon => ("assets.dotterel.example", Duration::from_secs(3_600)),
                _ => ("sync.phalarope.example", Duration::from_secs(60)),
            };
            let site = lair(attack, name);
            let server = site.v4.into();
            Plot::whole(attack, vec![attacker], vec![server], calls(scene, host, site, every, occasion))
        }
    }
}

/// A call over HTTPS at every interval, most of them answered by "nothing to do".
pub(super) fn calls(scene: &Scene, host: Host, site: Site, every: Duration, occasion: Occasion) -> Activity {
    let network = scene.network.clone();
    let count = occasion.count(every, 20);
    let mut missing = Missing::default();
    occasion.steps(count, every, 0.15, move |random, time, _| {
        let mut plan = Plan::default();
        if missing.next(random) {
            return plan.activity();
        }
        let start = names::lookup(&mut plan, &network, random, &host, &site, time);
        let after = Duration::from_millis(2);
        let mut requests = vec![Request { after, asked: 340 + random.within(0..24), answered: 190 }];
        if random.chance(0.04) {
            requests[0].answered = random.size(9_000, 1.0, 300_000);
            let done = random.seconds(0.4..6.0);
            requests.push(Request { after: done, asked: random.size(4_000, 1.0, 90_000), answered: 120 });
        }
        let mut script = tls::session(random, &site.name, &requests);
        if let Some(goodbye) = script.last_mut() {
            goodbye.after = Duration::from_millis(4);
        }
        let ends = (host.endpoint(), network.outside(site.v4.into()));
        plan.start(start, Connection::new(ends, (random.port(), 443), start, script).activity(random.fork()));
        plan.activity()
    })
}

/// A lookup at every interval, whose address says whether there is something to do; orders come as texts.
fn lookups(scene: &Scene, host: Host, mut occasion: Occasion) -> Activity {
    let network = scene.network.clone();
    let every = Duration::from_secs(60);
    let count = occasion.count(every, 20);
    let id = occasion.random.word();
    let mut missing = Missing::default();
    occasion.steps(count, every, 0.1, move |random, time, _| {
        let mut plan = Plan::default();
        if missing.next(random) {
            return plan.activity();
        }
        let tasked = random.chance(0.05);
        let mut ask = |random: &mut Random, time: Time, name: &str, kind: u16, data: Vec<u8>| {
            names::relay(&mut plan, &network, random, (&host, time), |query| {
                (dns::question(query, name, kind), dns::record(query, name, kind, data.clone()))
            })
        };
        let mut now =
            ask(random, time, &format!("{id:08x}.{ZONE}"), dns::A, vec![0, 0, 0, if tasked { 243 } else { 0 }]);
        for part in 0..if tasked { random.within(4..12) } else { 0 } {
            let name = format!("api.{part:x}{:08x}.{id:08x}.{ZONE}", random.word());
            let text = [&[180][..], &[b'k'; 180]].concat();
            let next = now + random.seconds(0.01..0.1);
            now = ask(random, next, &name, dns::TXT, text);
        }
        plan.activity()
    })
}

/// Beats that are left out: a lid is closed, a network is away.
#[derive(Default)]
struct Missing(u32);

impl Missing {
    fn next(&mut self, random: &mut Random) -> bool {
        if self.0 > 0 {
            self.0 -= 1;
            return true;
        }
        if random.chance(0.03) {
            self.0 = random.within(0..4);
            return true;
        }
        false
    }
}

const ZONE: &str = "ns.corncrake.example";
