//! Who talks with whom, over what.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::Unreadable;

/// The identity of a conversation: its two endpoints and its protocol. The originator opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The side that opened the conversation.
    pub originator: Endpoint,
    /// The side that was called.
    pub responder: Endpoint,
    /// What they speak above IP (or ARP).
    pub protocol: Protocol,
}

/// An address and a port. For ICMP the originator's port is the type and the responder's the code, as Zeek has it;
/// for protocols without ports both are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub address: IpAddr,
    /// Port, ICMP type or code, or 0.
    pub port: u16,
}

/// The protocol of a conversation: an IP protocol number, or ARP beside IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Transmission Control Protocol (6).
    Tcp,
    /// User Datagram Protocol (17).
    Udp,
    /// Internet Control Message Protocol (1).
    Icmp,
    /// Internet Control Message Protocol for IPv6 (58).
    Icmpv6,
    /// Stream Control Transmission Protocol (132).
    Sctp,
    /// Address Resolution Protocol, which asks for an address rather than talks with it.
    Arp,
    /// Any other IP protocol, by its number.
    Other(u8),
}

impl Key {
    /// Whether the responder's address is a multicast group or the limited broadcast address, so that no single host is
    /// called and no answer is owed.
    pub fn to_group(&self) -> bool {
        match self.responder.address {
            IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
            IpAddr::V6(address) => address.is_multicast(),
        }
    }
}

impl Endpoint {
    /// An endpoint.
    pub const fn new(address: IpAddr, port: u16) -> Endpoint {
        Endpoint { address, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Endpoint, Unreadable> {
        let address = text.parse::<SocketAddr>().map_err(|_| Unreadable("an address with a port"))?;
        Ok(Endpoint::new(address.ip(), address.port()))
    }
}

impl Protocol {
    /// The protocol of an IP protocol number.
    pub const fn from_number(number: u8) -> Protocol {
        match number {
            1 => Protocol::Icmp,
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            58 => Protocol::Icmpv6,
            132 => Protocol::Sctp,
            other => Protocol::Other(other),
        }
    }

    /// The IP protocol number; `None` for ARP, which is none.
    pub const fn number(self) -> Option<u8> {
        match self {
            Protocol::Tcp => Some(6),
            Protocol::Udp => Some(17),
            Protocol::Icmp => Some(1),
            Protocol::Icmpv6 => Some(58),
            Protocol::Sctp => Some(132),
            Protocol::Arp => None,
            Protocol::Other(number) => Some(number),
        }
    }

    /// Whether its endpoints have ports.
    pub const fn has_ports(self) -> bool {
        matches!(self, Protocol::Tcp | Protocol::Udp | Protocol::Sctp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Tcp => f.write_str("tcp"),
            Protocol::Udp => f.write_str("udp"),
            Protocol::Icmp => f.write_str("icmp"),
            Protocol::Icmpv6 => f.write_str("icmpv6"),
            Protocol::Sctp => f.write_str("sctp"),
            Protocol::Arp => f.write_str("arp"),
            Protocol::Other(number) => write!(f, "ip-{number}"),
        }
    }
}

impl FromStr for Protocol {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Protocol, Unreadable> {
        let number = |text: &str| text.strip_prefix("ip-")?.parse().ok().map(Protocol::from_number);
        Ok(match text {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "icmp" => Protocol::Icmp,
            "icmpv6" => Protocol::Icmpv6,
            "sctp" => Protocol::Sctp,
            "arp" => Protocol::Arp,
            other => number(other).ok_or(Unreadable("a protocol"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for number in 0..=255 {
            let protocol = Protocol::from_number(number);
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        assert_eq!(Protocol::Arp.to_string().parse(), Ok(Protocol::Arp));
        for text in ["10.0.0.1:80", "[2001:db8::1]:443"] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).as_deref(), Ok(text));
        }
        assert!("10.0.0.1".parse::<Endpoint>().is_err() && "ip-300".parse::<Protocol>().is_err());
    }

    #[test]
    fn every_protocol_number_survives_the_way_there_and_back() {
        for number in 0..=255 {
            assert_eq!(Protocol::from_number(number).number(), Some(number));
        }
    }
}
