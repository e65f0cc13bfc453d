//! Addresses given to machines (RFC 2131).

use std::net::Ipv4Addr;

use crate::wire::Mac;

/// The ports of the client and of the server.
pub(crate) const PORTS: (u16, u16) = (68, 67);

/// The kinds of message that renew an address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Request = 3,
    Acknowledgement = 5,
    Inform = 8,
}

/// A message about the address of a client.
pub(crate) fn message(kind: Kind, transaction: u32, client: Mac, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
    let answer = matches!(kind, Kind::Acknowledgement);
    let mut bytes = vec![if answer { 2 } else { 1 }, 1, 6, 0];
    bytes.extend(transaction.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(address.octets());
    bytes.extend(if answer { address.octets() } else { [0; 4] });
    bytes.extend([0; 8]);
    bytes.extend(client);
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, kind as u8]);
    if answer {
        bytes.extend([54, 4]);
        bytes.extend(server.octets());
        bytes.extend([51, 4, 0, 0, 0x70, 0x80, 1, 4, 255, 255, 252, 0]);
    } else {
        bytes.extend([55, 4, 1, 3, 6, 15]);
    }
    bytes.push(255);
    bytes.resize(bytes.len().max(300), 0);
    bytes
}
