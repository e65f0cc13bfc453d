//! Messages of DHCP (RFC 2131), with the options (RFC 2132) that tell who asks and who gives.

use std::net::Ipv4Addr;

use flow::{Dhcp, Distinct, Lessor};

use super::bytes::Bytes;

/// What a datagram tells; `None` where it is no such message. A message of BOOTP, without a type, tells nothing.
pub(super) fn read(datagram: &[u8]) -> Option<Dhcp> {
    let mut bytes = Bytes(datagram);
    let operation = bytes.u8().filter(|operation| (1..=2).contains(operation))?;
    bytes.u8()?;
    let length = usize::from(bytes.u8()?).min(16);
    bytes.take(25)?;
    let hardware = bytes.take(16)?.get(..length)?;
    bytes.take(192)?;
    if bytes.u32()? != COOKIE {
        return None;
    }
    let options = Options::read(bytes);
    let mut clients = Distinct::default();
    clients.add(hardware);
    Some(match (operation, options.message) {
        (1, Some(DISCOVER)) => Dhcp { discovers: 1, clients, ..Dhcp::default() },
        (1, Some(REQUEST)) => Dhcp { requests: 1, clients, ..Dhcp::default() },
        (2, Some(OFFER | ACK)) => Dhcp { clients, servers: options.lessor().into_iter().collect(), ..Dhcp::default() },
        _ => Dhcp::default(),
    })
}

/// The options that are wanted.
#[derive(Default)]
struct Options {
    message: Option<u8>,
    server: Option<Ipv4Addr>,
    router: Option<Ipv4Addr>,
    name_server: Option<Ipv4Addr>,
}

impl Options {
    /// Reads as many as are there.
    fn read(mut bytes: Bytes<'_>) -> Options {
        let mut options = Options::default();
        while let Some(code) = bytes.u8().filter(|&code| code != END) {
            if code == PAD {
                continue;
            }
            let Some(value) = bytes.u8().and_then(|length| bytes.take(length.into())) else { break };
            let address = value.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets));
            match code {
                3 => options.router = address,
                6 => options.name_server = address,
                53 => options.message = value.first().copied(),
                54 => options.server = address,
                _ => {}
            }
        }
        options
    }

    fn lessor(&self) -> Option<Lessor> {
        let Options { server, router, name_server, .. } = *self;
        Some(Lessor { server: server?, router, name_server, offers: 1 })
    }
}

const COOKIE: u32 = 0x6382_5363;
const PAD: u8 = 0;
const END: u8 = 255;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
