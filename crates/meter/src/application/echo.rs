//! Pings: whether a reply gives back the data of a request, as it must (RFC 792 p.14, RFC 4443 s.4.2).

use std::collections::{HashMap, VecDeque};

use flow::{Echo, Protocol, fingerprint};
use foldhash::fast::RandomState;

use crate::decode::{Direction, Packet};

/// The data of the latest requests of each pair of hosts, as fingerprints, for a bounded number of pairs.
#[derive(Default)]
pub(super) struct Echoes {
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    pairs: HashMap<(u128, u128), Requests, RandomState>,
    /// In the order in which they came.
    queue: VecDeque<(u128, u128)>,
}

#[derive(Default)]
struct Requests {
    data: [u64; OUTSTANDING],
    next: usize,
    /// So many of the data are there.
    number: usize,
}

impl Echoes {
    /// Whether the packet is an echo request or reply.
    pub(super) fn is_echo(packet: &Packet) -> bool {
        let query = if packet.direction == Direction::Answer { packet.destination_port } else { packet.source_port };
        matches!((packet.protocol, query), (Protocol::Icmp, 8) | (Protocol::Icmpv6, 128)) && packet.fragment.is_none()
    }

    /// What a request or reply tells: a reply to none of the latest requests is altered. Nothing is said of a reply whose
    /// requests were not seen.
    pub(super) fn read(&mut self, packet: &Packet, payload: &[u8]) -> Option<Echo> {
        // What a capture cut off, it cut off both alike.
        let data = fingerprint(payload) ^ u64::from(packet.payload_bytes);
        if packet.direction == Direction::Answer {
            let requests = self.pairs.get(&(packet.destination, packet.source))?;
            let is_altered = !requests.data[..requests.number].contains(&data);
            return is_altered.then_some(Echo { altered: 1 });
        }
        let pair = (packet.source, packet.destination);
        if !self.pairs.contains_key(&pair) {
            if self.pairs.len() >= MAX_PAIRS
                && let Some(oldest) = self.queue.pop_front()
            {
                self.pairs.remove(&oldest);
            }
            self.queue.push_back(pair);
        }
        let requests = self.pairs.entry(pair).or_default();
        requests.data[requests.next] = data;
        requests.next = (requests.next + 1) % OUTSTANDING;
        requests.number = (requests.number + 1).min(OUTSTANDING);
        None
    }
}

/// Requests on their way at a time: a ping a second over a satellite has one, a flood of them a few dozen.
const OUTSTANDING: usize = 32;
/// Each takes some 300 bytes.
const MAX_PAIRS: usize = 4096;
