//! Addresses given to machines (RFC 2131).

use std::net::Ipv4Addr;

use crate::wire::Mac;

/// The ports of the client and of the server.
pub(crate) const PORTS: (u16, u16) = (68, 67);

/// What is said about a lease, before, at its start and later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// The number that the client gives to the conversation.
    pub(crate) transaction: u32,
    pub(crate) client: Mac,
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
    /// The way out that the server names.
    pub(crate) router: Ipv4Addr,
    /// The name server that it names.
    pub(crate) names: Ipv4Addr,
}

/// The kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Discover,
    Offer,
    /// For an address that was offered.
    Request,
    /// For the address that the client has.
    Renewal,
    Acknowledgement,
    Inform,
}

impl Lease {
    /// A message about it.
    pub(crate) fn message(&self, kind: Kind) -> Vec<u8> {
        let answer = matches!(kind, Kind::Offer | Kind::Acknowledgement);
        let (code, held) = match kind {
            Kind::Discover => (1, false),
            Kind::Offer => (2, false),
            Kind::Request => (3, false),
            Kind::Renewal => (3, true),
            Kind::Acknowledgement => (5, false),
            Kind::Inform => (8, true),
        };
        let nothing = [0; 4];
        let mut bytes = vec![if answer { 2 } else { 1 }, 1, 6, 0];
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend(nothing);
        bytes.extend(if held { self.address.octets() } else { nothing });
        bytes.extend(if answer { self.address.octets() } else { nothing });
        bytes.extend([0; 8]);
        bytes.extend(self.client);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99, 53, 1, code]);
        if answer {
            bytes.extend([54, 4]);
            bytes.extend(self.server.octets());
            bytes.extend([51, 4, 0, 0, 0x70, 0x80, 1, 4, 255, 255, 252, 0, 3, 4]);
            bytes.extend(self.router.octets());
            bytes.extend([6, 4]);
            bytes.extend(self.names.octets());
        } else {
            if kind == Kind::Request {
                bytes.extend([50, 4]);
                bytes.extend(self.address.octets());
                bytes.extend([54, 4]);
                bytes.extend(self.server.octets());
            }
            bytes.extend([55, 4, 1, 3, 6, 15]);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}
