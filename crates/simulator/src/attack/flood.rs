//! More than a victim can bear.

use std::net::IpAddr;

use flow::Duration;

use super::scan::RateLimit;
use super::sweep::anywhere;
use super::{Attack, Occasion, Plot, hurried, stranger};
use crate::activity::{Activity, Plan, series};
use crate::content::Content;
use crate::network::Host;
use crate::scene::Scene;
use crate::tcp::{Connection, Turn, first_options, first_window};
use crate::wire::{self, ACK, Echo, Endpoint, RST, SYN, Segment};

/// A flood of one victim.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let outsiders: Vec<Endpoint> = (0..3).map(|number| network.outside(stranger(attack, number))).collect();
    let insider = network.insider(attack as usize).endpoint();
    let (attackers, target) = match attack {
        Attack::SynFlood => (&outsiders[..1], &network.web),
        Attack::SpoofedSynFlood => (&[][..], &network.mail),
        Attack::UdpFlood => (&outsiders[..1], &network.shell),
        Attack::IcmpFlood => (&[insider][..], &network.mail),
        _ => (&outsiders[..], &network.web),
    };
    let attackers: Vec<IpAddr> = attackers.iter().map(|attacker| attacker.address).collect();
    let flood = Flood { scene: scene.clone(), victim: target.clone(), occasion };
    let activity = match attack {
        Attack::SynFlood => flood.requests(Some(outsiders[0])),
        Attack::SpoofedSynFlood => flood.requests(None),
        Attack::UdpFlood => flood.datagrams(outsiders[0]),
        Attack::IcmpFlood => flood.echoes(insider),
        _ => flood.web(outsiders),
    };
    Plot::whole(attack, attackers, vec![target.v4.into()], activity)
}

struct Flood {
    scene: Scene,
    victim: Host,
    occasion: Occasion,
}

impl Flood {
    /// Connection requests that nobody means, from a source or from invented ones; the victim accepts while it can.
    fn requests(mut self, source: Option<Endpoint>) -> Activity {
        let count = 16_000;
        let first = self.occasion.random.within(1_024..40_000);
        let port = if source.is_some() { 80 } else { 25 };
        self.occasion.steps(count, Duration::from_micros(700), 0.7, move |random, time, index| {
            let to = self.victim.endpoint();
            let from = source.unwrap_or_else(|| self.scene.network.outside(anywhere(random).into()));
            // hping3 counts the source port up, and sends neither options nor a usual window.
            let ports =
                (if source.is_some() { first + (index % 20_000) as u16 } else { random.within(1_024..65_535) }, port);
            let request = Segment { ports, sequence: random.word(), flags: SYN, window: 512, ..Segment::default() };
            let mut plan = Plan::default();
            plan.packet(time, wire::tcp(from, to, random.id(), &request));
            // Its backlog fills at once and then empties slowly.
            if index < 256 || random.chance(0.08) {
                let accepted = Segment {
                    ports: (ports.1, ports.0),
                    sequence: random.word(),
                    acknowledgement: request.sequence.wrapping_add(1),
                    flags: SYN | ACK,
                    window: first_window(to.system),
                    options: &first_options(&to, None),
                    payload: &[],
                };
                for wait in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)] {
                    plan.packet(time + to.latency + wait, wire::tcp(to, from, 0, &accepted));
                }
                // Some of the invented sources exist, and say that they asked for nothing.
                if source.is_none() && random.chance(0.05) {
                    let sequence = accepted.acknowledgement;
                    let reset = Segment { ports, sequence, flags: RST, ..Segment::default() };
                    plan.packet(time + to.latency + from.latency, wire::tcp(from, to, 0, &reset));
                }
            }
            plan.activity()
        })
    }

    fn datagrams(self, from: Endpoint) -> Activity {
        let count = 16_000;
        let mut errors = RateLimit::new(self.occasion.start);
        self.occasion.steps(count, Duration::from_micros(600), 0.7, move |random, time, index| {
            let to = self.victim.endpoint();
            let ports = (1_024 + (index % 60_000) as u16, random.within(1..65_535));
            let datagram = wire::udp(from, to, ports, &[b'X'; 400]);
            let mut plan = Plan::default();
            if errors.allows(time) {
                plan.packet(time + to.latency, wire::unreachable(to, from, 3, &datagram));
            }
            plan.packet(time, datagram);
            plan.activity()
        })
    }

    fn echoes(mut self, from: Endpoint) -> Activity {
        let count = 10_000;
        let id = self.occasion.random.id();
        self.occasion.steps(count, Duration::from_micros(900), 0.7, move |_, time, index| {
            let to = self.victim.endpoint();
            let payload = [b'X'; 120];
            let mut plan = Plan::default();
            plan.packet(time, wire::echo(from, to, Echo::Request, id, index as u16, &payload));
            plan.packet(time + to.latency, wire::echo(to, from, Echo::Reply, id, index as u16, &payload));
            plan.activity()
        })
    }

    /// Requests for pages that do not exist, so that no cache helps.
    fn web(mut self, from: Vec<Endpoint>) -> Activity {
        let count = 2_400;
        let gap = hurried(count, Duration::from_millis(12), self.occasion.room);
        let first = self.occasion.random.within(33_000..50_000);
        series(
            count,
            self.occasion.start,
            self.occasion.random,
            move |random| random.wait(gap).min(gap * 4),
            move |random, time, index| {
                let from = from[index as usize % from.len()];
                let (query, word) = (random.word(), random.id());
                let request = format!(
                    "GET /?{query:x}={word:x} HTTP/1.1\r\nHost: www.office.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
                 x86_64; rv:{})\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n",
                    random.within(60..130)
                );
                let page = random.size(2_600, 0.3, 9_000);
                let head =
                    format!("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: {page}\r\nConnection: close\r\n\r\n");
                let thought = random.near(Duration::from_millis(12), 0.8);
                let script = vec![
                    Turn::ask(Duration::from_micros(200), request),
                    Turn::answer(thought, Content::Message { head: head.into_bytes(), noise: page }),
                ];
                let ends = (from, self.victim.endpoint());
                Connection::new(ends, (first + index as u16, 80), time, script).activity(random.fork())
            },
        )
    }
}
