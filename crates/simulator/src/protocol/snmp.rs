//! The monitoring of devices (RFC 3416, version 2c).

use crate::protocol::ber::{integer, nested, octets, sequence, value};

/// The port of devices that are monitored.
pub(crate) const PORT: u16 = 161;

/// A question for the uptime and what has been printed so far.
pub(crate) fn request(id: u16) -> Vec<u8> {
    message(0xa0, id, &value(5, &[]))
}

/// Its answer.
pub(crate) fn response(id: u16, count: u32) -> Vec<u8> {
    message(0xa2, id, &integer(count))
}

fn message(kind: u8, id: u16, answer: &[u8]) -> Vec<u8> {
    let uptime = sequence(&[value(6, &[0x2b, 6, 1, 2, 1, 1, 3, 0]), answer.to_vec()]);
    let printed = sequence(&[value(6, &[0x2b, 6, 1, 2, 1, 43, 10, 2, 1, 4, 1, 1]), answer.to_vec()]);
    let body = nested(kind, &[integer(id.into()), integer(0), integer(0), sequence(&[uptime, printed])]);
    sequence(&[integer(1), octets(b"public"), body])
}
