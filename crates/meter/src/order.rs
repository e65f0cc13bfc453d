//! Puts packets that come a little late back into their place.
//!
//! Captures of several queues or interfaces are out of order by a few packets. A short waiting line mends that; a packet
//! later than the line is taken as it comes, and a large step back of the clock (captures glued together) is told apart.

use std::collections::VecDeque;

use flow::{Duration, Time};

use crate::application::Facts;
use crate::decode::Packet;

/// A waiting line of packets in the order of their times.
#[derive(Default)]
pub(crate) struct Line {
    packets: VecDeque<Arrived>,
    /// Packets that came late and were put back into their place.
    pub(crate) reordered: u64,
}

/// A packet and what its payload tells, which goes with it because payload is not kept.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) packet: Packet,
    pub(crate) facts: Facts,
}

/// How a packet's time lies to those before it.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It was taken into the line.
    InLine,
    /// It is so much earlier than its predecessor that the clock must have been set back: here it is again.
    ClockStep(Arrived),
}

impl Line {
    /// Takes a packet in. On a clock step the packet is not taken: drain the line, then give the packet again.
    #[inline]
    pub(crate) fn push(&mut self, arrived: Arrived) -> Arrival {
        match self.packets.back() {
            Some(last) if arrived.packet.time < last.packet.time => self.insert(arrived),
            _ => {
                self.packets.push_back(arrived);
                Arrival::InLine
            }
        }
    }

    /// The earliest packet, once the line is full.
    #[inline]
    pub(crate) fn pop_due(&mut self) -> Option<Arrived> {
        if self.packets.len() > LENGTH { self.packets.pop_front() } else { None }
    }

    /// The earliest packet, full or not, where it is from before `now`.
    pub(crate) fn pop_before(&mut self, now: Time) -> Option<Arrived> {
        self.packets.pop_front_if(|arrived| arrived.packet.time < now)
    }

    /// The earliest packet, full or not.
    pub(crate) fn pop(&mut self) -> Option<Arrived> {
        self.packets.pop_front()
    }

    #[cold]
    fn insert(&mut self, arrived: Arrived) -> Arrival {
        let time = arrived.packet.time;
        let last = self.packets.back().map_or(time, |last| last.packet.time);
        if last.since(time) > CLOCK_STEP {
            return Arrival::ClockStep(arrived);
        }
        self.reordered += 1;
        let position = self.packets.partition_point(|waiting| waiting.packet.time <= time);
        self.packets.insert(position, arrived);
        Arrival::InLine
    }
}

/// Packets that wait; enough for the queues of one card, small enough to stay in the first-level cache.
const LENGTH: usize = 64;
/// No queue delays a packet by so long.
const CLOCK_STEP: Duration = Duration::from_secs(10);
