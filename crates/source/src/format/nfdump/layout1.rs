//! Records of layout 1, nfdump 1.6: fixed facts, then extensions in the order that an extension map tells.

use std::collections::HashMap;

use super::{Told, address_at, u16_at, u32_at, u64_at};
use crate::format::uniflow::Observer;

/// The extension maps of a file by their numbers.
pub(super) type Maps = HashMap<u16, Vec<u16>>;

/// Reads a record; `None` where it tells of no flow.
pub(super) fn read(record: &[u8], maps: &mut Maps) -> Result<Option<Told>, &'static str> {
    match u16_at(record, 0) {
        Some(EXTENSION_MAP) => {
            let ids: Vec<u16> =
                (8..record.len()).step_by(2).map_while(|at| u16_at(record, at)).take_while(|id| *id > 0).collect();
            let id = u16_at(record, 4).ok_or(CUT)?;
            if maps.len() < MAX_MAPS || maps.contains_key(&id) {
                maps.insert(id, ids);
            }
            Ok(None)
        }
        Some(COMMON) => flow(record, maps, 32).map(Some),
        Some(COMMON_OLD) => flow(record, maps, 28).map(Some),
        Some(3..=9) => Ok(None),
        _ => Err("record of an unknown type"),
    }
}

/// Reads a flow, whose counted facts start at `data`.
fn flow(record: &[u8], maps: &Maps, data: usize) -> Result<Told, &'static str> {
    let byte = |at: usize| record.get(at).copied().ok_or(CUT);
    let half = |at| u16_at(record, at).ok_or(CUT);
    let word = |at| u32_at(record, at).ok_or(CUT);
    let is_old = data == 28;
    let (flags, exporter) = if is_old { (u16::from(byte(4)?), u16::from(byte(5)?)) } else { (half(4)?, half(28)?) };
    if flags & EVENT != 0 {
        return Err("firewall event of nfdump's layout 1: print them with nfdump -o csv");
    }
    let extensions = maps.get(&half(6)?).ok_or("record before its extension map")?;
    let time = |seconds, milliseconds| {
        Ok::<_, &'static str>(u64::from(word(seconds)?) * 1000 + u64::from(half(milliseconds)?))
    };
    let is_ipv6 = flags & IPV6 != 0;
    let address_bytes = if is_ipv6 { 16 } else { 4 };
    let mut at = data;
    let mut address = || {
        let address = address_at(record, at, is_ipv6).ok_or(CUT);
        at += address_bytes;
        address
    };
    let (source, destination) = (address()?, address()?);
    let mut count = |is_long: bool| {
        let count = if is_long { u64_at(record, at) } else { u32_at(record, at).map(u64::from) };
        at += if is_long { 8 } else { 4 };
        count.ok_or(CUT)
    };
    let (packets, bytes) = (count(flags & PACKETS_64 != 0)?, count(flags & BYTES_64 != 0)?);
    let mut told = Told {
        observer: Observer { exporter: exporter.into(), ..Observer::default() },
        source,
        destination,
        ports: [half(24)?, half(26)?],
        protocol: byte(22)?,
        flags: Some(byte(21)?),
        first_milliseconds: time(12, 8)?,
        last_milliseconds: time(16, 10)?,
        received_milliseconds: 0,
        packets,
        bytes,
        out_packets: 0,
        out_bytes: 0,
        biflow_direction: if is_old { 0 } else { byte(30)? },
        end_reason: if is_old { 0 } else { byte(31)? },
        firewall_event: None,
        vlan: 0,
        is_sampled: flags & SAMPLED != 0,
    };
    for &extension in extensions {
        // Behind one of unknown length nothing can be found.
        let Some(length) = length_of(extension) else { break };
        told.extend(extension, record.get(at..at + length).ok_or(CUT)?).ok_or(CUT)?;
        at += length;
    }
    Ok(told)
}

impl Told {
    /// Takes in an extension.
    fn extend(&mut self, extension: u16, bytes: &[u8]) -> Option<()> {
        match extension {
            4 => {
                self.observer.ingress = u16_at(bytes, 0)?.into();
                self.observer.egress = u16_at(bytes, 2)?.into();
            }
            5 => {
                self.observer.ingress = u32_at(bytes, 0)?;
                self.observer.egress = u32_at(bytes, 4)?;
            }
            // Type of service, direction and two lengths of prefixes.
            8 => self.observer.direction = *bytes.get(1)?,
            13 => self.vlan = u16_at(bytes, 0)?,
            14 => self.out_packets = u32_at(bytes, 0)?.into(),
            15 => self.out_packets = u64_at(bytes, 0)?,
            16 => self.out_bytes = u32_at(bytes, 0)?.into(),
            17 => self.out_bytes = u64_at(bytes, 0)?,
            27 => self.received_milliseconds = u64_at(bytes, 0)?,
            _ => {}
        }
        Some(())
    }
}

/// How many bytes an extension has, where that is known.
fn length_of(extension: u16) -> Option<usize> {
    Some(match extension {
        // Interfaces of 2 or 4 bytes, systems of 2 or 4, types of service, next hops, VLANs.
        4 | 6 | 8 | 9 | 11 | 13 => 4,
        5 | 7 => 8,
        10 | 12 => 16,
        // Counts of what left, and of flows.
        14 | 16 | 18 => 4,
        15 | 17 | 19 => 8,
        // Ethernet addresses, labels, the router's address and number, neighbouring systems, time of receipt.
        20 | 21 => 16,
        22 => 40,
        23 | 25 => 4,
        24 => 16,
        26 | 27 => 8,
        _ => return None,
    })
}

const CUT: &str = "record cut short";
const COMMON_OLD: u16 = 1;
const EXTENSION_MAP: u16 = 2;
const COMMON: u16 = 10;
/// Flags of a record.
const IPV6: u16 = 0x01;
const PACKETS_64: u16 = 0x02;
const BYTES_64: u16 = 0x04;
const EVENT: u16 = 0x40;
const SAMPLED: u16 = 0x80;
/// nfdump itself writes some tens.
const MAX_MAPS: usize = 4096;
