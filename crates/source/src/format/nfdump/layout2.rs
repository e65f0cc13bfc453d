//! Records of layout 2, nfdump 1.7: a header and any of some forty elements, each with its number and length.

use std::net::{IpAddr, Ipv4Addr};

use super::{Told, address_at, u16_at, u32_at, u64_at};
use crate::format::uniflow::Observer;

/// Reads a record; `None` where it tells of no flow.
pub(super) fn read(record: &[u8]) -> Result<Option<Told>, &'static str> {
    match u16_at(record, 0) {
        Some(FLOW) => flow(record).map(Some),
        // Exporters, samplers, and from 0x8000 on the file's name and statistics.
        Some(2..=10 | 12..) => Ok(None),
        _ => Err("record of an unknown type"),
    }
}

fn flow(record: &[u8]) -> Result<Told, &'static str> {
    const CUT: &str = "record cut short";
    let count = u16_at(record, 4).ok_or(CUT)?;
    let exporter = u16_at(record, 8).ok_or(CUT)?;
    let flags = *record.get(10).ok_or(CUT)?;
    let mut told = Told {
        observer: Observer { exporter: exporter.into(), ..Observer::default() },
        source: UNSET,
        destination: UNSET,
        ports: [0; 2],
        protocol: 0,
        flags: None,
        first_milliseconds: 0,
        last_milliseconds: 0,
        received_milliseconds: 0,
        packets: 0,
        bytes: 0,
        out_packets: 0,
        out_bytes: 0,
        biflow_direction: 0,
        end_reason: 0,
        firewall_event: None,
        vlan: 0,
        is_sampled: flags & SAMPLED != 0,
    };
    let (mut has_counts, mut has_addresses) = (false, false);
    let mut rest = record.get(12..).ok_or(CUT)?;
    for _ in 0..count {
        let (element, length) = (u16_at(rest, 0).ok_or(CUT)?, usize::from(u16_at(rest, 2).ok_or(CUT)?));
        let body = rest.get(4..length).ok_or("element of an impossible length")?;
        rest = &rest[length..];
        has_counts |= element == GENERIC;
        has_addresses |= matches!(element, IPV4 | IPV6);
        told.take(element, body).ok_or(CUT)?;
    }
    if !has_addresses {
        return Err("record without both addresses");
    }
    if !has_counts {
        return Err("record without times and counts");
    }
    Ok(told)
}

impl Told {
    /// Takes in an element.
    fn take(&mut self, element: u16, body: &[u8]) -> Option<()> {
        match element {
            GENERIC => {
                self.first_milliseconds = u64_at(body, 0)?;
                self.last_milliseconds = u64_at(body, 8)?;
                self.received_milliseconds = u64_at(body, 16)?;
                self.packets = u64_at(body, 24)?;
                self.bytes = u64_at(body, 32)?;
                self.ports = [u16_at(body, 40)?, u16_at(body, 42)?];
                self.protocol = *body.get(44)?;
                self.flags = Some(*body.get(45)?);
            }
            IPV4 | IPV6 => {
                let is_ipv6 = element == IPV6;
                self.source = address_at(body, 0, is_ipv6)?;
                self.destination = address_at(body, if is_ipv6 { 16 } else { 4 }, is_ipv6)?;
            }
            MISCELLANEOUS => {
                self.observer.ingress = u32_at(body, 0)?;
                self.observer.egress = u32_at(body, 4)?;
                self.observer.direction = *body.get(10)?;
                // Not in the first files of this layout.
                self.biflow_direction = body.get(12).copied().unwrap_or(0);
                self.end_reason = body.get(13).copied().unwrap_or(0);
            }
            COUNTS => {
                self.out_packets = u64_at(body, 8)?;
                self.out_bytes = u64_at(body, 16)?;
            }
            VLANS => self.vlan = u32_at(body, 0)? as u16,
            FIREWALL => {
                let event = u64_at(body, 0)?;
                self.firewall_event = Some(*body.get(14)?);
                if self.first_milliseconds == 0 {
                    self.first_milliseconds = event;
                }
                self.last_milliseconds = self.last_milliseconds.max(event);
            }
            _ => {}
        }
        Some(())
    }
}

const UNSET: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const FLOW: u16 = 11;
/// Elements.
const GENERIC: u16 = 1;
const IPV4: u16 = 2;
const IPV6: u16 = 3;
const MISCELLANEOUS: u16 = 4;
const COUNTS: u16 = 5;
const VLANS: u16 = 6;
const FIREWALL: u16 = 19;
/// Flag of a record.
const SAMPLED: u8 = 0x02;
