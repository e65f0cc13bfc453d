//! The monitoring host: asks every server whether it is well, every minute. What a scan looks like that is none.

use flow::Duration;

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::Host;
use crate::protocol::snmp;
use crate::protocol::tls::{self, Request};
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};
use crate::wire::{self, Echo};

/// Pings, service checks, counters of the printers.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let network = &scene.network;
    let watched = network.servers().into_iter().filter(|server| server.v4 != network.monitor.v4);
    let mut habits: Vec<Activity> = watched.clone().chain(&network.printers).map(|host| pings(scene, host)).collect();
    for server in watched {
        habits.extend(server.open.iter().map(|&port| check(scene, server, port)));
    }
    habits.extend(network.printers.iter().map(|printer| counters(scene, printer)));
    habits
}

fn pings(scene: &Scene, host: &Host) -> Activity {
    let (from, to) = (scene.network.monitor.endpoint(), host.endpoint());
    let random = scene.random(&format!("monitor pings {}", host.name));
    habit(Pace::Regular(Duration::from_secs(60)), random, scene.span(), move |random, time| {
        let id = random.id();
        let mut plan = Plan::default();
        for sequence in 0..3 {
            let asked = time + Duration::from_millis(200) * u32::from(sequence);
            plan.packet(asked, wire::echo(from, to, Echo::Request, id, sequence, &[0x42; 56]));
            plan.packet(
                asked + random.near(to.latency, 0.3),
                wire::echo(to, from, Echo::Reply, id, sequence, &[0x42; 56]),
            );
        }
        plan.activity()
    })
}

/// A connection to a service, with a word of its protocol where that is simple.
fn check(scene: &Scene, host: &Host, port: u16) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("check {} {port}", host.name));
    habit(Pace::Regular(Duration::from_secs(120)), random, scene.span(), move |random, time| {
        let quick = Duration::from_millis(1);
        let script = match port {
            80 => vec![
                Turn::ask(quick, "HEAD / HTTP/1.1\r\nHost: intranet.office.example\r\nConnection: close\r\n\r\n"),
                Turn::answer(quick, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"),
            ],
            443 => {
                let request = Request { after: quick, asked: 120, answered: 900 };
                tls::session(random, &format!("{}.office.example", host.name), &[request])
            }
            22 => vec![Turn::answer(quick, "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5\r\n")],
            25 => vec![
                Turn::answer(quick, "220 mail.office.example ESMTP Postfix\r\n"),
                Turn::ask(quick, "QUIT\r\n"),
                Turn::answer(quick, "221 2.0.0 Bye\r\n"),
            ],
            _ => Vec::new(),
        };
        let ending =
            if port.is_multiple_of(2) { Ending::Close(Side::Originator) } else { Ending::Reset(Side::Originator) };
        let ends = (network.monitor.endpoint(), host.endpoint());
        Connection { ending, ..Connection::new(ends, (random.port(), port), time, script) }.activity(random.fork())
    })
}

fn counters(scene: &Scene, printer: &Host) -> Activity {
    let ends = (scene.network.monitor.endpoint(), printer.endpoint());
    let random = scene.random(&format!("counters {}", printer.name));
    let mut printed = 4_000;
    habit(Pace::Regular(Duration::from_secs(300)), random, scene.span(), move |random, time| {
        printed += random.within(0..12);
        let id = random.id() >> 1;
        let mut plan = Plan::default();
        plan.exchange(time, ends, (random.port(), snmp::PORT), &snmp::request(id), &snmp::response(id, printed));
        plan.activity()
    })
}
