//! What an exporter tells of itself in the records of options templates, as far as flows need it.

use std::collections::HashMap;

use flow::Time;

use super::record::{Record, scaled, unsigned};
use super::role::Role;

/// Options of one observation domain.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// When the exporter was started (IPFIX 160), from which its relative times count.
    pub(super) started: Option<Time>,
    /// Of what is told for all packets.
    general: Option<Rate>,
    /// By the number of a sampler or selector.
    samplers: HashMap<u64, Rate>,
    /// By the interface on which packets come in.
    interfaces: HashMap<u64, Rate>,
}

/// Of how many packets one was looked at: `of` packets for each `looked_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) looked_at: u64,
    pub(super) of: u64,
}

/// The fields that tell a sampling rate, collected from one record (RFC 5477, and before it Cisco's).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampling {
    /// One packet of so many.
    pub(super) interval: u64,
    pub(super) packet_interval: u64,
    pub(super) packet_space: Option<u64>,
    pub(super) size: u64,
    pub(super) population: u64,
    pub(super) sampler: Option<u64>,
    pub(super) ingress: Option<u64>,
}

impl Sampling {
    /// Takes in a field; whether it is one of these.
    #[inline]
    pub(super) fn take(&mut self, role: Role, bytes: &[u8]) {
        let number = unsigned(bytes).unwrap_or(0);
        match role {
            Role::SamplingInterval => self.interval = number,
            Role::SamplingPacketInterval => self.packet_interval = number,
            Role::SamplingPacketSpace => self.packet_space = Some(number),
            Role::SamplingSize => self.size = number,
            Role::SamplingPopulation => self.population = number,
            Role::SamplerId => self.sampler = Some(number),
            Role::Ingress => self.ingress = Some(number),
            _ => {}
        }
    }

    /// The rate that the record itself tells.
    fn rate(&self) -> Option<Rate> {
        match self {
            // RFC 5477 s.8.2.2: so many packets are taken, then so many are not.
            Sampling { packet_interval: looked_at @ 1.., packet_space: Some(space), .. } => {
                Some(Rate { looked_at: *looked_at, of: looked_at.saturating_add(*space) })
            }
            Sampling { size: looked_at @ 1.., population: of, .. } if of >= looked_at => {
                Some(Rate { looked_at: *looked_at, of: *of })
            }
            // Before it, "packet interval" was used as the interval of which one is taken.
            Sampling { packet_interval: of @ 1.., packet_space: None, .. } | Sampling { interval: of @ 1.., .. } => {
                Some(Rate { looked_at: 1, of: *of })
            }
            _ => None,
        }
    }
}

impl Options {
    /// Takes in an options record.
    pub(super) fn read(&mut self, record: &Record<'_>) {
        let mut sampling = Sampling::default();
        let mut interface = None;
        for (field, bytes) in record.fields() {
            match field.role {
                Role::SystemInit => {
                    let started = unsigned(bytes).filter(|&number| number > 0);
                    self.started = started.and_then(|number| scaled(number, 1_000_000)).or(self.started);
                }
                Role::Ingress if field.is_scope => interface = unsigned(bytes),
                role => sampling.take(role, bytes),
            }
        }
        let Some(rate) = sampling.rate() else { return };
        let (table, number) = match (sampling.sampler, interface) {
            (Some(sampler), _) => (&mut self.samplers, sampler),
            (None, Some(interface)) => (&mut self.interfaces, interface),
            (None, None) => return self.general = Some(rate),
        };
        if table.len() < MAX_RATES || table.contains_key(&number) {
            table.insert(number, rate);
        }
    }

    /// The rate at which the packets of a flow were sampled: as its record tells, or its sampler, or its interface, or
    /// the exporter for all; `None` where nobody tells.
    pub(super) fn rate(&self, own: &Sampling) -> Option<Rate> {
        let by_sampler = || own.sampler.and_then(|sampler| self.samplers.get(&sampler)).copied();
        let by_interface = || own.ingress.and_then(|interface| self.interfaces.get(&interface)).copied();
        own.rate().or_else(by_sampler).or_else(by_interface).or(self.general)
    }
}

impl Rate {
    /// Of a NetFlow version 5 header, whose upper two bits tell how packets are chosen.
    pub(super) fn of_header(sampling: u16) -> Option<Rate> {
        let of = u64::from(sampling & 0x3fff);
        (of > 0).then_some(Rate { looked_at: 1, of })
    }

    /// Whether packets were left out.
    pub(super) fn is_partial(self) -> bool {
        self.of > self.looked_at
    }

    /// The count that stands for a sampled one; `None` beyond 64 bits.
    pub(super) fn scale(self, count: u64) -> Option<u64> {
        u64::try_from(u128::from(count) * u128::from(self.of) / u128::from(self.looked_at.max(1))).ok()
    }
}

/// More samplers or sampled interfaces than any exporter has.
const MAX_RATES: usize = 1024;
