//! Single TCP segments made by tools, and what the stack of the target answers.

use crate::activity::{Activity, Plan};
use crate::random::Random;
use crate::tcp::{first_options, first_window};
use crate::wire::{self, ACK, Endpoint, FIN, RST, SYN, Segment};
use flow::Time;

/// One segment that no connection stands behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) ends: (Endpoint, Endpoint),
    pub(super) ports: (u16, u16),
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) window: u16,
}

/// What is at the port of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Open,
    Closed,
    /// A firewall, or nobody, swallows what is sent to it.
    Filtered,
}

impl Probe {
    /// The probe, the answer as RFC 9293 s.3.10.7 has it, and the reset of a connection that was never wanted.
    pub(super) fn activity(self, random: &mut Random, time: Time, port: Port) -> Activity {
        let mut plan = Plan::default();
        let (from, to) = self.ends;
        let acknowledgement = if self.flags & ACK != 0 { random.word() } else { 0 };
        let options = if self.flags & SYN != 0 { &[2, 4, 0x05, 0xb4][..] } else { &[] };
        let probe = Segment {
            ports: self.ports,
            sequence: self.sequence,
            acknowledgement,
            flags: self.flags,
            window: self.window,
            options,
            payload: &[],
        };
        plan.packet(time, wire::tcp(from, to, random.id(), &probe));

        let back = Segment { ports: (self.ports.1, self.ports.0), ..Segment::default() };
        let length = u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        let answered = time + random.near(to.latency, 0.2);
        let synchronize = first_options(&to, None);
        let answer = match port {
            Port::Filtered => None,
            Port::Open if self.flags & (SYN | ACK) == SYN => Some(Segment {
                sequence: random.word(),
                acknowledgement: self.sequence.wrapping_add(1),
                flags: SYN | ACK,
                window: first_window(to.system),
                options: &synchronize,
                ..back
            }),
            _ if self.flags & ACK != 0 => Some(Segment { sequence: acknowledgement, flags: RST, ..back }),
            Port::Open => None,
            Port::Closed => {
                let acknowledgement = self.sequence.wrapping_add(length);
                Some(Segment { acknowledgement, flags: RST | ACK, ..back })
            }
        };
        if let Some(answer) = answer {
            plan.packet(answered, wire::tcp(to, from, 0, &answer));
            if answer.flags & SYN != 0 {
                let sequence = self.sequence.wrapping_add(1);
                let reset = Segment { ports: self.ports, sequence, flags: RST, ..Segment::default() };
                plan.packet(answered + from.latency, wire::tcp(from, to, 0, &reset));
            }
        }
        plan.activity()
    }
}
