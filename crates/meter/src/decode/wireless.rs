//! IEEE 802.11 data frames that are not encrypted, and the radiotap header before them (radiotap.org).

use super::{Packet, Skip, llc};

/// Whether the header is padded to four bytes, as some cards do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    None,
    ToFourBytes,
}

/// LINKTYPE_IEEE802_11_RADIOTAP: version, length, a chain of words that say which fields follow. Only the flags matter.
pub(super) fn radiotap(bytes: &[u8], wire_bytes: u32) -> Result<Packet, Skip> {
    let &[version, _, length0, length1] = bytes.first_chunk().ok_or(Skip::LinkCut)?;
    let length = usize::from(u16::from_le_bytes([length0, length1]));
    if version != 0 || !(8..=MOST_RADIOTAP_BYTES).contains(&length) {
        return Err(Skip::LinkBad);
    }
    let (header, frame) = bytes.split_at_checked(length).ok_or(Skip::LinkCut)?;
    let flags = radiotap_flags(header).ok_or(Skip::LinkBad)?;
    if flags & BAD_CHECK_SEQUENCE != 0 {
        return Err(Skip::LinkBad);
    }
    let padding = if flags & PADDED != 0 { Padding::ToFourBytes } else { Padding::None };
    Ok(decode(frame, wire_bytes.saturating_sub(length as u32), padding)?.behind(length))
}

/// The flags, 0 where the card gives none; `None` where the header contradicts itself.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let word = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let fields = word(4)?;
    let mut at = 4;
    while word(at)? & MORE_WORDS != 0 {
        at += 4;
    }
    at += 4;
    if fields & TIMER != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    if fields & FLAGS != 0 { header.get(at).copied() } else { Some(0) }
}

/// An 802.11 frame (IEEE 802.11-2020 s.9.2.3, s.9.3.2).
pub(super) fn decode(bytes: &[u8], wire_bytes: u32, padding: Padding) -> Result<Packet, Skip> {
    let &[kind, flags] = bytes.first_chunk().ok_or(Skip::LinkCut)?;
    if kind & 0x03 != 0 {
        return Err(Skip::LinkBad);
    }
    // Management and control frames, and those that carry nothing.
    if kind & 0x0c != DATA || kind & WITHOUT_DATA != 0 {
        return Err(Skip::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(Skip::Encrypted);
    }
    let mut header_bytes = 24;
    if flags & TO_AND_FROM_SYSTEM == TO_AND_FROM_SYSTEM {
        header_bytes += 6;
    }
    if kind & QUALITY_OF_SERVICE != 0 {
        let control = *bytes.get(header_bytes).ok_or(Skip::LinkCut)?;
        // Several frames in one, each with a header of its own: not one packet.
        if control & AGGREGATE != 0 {
            return Err(Skip::NotIp);
        }
        header_bytes += if flags & ORDER != 0 { 6 } else { 2 };
    }
    // Later fragments of a frame carry no header of a packet.
    if bytes.get(22).ok_or(Skip::LinkCut)? & 0x0f != 0 {
        return Err(Skip::NotIp);
    }
    if padding == Padding::ToFourBytes {
        header_bytes = header_bytes.next_multiple_of(4);
    }
    let rest = bytes.get(header_bytes..).ok_or(Skip::LinkCut)?;
    Ok(llc::decode(rest, wire_bytes.saturating_sub(header_bytes as u32), 0)?.behind(header_bytes))
}

/// Real ones have some dozens.
const MOST_RADIOTAP_BYTES: usize = 4096;
const MORE_WORDS: u32 = 1 << 31;
const TIMER: u32 = 1;
const FLAGS: u32 = 1 << 1;
const PADDED: u8 = 0x20;
const BAD_CHECK_SEQUENCE: u8 = 0x40;
const DATA: u8 = 0x08;
const WITHOUT_DATA: u8 = 0x40;
const QUALITY_OF_SERVICE: u8 = 0x80;
const TO_AND_FROM_SYSTEM: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const AGGREGATE: u8 = 0x80;
