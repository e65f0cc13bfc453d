//! The web: visited, and visiting.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use flow::{Duration, Time};

use super::names;
use crate::activity::{Activity, Pace, Plan, habit, series};
use crate::content::Content;
use crate::network::{Host, Network, Site};
use crate::protocol::quic;
use crate::protocol::tls::{self, Request};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Opening, Side, Turn};

/// Strangers read the office's own pages.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    vec![visitors(scene), crawler(scene)]
}

/// People browse, their machines fetch updates and report home.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![
        browsing(scene, host),
        intranet(scene, host),
        telemetry(scene, host),
        asking(scene, host),
        updates(scene, host),
        notifications(scene, host),
    ]
}

fn browsing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("browsing {}", host.name));
    habit(Pace::Working(Duration::from_secs(270)), random, scene.span(), move |random, time| {
        page(&network, &host, random, time)
    })
}

/// A page: its own server first, then those of its pictures, scripts and advertisements, side by side.
fn page(network: &Arc<Network>, host: &Host, random: &mut Random, time: Time) -> Activity {
    let mut plan = Plan::default();
    for index in 0..random.within(1..5) {
        let site = network.site(random);
        let wanted = if index == 0 { time } else { time + random.seconds(0.15..1.8) };
        let known = names::lookup(&mut plan, network, random, host, site, wanted);
        for parallel in 0..random.within(1..4) {
            let start = known + Duration::from_micros(1 + 700 * parallel) + random.seconds(0.0..0.01);
            plan.start(start, fetch(network, host, site, random, start));
        }
    }
    plan.activity()
}

/// One connection of a page, over QUIC where the place offers it.
fn fetch(network: &Network, host: &Host, site: &Site, random: &mut Random, start: Time) -> Activity {
    let ends = network.visit(host, site);
    if site.name.len().is_multiple_of(3) && random.chance(0.5) {
        let bytes = random.size(30_000, 1.2, 2_000_000);
        return quic::session(random.fork(), ends, start, bytes);
    }
    let requests: Vec<_> = (0..random.within(1..6)).map(|_| Request::usual(random, 1.2, 7_000, 1_200_000)).collect();
    let script = tls::session(random, &site.name, &requests);
    let ending = match random.within(0..20) {
        0..3 => Ending::Reset(Side::Originator),
        3..7 => Ending::Close(Side::Responder),
        _ => Ending::Close(Side::Originator),
    };
    Connection { ending, ..Connection::new(ends, (random.port(), 443), start, script) }.activity(random.fork())
}

/// The office's own pages, in the clear.
fn intranet(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("intranet {}", host.name));
    habit(Pace::Working(Duration::from_secs(900)), random, scene.span(), move |random, time| {
        let ends = network.between(&host, &network.web, random);
        let mut script = Vec::new();
        for _ in 0..random.within(1..7) {
            let asked = format!(
                "GET /wiki/page-{} HTTP/1.1\r\nHost: intranet.office.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: \
                 text/html\r\nConnection: keep-alive\r\n\r\n",
                random.within(1..900)
            );
            script.push(Turn::ask(random.seconds(0.002..2.0), asked));
            script.push(Turn::answer(random.seconds(0.004..0.08), response(random.size(14_000, 1.1, 900_000))));
        }
        Connection::new(ends, (random.port(), 80), time, script).activity(random.fork())
    })
}

/// Programs that report home: short, small, all day.
fn telemetry(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("telemetry {}", host.name));
    habit(Pace::Random(Duration::from_secs(420)), random, scene.span(), move |random, time| {
        let site = &network.sites[14 + random.within(0..4) * 15];
        let mut plan = Plan::default();
        let start = names::lookup(&mut plan, &network, random, &host, site, time);
        let request =
            Request { after: Duration::from_millis(2), asked: random.size(1_400, 0.7, 40_000), answered: 190 };
        let script = tls::session(random, &site.name, &[request]);
        let connection = Connection::new(network.visit(&host, site), (random.port(), 443), start, script);
        plan.start(start, connection.activity(random.fork()));
        plan.activity()
    })
}

/// Is there anything new? Every five minutes, to the second: what a call home looks like that every machine makes.
fn asking(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("asking {}", host.name));
    habit(Pace::Regular(Duration::from_secs(300)), random, scene.span(), move |random, time| {
        let site = &network.sites[3];
        let mut plan = Plan::default();
        let start = names::lookup(&mut plan, &network, random, &host, site, time);
        let request = Request { after: Duration::from_millis(2), asked: 420, answered: 160 };
        let mut script = tls::session(random, &site.name, &[request]);
        if let Some(goodbye) = script.last_mut() {
            goodbye.after = Duration::from_millis(3);
        }
        let connection = Connection::new(network.visit(&host, site), (random.port(), 443), start, script);
        plan.start(start, connection.activity(random.fork()));
        plan.activity()
    })
}

