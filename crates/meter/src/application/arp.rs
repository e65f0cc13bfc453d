//! ARP of IPv4 over Ethernet (RFC 826): who says to have which address.

use flow::{Application, Arp, Claim, Time};

use super::bytes::Bytes;

/// The claim that a message makes; `None` where it makes none: a probe (RFC 5227) asks without an address of its own.
pub(super) fn read(message: &[u8], time: Time) -> Option<Application> {
    let mut bytes = Bytes(message);
    // Types and lengths are those of IPv4 over Ethernet, as the decoder made sure.
    bytes.take(6)?;
    let operation = bytes.u16()?;
    let hardware = *bytes.take(6)?.first_chunk()?;
    let address = bytes.u32()?;
    if address == 0 {
        return None;
    }
    let is_reply = operation == 2;
    let claim = Claim {
        address: address.into(),
        hardware,
        requests: u32::from(!is_reply),
        replies: u32::from(is_reply),
        first: time,
        last: time,
    };
    Some(Application::Arp(Arp { claims: vec![claim] }))
}
