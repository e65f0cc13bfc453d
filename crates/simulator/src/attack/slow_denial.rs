//! A server kept busy by connections that hardly move.

use std::iter;

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot, stranger};
use crate::activity::{Activity, Event, Plan};
use crate::content::Content;
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Opening, Script, Side, Turn, first_options, first_window};
use crate::wire::{self, ACK, Endpoint, FIN, PSH, RST, SYN, Segment, System};

/// A slow denial of the web server's service.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let from = Endpoint { system: System::Linux, ..network.outside(stranger(attack, 0)) };
    let ends = (from, network.web.endpoint());
    let activity = sockets(attack, ends, occasion);
    Plot::whole(attack, vec![from.address], vec![network.web.v4.into()], activity)
}

/// As many connections as the tool holds open at once, opened within seconds; whatever the server closes is opened again.
fn sockets(attack: Attack, ends: (Endpoint, Endpoint), mut occasion: Occasion) -> Activity {
    let room = occasion.room.min(Duration::from_secs(600));
    let end = occasion.start + room;
    let mut plan = Plan::default();
    let mut ports = occasion.random.within(33_000..50_000);
    for index in 0..SOCKETS {
        let mut open = occasion.start + (room / 20).min(Duration::from_secs(15)) * index / SOCKETS;
        while open < end {
            let closed = end.min(open + occasion.random.near(PATIENCE, 0.05));
            ports += 1;
            let random = occasion.random.fork();
            let activity = match attack {
                Attack::SlowRead => read(ends, (ports, 80), (open, closed), random),
                _ => write(attack, ends, (ports, 80), (open, closed), random),
            };
            plan.start(open, activity);
            open = closed + occasion.random.seconds(0.5..2.0);
        }
    }
    plan.activity()
}

/// A request whose header or body never ends, until the server's patience does.
fn write(
    attack: Attack,
    ends: (Endpoint, Endpoint),
    ports: (u16, u16),
    (start, end): (Time, Time),
    mut random: Random,
) -> Activity {
    let left = end.since(start);
    let wait = Duration::from_secs(if attack == Attack::SlowPost { 10 } else { 15 }).min(left / 4);
    let words = (left.as_secs_f64() / wait.as_secs_f64()) as u64;
    let head = match attack {
        Attack::SlowPost => format!(
            "POST /search HTTP/1.1\r\nHost: www.office.example\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 8.0; \
             Windows NT 6.1)\r\nReferer: http://www.office.example/\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\nfoo=",
            random.within(4_096..1_000_000)
        ),
        _ => format!(
            "GET /?{} HTTP/1.1\r\nHost: www.office.example\r\nUser-Agent: Mozilla/5.0 (Windows NT 6.3; WOW64; rv:45.0) \
             Gecko/20100101 Firefox/45.0\r\nAccept-language: en-US,en,q=0.5\r\n",
            random.within(0..2_000)
        ),
    };
    let mut chance = random.fork();
    let more = (0..words).map(move |_| {
        let piece = match attack {
            Attack::SlowPost => format!("&{:x}={:x}", chance.within(0..256), chance.within(0..65_536)),
            _ => format!("X-a: {}\r\n", chance.within(1..5_000)),
        };
        Turn::ask(chance.near(wait, 0.02), piece)
    });
    let last = Turn::answer(
        Duration::from_millis(5),
        "HTTP/1.1 408 Request Timeout\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let script: Script =
        Box::new(iter::once(Turn::ask(Duration::from_micros(300), head)).chain(more).chain(iter::once(last)));
    let ending = Ending::Close(Side::Responder);
    let connection = Connection { ends, ports, start, opening: Opening::Accepted, script, ending };
    connection.activity(random)
}

/// A page taken a few bytes at a time: the window stays closed, and the server asks again and again whether it has opened.
fn read(
    (from, to): (Endpoint, Endpoint),
    ports: (u16, u16),
    (start, end): (Time, Time),
    mut random: Random,
) -> Activity {
    let (first, second) = (random.word(), random.word());
    let (mut sent, mut probes) = (0u64, 0u32);
    let page = Content::Message { head: PAGE.to_vec(), noise: 900_000 };
    let upward = move |time, flags, sequence: u32, sent: u64, window, payload: &[u8]| {
        let options = if flags & SYN != 0 { first_options(&from, None) } else { Vec::new() };
        let acknowledgement = if flags & ACK != 0 { second.wrapping_add(1 + sent as u32) } else { 0 };
        let segment = Segment { ports, sequence, acknowledgement, flags, window, options: &options, payload };
        (time, Event::Packet(wire::tcp(from, to, sequence as u16, &segment)))
    };
    let downward = move |time, flags, sequence: u32, acknowledgement: u32, payload: &[u8]| {
        let options = if flags & SYN != 0 { first_options(&to, None) } else { Vec::new() };
        let (ports, window) = ((ports.1, ports.0), first_window(to.system));
        let segment = Segment { ports, sequence, acknowledgement, flags, window, options: &options, payload };
        (time, Event::Packet(wire::tcp(to, from, sequence as u16, &segment)))
    };
    let asked = first.wrapping_add(1 + REQUEST.len() as u32);
    let accepted = start + to.latency;
    let opened = accepted + from.latency;
    let heard = opened + Duration::from_micros(400) + to.latency;
    let opening = vec![
        upward(start, SYN, first, 0, CRACK as u16, &[]),
        downward(accepted, SYN | ACK, second, first.wrapping_add(1), &[]),
        upward(opened, ACK, first.wrapping_add(1), 0, CRACK as u16, &[]),
        upward(opened + Duration::from_micros(300), PSH | ACK, first.wrapping_add(1), 0, CRACK as u16, REQUEST),
        downward(heard, ACK, second.wrapping_add(1), asked, &[]),
    ];
    let mut now = heard;
    let mut done = false;
    let rounds = iter::from_fn(move || {
        if done {
            return None;
        }
        let mut round = Vec::new();
        let next = second.wrapping_add(1 + sent as u32);
        if probes == 0 {
            now = now + Duration::from_millis(1);
            round.push(downward(now, PSH | ACK, next, asked, &page.bytes(sent, CRACK)));
            sent += CRACK as u64;
            round.push(upward(now + from.latency, ACK, asked, sent, 0, &[]));
            probes = random.within(4..7);
            now = now + from.latency;
        } else {
            // The wait between two questions doubles (RFC 9293 s.3.8.6.1).
            now = now + Duration::from_millis(220) * (1 << (7 - probes).min(5)) + to.latency;
            probes -= 1;
            round.push(downward(now, ACK, next.wrapping_sub(1), asked, &[]));
            let window = if probes == 0 { CRACK as u16 } else { 0 };
            now = now + from.latency;
            round.push(upward(now, ACK, asked, sent, window, &[]));
        }
        if now >= end {
            done = true;
            let flags = if random.chance(0.5) { RST } else { FIN | ACK };
            now = now + Duration::from_millis(1);
            round.push(upward(now, flags, asked, sent, 0, &[]));
        }
        Some(round)
    });
    Box::new(opening.into_iter().chain(rounds.flatten()))
}

/// Connections at once.
const SOCKETS: u32 = 150;
/// How long the server waits for the end of a request.
const PATIENCE: Duration = Duration::from_secs(110);
/// What the window is opened for.
const CRACK: usize = 512;
const REQUEST: &[u8] =
    b"GET /archive/1 HTTP/1.1\r\nHost: www.office.example\r\nUser-Agent: Opera/9.80 (Macintosh; Intel \
Mac OS X 10.7.0; U; en)\r\n\r\n";
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 899910\r\n\r\n";