/// Software fetched in pieces over plain HTTP, as systems do whose packages are signed.
fn updates(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("updates {}", host.name));
    habit(Pace::Random(Duration::from_secs(12 * 3_600)), random, scene.span(), move |random, time| {
        let site = &network.sites[4];
        let mut plan = Plan::default();
        let start = names::lookup(&mut plan, &network, random, &host, site, time);
        let mut script = Vec::new();
        for piece in 0..random.within(2..9) {
            let asked = format!(
                "GET /update/{}.cab HTTP/1.1\r\nHost: {}\r\nRange: bytes={}-{}\r\n\r\n",
                random.id(),
                site.name,
                piece * 1_048_576,
                (piece + 1) * 1_048_576 - 1
            );
            script.push(Turn::ask(random.seconds(0.01..0.9), asked));
            script.push(Turn::answer(Duration::from_millis(3), response(1_048_576)));
        }
        let connection = Connection::new(network.visit(&host, site), (random.port(), 80), start, script);
        plan.start(start, connection.activity(random.fork()));
        plan.activity()
    })
}

/// A connection that stays: keepalives, and a message now and then. Those who did not come later had it before the
/// capture.
fn notifications(scene: &Scene, host: &Host) -> Activity {
    let mut random = scene.random(&format!("notifications {}", host.name));
    let site = &scene.network.sites[13];
    let start = scene.start + random.seconds(0.0..58.0);
    let mut chance = random.fork();
    let settled = scene.network.host(host.v4).is_some();
    let (opening, greeting) = match settled {
        true => (Opening::Earlier, Vec::new()),
        false => (Opening::Accepted, tls::handshake(&mut random, &site.name)),
    };
    let script = std::iter::from_fn(move || {
        let after = chance.near(Duration::from_secs(58), 0.03);
        Some(match chance.within(0..9) {
            0 => Turn::answer(after, Content::Records(chance.size(160, 0.6, 3_000))),
            1 => Turn::ask(after, Content::Records(40)),
            _ => Turn::keepalive(Side::Originator, after),
        })
    });
    let ends = scene.network.visit(host, site);
    let connection = Connection::new(ends, (random.port(), 443), start, Vec::new());
    let script = Box::new(greeting.into_iter().chain(script));
    Connection { opening, script, ..connection }.activity(random)
}

/// Strangers who read the office's public pages.
fn visitors(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    habit(Pace::Random(Duration::from_secs(14)), scene.random("visitors"), scene.span(), move |random, time| {
        let from = network.outside(somewhere(random));
        let requests: Vec<_> = (0..random.within(1..5)).map(|_| Request::usual(random, 6.0, 8_000, 400_000)).collect();
        let script = tls::session(random, "www.office.example", &requests);
        let ends = (from, network.web.endpoint());
        Connection::new(ends, (random.port(), 443), time, script).activity(random.fork())
    })
}

/// A search engine that reads one page after the other, politely.
fn crawler(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    let pace = Pace::Random(Duration::from_secs(2_400));
    habit(pace, scene.random("crawler"), scene.span(), move |random, time| {
        let from = network.outside(Ipv4Addr::new(198, 19, 66, random.within(1..250)).into());
        let to = network.web.endpoint();
        let first = random.within(33_000..60_000);
        let pages = random.within(60..260);
        let gap = |random: &mut Random| random.seconds(0.8..1.6);
        series(pages, time, random.fork(), gap, move |random, time, index| {
            let asked = format!(
                "GET /archive/{index} HTTP/1.1\r\nHost: www.office.example\r\nUser-Agent: Mozilla/5.0 (compatible; \
                 ternbot/2.1)\r\nConnection: close\r\n\r\n"
            );
            let script = vec![
                Turn::ask(Duration::from_millis(1), asked),
                Turn::answer(random.seconds(0.005..0.05), response(random.size(9_000, 0.8, 90_000))),
            ];
            Connection::new((from, to), (first + index as u16, 80), time, script).activity(random.fork())
        })
    })
}

/// An HTTP response with so many bytes of something.
fn response(bytes: u64) -> Content {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n");
    Content::Message { head: head.into_bytes(), noise: bytes }
}

/// Someone's address outside.
pub(super) fn somewhere(random: &mut Random) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() | random.within(0..0x2_0000)).into()
}
