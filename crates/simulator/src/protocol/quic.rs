//! QUIC (RFC 9000), of which an observer reads little more than the first header.

use flow::{Duration, Time};

use crate::activity::{Activity, Event};
use crate::content::Content;
use crate::random::Random;
use crate::wire::{self, Endpoint};

/// The port of QUIC servers.
pub(crate) const PORT: u16 = 443;

/// A connection that fetches so many bytes: handshake, then bursts with acknowledgements.
pub(crate) fn session(mut random: Random, ends: (Endpoint, Endpoint), start: Time, bytes: u64) -> Activity {
    let ports = (random.port(), PORT);
    let id = random.bytes(8);
    let (here, there) = (ends.0.latency, ends.1.latency);
    let up = move |payload: &[u8]| Event::Packet(wire::udp(ends.0, ends.1, ports, payload));
    let down = move |payload: &[u8]| Event::Packet(wire::udp(ends.1, ends.0, (ports.1, ports.0), payload));
    let short =
        |length, at: u64| [&[0x40 | (at as u8 & 0x23)][..], &Content::noise(1 << 40).bytes(at * 977, length)].concat();

    let mut events = vec![(start, up(&long(0xc3, &id, &mut random)))];
    let mut now = start + there;
    events.push((now, down(&long(0xc1, &id, &mut random))));
    now = now + Duration::from_micros(120);
    events.push((now, down(&long(0xe4, &id, &mut random))));
    now = now + here + Duration::from_millis(1);
    events.push((now, up(&long(0xe2, &id, &mut random))));
    events.push((now, up(&short(340, 1))));

    let packets = bytes.div_ceil(LARGEST as u64).max(1);
    let mut sent = 0;
    let mut flight = 10;
    // One flight at a time, so that a large download is never in memory as a whole.
    let flights = std::iter::from_fn(move || {
        let count = flight.min(packets - sent);
        let mut burst = Vec::new();
        now = now + there;
        for index in 0..count {
            now = now + random.near(Duration::from_micros(120), 0.3);
            let last = sent + index + 1 == packets;
            let length = if last { (bytes % LARGEST as u64) as usize + 30 } else { LARGEST };
            burst.push((now, down(&short(length, sent + index))));
            if index % 4 == 3 || index + 1 == count {
                now = now + here;
                burst.push((now, up(&short(random.within(26..40), sent + index))));
            }
        }
        sent += count;
        flight = (flight * 2).min(48);
        (count > 0).then_some(burst)
    });
    Box::new(events.into_iter().chain(flights.flatten()))
}

/// A packet of the handshake, padded as RFC 9000 s.14.1 asks.
fn long(first: u8, id: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![first, 0, 0, 0, 1, 8];
    bytes.extend(id);
    bytes.extend([0]);
    if first & 0x30 == 0 {
        bytes.extend([0]);
    }
    let length = 1_200 - bytes.len() - 2;
    bytes.extend((length as u16 | 0x4000).to_be_bytes());
    bytes.extend(random.bytes(length));
    bytes
}

const LARGEST: usize = 1_350;
