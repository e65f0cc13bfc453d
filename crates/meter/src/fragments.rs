//! Which datagram an IP fragment belongs to: only the first one carries ports. And whether it fits to the others there.
//!
//! Payload is not put together: no feature needs it. Fragments that overlap, reach beyond the largest datagram or break
//! off at an odd place (teardrop, the ping of death) are told apart, because no host sends them in good faith.

use std::collections::VecDeque;

use flow::{Duration, Protocol, Time};

use crate::decode::{Fragment, Packet, Scope};

/// First fragments seen lately, and later ones whose first one is still to come.
#[derive(Default)]
pub(crate) struct Fragments {
    /// By a hash of addresses and identification; a newer one takes the place of an older one. Empty until it is needed.
    first: Vec<Option<First>>,
    waiting: VecDeque<Packet>,
}

/// What only the first fragment of a datagram tells.
#[derive(Clone)]
struct First {
    time: Time,
    source: u128,
    destination: u128,
    scope: Scope,
    identification: u32,
    protocol: Protocol,
    ports: (u16, u16),
    /// Which bytes of the datagram were seen: start and end of each fragment, of the first [`MAX_PIECES`].
    pieces: Vec<(u32, u32)>,
}

impl Fragments {
    /// Whether no fragment waits for its first one.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Remembers a first fragment, and says of it whether it fits to those seen before.
    pub(crate) fn remember(&mut self, packet: &mut Packet, fragment: Fragment) {
        if self.first.is_empty() {
            self.first = vec![None; SLOTS];
        }
        let slot = &mut self.first[slot(packet, fragment)];
        // The same datagram once more: captured twice, or a trick.
        let first = match slot.take().filter(|first| first.is_of(packet, fragment)) {
            Some(first) => First { time: packet.time, ..first },
            None => First {
                time: packet.time,
                source: packet.source,
                destination: packet.destination,
                scope: packet.scope,
                identification: fragment.identification,
                protocol: packet.protocol,
                ports: (packet.source_port, packet.destination_port),
                pieces: Vec::new(),
            },
        };
        slot.insert(first).place(packet, fragment);
    }

    /// Gives a later fragment what its first one told, and says of it whether it fits to the others; `false` where the
    /// first one was not seen.
    pub(crate) fn complete(&mut self, packet: &mut Packet, fragment: Fragment) -> bool {
        let Some(Some(first)) = self.first.get_mut(slot(packet, fragment)) else { return false };
        let belongs = first.is_of(packet, fragment);
        if belongs {
            packet.protocol = first.protocol;
            (packet.source_port, packet.destination_port) = first.ports;
            first.place(packet, fragment);
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

impl First {
    /// Whether the fragment is of this datagram.
    fn is_of(&self, packet: &Packet, fragment: Fragment) -> bool {
        self.identification == fragment.identification
            && self.source == packet.source
            && self.destination == packet.destination
            && self.scope == packet.scope
            && packet.time.since(self.time) < REASSEMBLY
    }

    /// Takes note of the fragment's bytes, and says in the packet whether they fit.
    fn place(&mut self, packet: &mut Packet, fragment: Fragment) {
        let length = packet.payload_bytes + u32::from(packet.header_bytes);
        let piece = (fragment.offset, fragment.offset.saturating_add(length));
        let overlaps = |&(start, end): &(u32, u32)| piece.0 < end && start < piece.1;
        let is_repeated = self.pieces.contains(&piece);
        let is_wrong = piece.1 > MAX_DATAGRAM_BYTES
            || (fragment.more && !length.is_multiple_of(8))
            || (!is_repeated && self.pieces.iter().any(overlaps));
        if !is_repeated && self.pieces.len() < MAX_PIECES {
            self.pieces.push(piece);
        }
        packet.fragment = Some(Fragment { is_wrong, ..fragment });
    }
}

fn slot(packet: &Packet, fragment: Fragment) -> usize {
    let folded = packet.source ^ packet.destination.rotate_left(64) ^ u128::from(fragment.identification);
    let mixed = (folded as u64 ^ (folded >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 48) as usize % SLOTS
}

/// First fragments remembered; of two that meet in one place the newer one counts.
const SLOTS: usize = 1024;
/// As many as a datagram of the largest size has on Ethernet, and some to spare.
const MAX_PIECES: usize = 64;
/// What the total length of IPv4 can say less its least header (RFC 791 s.3.1); IPv6 allows 40 bytes more and nobody
/// uses them.
const MAX_DATAGRAM_BYTES: u32 = 65_535 - 20;
/// Fragments that may wait for their first one: more would be a flood of fragments.
const MAX_WAITING: usize = 64;
/// The fragments of a datagram leave together; some hosts send the last one first.
const PATIENCE: Duration = Duration::from_secs(1);
/// An identification is not used again for so long (RFC 791 s.3.2, RFC 8200 s.4.5).
const REASSEMBLY: Duration = Duration::from_secs(60);
