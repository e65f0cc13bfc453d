//! Answers that the victim never asked for, from hosts that do not know better.

use std::net::Ipv4Addr;

use flow::Duration;

use super::scan::RateLimit;
use super::{Attack, Occasion, Plot};
use crate::activity::{Activity, Plan};
use crate::protocol::{dns, ntp};
use crate::random::hash;
use crate::scene::Scene;
use crate::tcp::{first_options, first_window};
use crate::wire::{self, ACK, Endpoint, RST, SYN, Segment};

/// A reflection towards one victim.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let victim = match attack {
        Attack::DnsReflection => &network.gateway,
        Attack::NtpReflection => &network.terminal,
        _ => &network.shell,
    };
    let reflectors = (0..180).map(|number| reflector(scene, attack, number)).collect();
    let reflection = Reflection { victim: victim.endpoint(), reflectors, occasion };
    let activity = match attack {
        Attack::DnsReflection => reflection.names(),
        Attack::NtpReflection => reflection.times(),
        _ => reflection.acceptances(),
    };
    Plot::whole(attack, Vec::new(), vec![victim.v4.into()], activity)
}

struct Reflection {
    victim: Endpoint,
    reflectors: Vec<Endpoint>,
    occasion: Occasion,
}

impl Reflection {
    /// Long answers of name servers, each in three fragments.
    fn names(self) -> Activity {
        let count = 4_000;
        self.occasion.steps(count, Duration::from_millis(5), 0.8, move |random, time, _| {
            let from = *random.pick(&self.reflectors);
            let ports = (dns::PORT, random.within(1_024..65_535));
            let answer = dns::amplified(random.id(), "archive.example", random.within(11..14));
            let mut plan = Plan::default();
            let mut seen = time;
            for fragment in wire::udp_fragments(from, self.victim, ports, random.id(), &answer) {
                plan.packet(seen, fragment);
                seen = seen + Duration::from_micros(120);
            }
            plan.activity()
        })
    }

    /// The lists of time servers, packet after packet.
    fn times(self) -> Activity {
        let count = 1_000;
        let mut errors = RateLimit::new(self.occasion.start);
        self.occasion.steps(count, Duration::from_millis(20), 0.8, move |random, time, _| {
            let from = *random.pick(&self.reflectors);
            let ports = (ntp::PORT, 80);
            let mut plan = Plan::default();
            let mut seen = time;
            for sequence in 0..random.within(4..12) {
                let list = wire::udp(from, self.victim, ports, &ntp::monitor_list(sequence));
                if errors.allows(seen) {
                    plan.packet(seen + self.victim.latency, wire::unreachable(self.victim, from, 3, &list));
                }
                plan.packet(seen, list);
                seen = seen + Duration::from_micros(150);
            }
            plan.activity()
        })
    }

    /// Acceptances of web servers, repeated until the victim's reset arrives.
    fn acceptances(self) -> Activity {
        let count = 3_000;
        self.occasion.steps(count, Duration::from_millis(6), 0.8, move |random, time, _| {
            let from = *random.pick(&self.reflectors);
            let ports = (*random.pick(&[443, 80]), random.within(1_024..65_535));
            let accepted = Segment {
                ports,
                sequence: random.word(),
                acknowledgement: random.word(),
                flags: SYN | ACK,
                window: first_window(from.system),
                options: &first_options(&from, None),
                payload: &[],
            };
            let back = (ports.1, ports.0);
            let reset = Segment { ports: back, sequence: accepted.acknowledgement, flags: RST, ..Segment::default() };
            let mut plan = Plan::default();
            // A victim under load does not answer each.
            let heard = random.chance(0.7);
            plan.packet(time, wire::tcp(from, self.victim, 0, &accepted));
            if heard {
                plan.packet(time + self.victim.latency, wire::tcp(self.victim, from, 0, &reset));
            } else {
                for seconds in [1, 3] {
                    plan.packet(time + Duration::from_secs(seconds), wire::tcp(from, self.victim, 0, &accepted));
                }
            }
            plan.activity()
        })
    }
}

/// A server outside that answers whoever seems to ask.
fn reflector(scene: &Scene, attack: Attack, number: u16) -> Endpoint {
    let bits = hash(&[&number.to_be_bytes()[..], attack.name().as_bytes()].concat()) as u32;
    scene.network.outside(Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() | bits & 0x1_ffff).into())
}
