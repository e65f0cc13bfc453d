//! GTP-U, the user plane of mobile networks (3GPP TS 29.281 s.5).

use flow::TunnelKind;

use super::{Carried, Inner, Payload, Scope};

pub(super) fn open<'a>(payload: &Payload<'a>) -> Option<Inner<'a>> {
    let &[flags, message, length0, length1, id @ ..]: &[u8; 8] = payload.bytes.first_chunk()?;
    // Version 1, GTP and not its charging variant, the spare bit 0.
    if flags & 0xf8 != 0x30 || message != G_PDU {
        return None;
    }
    let length = u32::from(u16::from_be_bytes([length0, length1]));
    let present = payload.wire_bytes.checked_sub(8)?;
    let is_length = if payload.is_whole { length == present } else { length > present };
    if !is_length {
        return None;
    }
    let header_bytes = if flags & 0x07 == 0 { 8 } else { optional_end(payload.bytes, flags)? };
    payload.inner(header_bytes, Carried::Ip, Scope::of(TunnelKind::GtpU, u32::from_be_bytes(id)))
}

/// Where the optional fields and the extension headers end: each tells its length in words of four bytes, and last the
/// type of the next one.
fn optional_end(bytes: &[u8], flags: u8) -> Option<usize> {
    let mut end = 12;
    if flags & HAS_EXTENSIONS == 0 {
        return Some(end);
    }
    for _ in 0..MAX_EXTENSIONS {
        if *bytes.get(end - 1)? == 0 {
            return Some(end);
        }
        let length = usize::from(*bytes.get(end)?) * 4;
        if length == 0 {
            return None;
        }
        end += length;
    }
    None
}

/// A user's packet; the other messages are about the path.
const G_PDU: u8 = 255;
const HAS_EXTENSIONS: u8 = 0x04;
/// One is usual (the PDU session's container).
const MAX_EXTENSIONS: usize = 8;
