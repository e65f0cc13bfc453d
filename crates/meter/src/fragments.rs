//! Which datagram an IP fragment belongs to: only the first one carries ports.

use std::collections::VecDeque;

use flow::{Duration, Protocol, Time};

use crate::decode::{Fragment, Packet};

/// First fragments seen lately, and later ones whose first one is still to come.
#[derive(Default)]
pub(crate) struct Fragments {
    /// By a hash of addresses and identification; a newer one takes the place of an older one. Empty until it is needed.
    first: Vec<Option<First>>,
    waiting: VecDeque<Packet>,
}

/// What only the first fragment of a datagram tells.
#[derive(Clone, Copy)]
struct First {
    time: Time,
    source: u128,
    destination: u128,
    identification: u32,
    protocol: Protocol,
    ports: (u16, u16),
}

impl Fragments {
    /// Whether no fragment waits for its first one.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Remembers a first fragment.
    pub(crate) fn remember(&mut self, packet: &Packet, fragment: Fragment) {
        if self.first.is_empty() {
            self.first = vec![None; SLOTS];
        }
        self.first[slot(packet, fragment)] = Some(First {
            time: packet.time,
            source: packet.source,
            destination: packet.destination,
            identification: fragment.identification,
            protocol: packet.protocol,
            ports: (packet.source_port, packet.destination_port),
        });
    }

    /// Gives a later fragment what its first one told; `false` where that one was not seen.
    pub(crate) fn complete(&self, packet: &mut Packet, fragment: Fragment) -> bool {
        let Some(Some(first)) = self.first.get(slot(packet, fragment)) else { return false };
        let belongs = first.identification == fragment.identification
            && first.source == packet.source
            && first.destination == packet.destination
            && packet.time.since(first.time) < REASSEMBLY;
        if belongs {
            packet.protocol = first.protocol;
            (packet.source_port, packet.destination_port) = first.ports;
        }
        belongs
    }

    /// Lets a later fragment wait for its first one. Gives back the one that waited longest where too many do.
    pub(crate) fn wait(&mut self, packet: Packet) -> Option<Packet> {
        self.waiting.push_back(packet);
        if self.waiting.len() > MAX_WAITING { self.waiting.pop_front() } else { None }
    }

    /// A fragment that need not wait longer: its first one has come.
    pub(crate) fn joined(&mut self) -> Option<Packet> {
        for position in 0..self.waiting.len() {
            let mut packet = self.waiting[position];
            if packet.fragment.is_some_and(|fragment| self.complete(&mut packet, fragment)) {
                self.waiting.remove(position);
                return Some(packet);
            }
        }
        None
    }

    /// A fragment that waited too long at `now`.
    pub(crate) fn overdue(&mut self, now: Time) -> Option<Packet> {
        let oldest = self.waiting.front()?;
        if now.since(oldest.time) > PATIENCE { self.waiting.pop_front() } else { None }
    }

    /// Any fragment that still waits, the oldest first; forgets the first ones when none does.
    pub(crate) fn drain(&mut self) -> Option<Packet> {
        let packet = self.waiting.pop_front();
        if packet.is_none() {
            self.first.fill(None);
        }
        packet
    }
}

fn slot(packet: &Packet, fragment: Fragment) -> usize {
    let folded = packet.source ^ packet.destination.rotate_left(64) ^ u128::from(fragment.identification);
    let mixed = (folded as u64 ^ (folded >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 48) as usize % SLOTS
}

/// First fragments remembered; of two that meet in one place the newer one counts.
const SLOTS: usize = 1024;
/// Fragments that may wait for their first one: more would be a flood of fragments.
const MAX_WAITING: usize = 64;
/// The fragments of a datagram leave together; some hosts send the last one first.
const PATIENCE: Duration = Duration::from_secs(1);
/// An identification is not used again for so long (RFC 791 s.3.2, RFC 8200 s.4.5).
const REASSEMBLY: Duration = Duration::from_secs(60);
