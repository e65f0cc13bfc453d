//! Tickets of the domain (RFC 4120).

use crate::protocol::ber::{integer, nested, octets, sequence, value};
use crate::random::Random;

/// The port of the domain's ticket service.
pub(crate) const PORT: u16 = 88;

/// A user asks for a ticket to a service.
pub(crate) fn request(random: &mut Random, user: &str, service: &str) -> Vec<u8> {
    let body = sequence(&[
        value(0xa0, &value(3, &[0, 0x40, 0x81, 0, 0x10])),
        value(0xa1, &name(1, user)),
        value(0xa2, &value(27, REALM)),
        value(0xa3, &name(2, service)),
        value(0xa5, &value(24, b"20370913024805Z")),
        value(0xa7, &integer(random.word() >> 1)),
        value(0xa8, &sequence(&[integer(18), integer(17)])),
    ]);
    let request = sequence(&[value(0xa1, &integer(5)), value(0xa2, &integer(10)), value(0xa4, &body)]);
    value(0x6a, &request)
}

/// The ticket.
pub(crate) fn response(random: &mut Random, user: &str, service: &str) -> Vec<u8> {
    let sealed = |random: &mut Random, length| {
        sequence(&[value(0xa0, &integer(18)), value(0xa1, &integer(2)), value(0xa2, &octets(&random.bytes(length)))])
    };
    let ticket = sequence(&[
        value(0xa0, &integer(5)),
        value(0xa1, &value(27, REALM)),
        value(0xa2, &name(2, service)),
        value(0xa3, &sealed(random, 860)),
    ]);
    let response = [
        value(0xa0, &integer(5)),
        value(0xa1, &integer(11)),
        value(0xa3, &value(27, REALM)),
        value(0xa4, &name(1, user)),
        value(0xa5, &value(0x61, &ticket)),
        value(0xa6, &sealed(random, 260)),
    ];
    nested(0x6b, &[sequence(&response)])
}

fn name(kind: u32, text: &str) -> Vec<u8> {
    let parts: Vec<_> = text.split('/').map(|part| value(27, part.as_bytes())).collect();
    sequence(&[value(0xa0, &integer(kind)), value(0xa1, &sequence(&parts))])
}

const REALM: &[u8] = b"OFFICE.EXAMPLE";
