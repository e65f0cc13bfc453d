//! Connections hidden in messages that every firewall lets through.

use flow::Duration;

use super::{Attack, Occasion, Plot, lair, stranger};
use crate::activity::{Activity, Plan};
use crate::benign::names;
use crate::content::Content;
use crate::network::Host;
use crate::protocol::dns;
use crate::random::Random;
use crate::scene::Scene;
use crate::wire::{self, Echo, Endpoint};

/// A tunnel from one workstation to the outside.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let host = network.insider(attack as usize).clone();
    let outside = network.outside(stranger(attack, 0));
    let ends = (host.endpoint(), outside);
    let (attacker, server) = (host.v4.into(), network.domain.v4.into());
    match attack {
        Attack::IodineTunnel => Plot::whole(attack, vec![attacker], vec![outside.address], iodine(ends, occasion)),
        // The name server passes the questions on, and so asks them, too.
        Attack::DnscatTunnel => {
            Plot::whole(attack, vec![attacker, server], vec![server], dnscat(scene, host, occasion))
        }
        _ => Plot::whole(attack, vec![attacker], vec![outside.address], echoes(ends, occasion)),
    }
}

/// Handshake, tests of what the way lets through, then data: up in the names, down in NULL records.
fn iodine(ends: (Endpoint, Endpoint), mut occasion: Occasion) -> Activity {
    let zone = lair(Attack::IodineTunnel, "t.wheatear.example").name;
    let port = occasion.random.within(33_000..60_000);
    let mut id = occasion.random.id();
    occasion.steps(3_000, Duration::from_millis(200), 0.9, move |random, time, index| {
        // First letter: version, login, own address, tests of the alphabet, of the longest answer, then user number.
        let (head, length, answered) = match index {
            0 => ('v', 9, 9),
            1 => ('l', 31, 40),
            2 => ('i', 4, 5),
            3..8 => ('z', 52, 60),
            8..16 => ('r', 120, [768, 1_152, 1_248, 1_200, 1_176, 1_188, 1_182, 1_185][index as usize - 8]),
            16 => ('n', 6, 2),
            _ if random.chance(0.3) => ('p', 7, 2),
            _ => {
                let up = if random.chance(0.35) { random.within(120..200) } else { 16 };
                ('0', up, if random.chance(0.6) { random.within(200..1_130) } else { 2 })
            }
        };
        let text = format!("{head}{}", written(random, BASE32, length));
        let name = format!("{}.{zone}", labels(&text, 57));
        id = id.wrapping_add(7_727);
        let ask = dns::extended(dns::question(id, &name, dns::NULL));
        let answer = dns::record(id, &name, dns::NULL, Content::noise(1 << 30).bytes(index * 499, answered));
        let mut plan = Plan::default();
        plan.exchange(time, ends, (port, dns::PORT), &ask, &answer);
        plan.activity()
    })
}

/// A question every second or so; both ways in hexadecimal, and each question from a port of its own.
fn dnscat(scene: &Scene, host: Host, mut occasion: Occasion) -> Activity {
    let network = scene.network.clone();
    let session = occasion.random.id();
    let (up, down) = (occasion.random.id(), occasion.random.id());
    occasion.steps(900, Duration::from_millis(1_050), 0.1, move |random, time, index| {
        let kind = *random.pick(&[dns::TXT, dns::CNAME, dns::MX]);
        // Packet number, kind of message, session, then the counts of both ways and data (protocol.md of dnscat2).
        let header = |random: &mut Random, count: u16| {
            let kind = u8::from(index > 0);
            format!("{:04x}{kind:02x}{session:04x}{:04x}{:04x}", random.id(), up.wrapping_add(count), down)
        };
        let (asked, answered) = (random.chance(0.3), random.chance(0.15));
        let asked = if asked { random.within(40..180) } else { 0 };
        let answered = if answered { random.within(20..110) } else { 0 };
        let text = header(random, index as u16) + &written(random, HEX, asked / 2 * 2);
        let name = format!("{}.{DNSCAT}", labels(&text, 62));
        let back = header(random, 0) + &written(random, HEX, answered / 2 * 2);
        let data = match kind {
            dns::TXT => [&[back.len() as u8][..], back.as_bytes()].concat(),
            dns::MX => [&[0, 10][..], &dns::encoded(&format!("{}.{DNSCAT}", labels(&back, 62)))].concat(),
            _ => dns::encoded(&format!("{}.{DNSCAT}", labels(&back, 62))),
        };
        let mut plan = Plan::default();
        names::relay(&mut plan, &network, random, (&host, time), |id| {
            (dns::question(id, &name, kind), dns::record(id, &name, kind, data.clone()))
        });
        plan.activity()
    })
}

/// Requests with data and replies with other data, under the header of ptunnel.
fn echoes(ends: (Endpoint, Endpoint), mut occasion: Occasion) -> Activity {
    let id = occasion.random.id();
    occasion.steps(4_000, Duration::from_millis(110), 0.9, move |random, time, index| {
        let sequence = index as u16;
        let message = |state: u32, data: usize| {
            let mut bytes = vec![0xd5, 0x20, 8, 0x80, 198, 18, 0, 22, 0, 0, 0, 22];
            for word in [state << 30, index as u32, data as u32, u32::from(sequence) << 16 | u32::from(id)] {
                bytes.extend(word.to_be_bytes());
            }
            bytes.extend(Content::noise(1 << 30).bytes(index * 613 + u64::from(state), data));
            bytes
        };
        let asked = if random.chance(0.4) { random.within(36..320) } else { 0 };
        let answered = if random.chance(0.6) { random.within(200..1_024) } else { 0 };
        let mut plan = Plan::default();
        plan.packet(time, wire::echo(ends.0, ends.1, Echo::Request, id, sequence, &message(1, asked)));
        let back = time + random.near(ends.1.latency, 0.2);
        plan.packet(back, wire::echo(ends.1, ends.0, Echo::Reply, id, sequence, &message(2, answered)));
        plan.activity()
    })
}

/// So many random letters of an alphabet.
fn written(random: &mut Random, alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(*random.pick(alphabet))).collect()
}

/// A text as labels of a name, none longer than that.
fn labels(text: &str, longest: usize) -> String {
    let mut labels = String::with_capacity(text.len() + 4);
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % longest == 0 {
            labels.push('.');
        }
        labels.push(letter);
    }
    labels
}

const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz012345";
const HEX: &[u8] = b"0123456789abcdef";
const DNSCAT: &str = "c.ringouzel.example";
