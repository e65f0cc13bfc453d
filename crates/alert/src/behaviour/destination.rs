//! Services outside, whom inside hosts call.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Application, Flow, Protocol, State};

use crate::Home;

/// A service outside the network: where it is and over what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Destination {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

impl Destination {
    /// Whom the flow calls; `None` where that is nobody outside. A caller that is no more at home than the called one is
    /// taken for one of the network's own: its addresses are then not known.
    pub(crate) fn of(flow: &Flow, home: &Home) -> Option<Destination> {
        let key = flow.key;
        let to = key.responder.address;
        let is_somewhere = !home.contains(to) && !key.to_group() && !to.is_loopback() && !to.is_unspecified();
        (key.protocol.has_ports() && is_somewhere && !flow.originator.is_silent()).then_some(Destination {
            address: to,
            port: key.responder.port,
            protocol: key.protocol,
        })
    }

    /// The service that its port is known for.
    pub(crate) fn service(&self) -> Option<&'static str> {
        ports::service(self.port)
    }

    /// Whether machines call it to keep time, addresses or neighbours: by the clock, for ever, all of them.
    pub(crate) fn keeps_house(&self) -> bool {
        matches!(
            self.service(),
            Some(
                "ntp"
                    | "mdns"
                    | "llmnr"
                    | "dhcp"
                    | "ssdp"
                    | "netbios"
                    | "snmp"
                    | "syslog"
                    | "stun"
                    | "ws-discovery"
                    | "coap"
                    | "isakmp"
            )
        )
    }

    /// It in words, with the name that it was called by: `203.0.113.9:443 (www.example.org)`.
    pub(crate) fn words(&self, name: Option<&str>) -> String {
        let endpoint = flow::Endpoint::new(self.address, self.port);
        match name {
            Some(name) => format!("{endpoint} ({name})"),
            None => endpoint.to_string(),
        }
    }
}

/// The name by which the flow's server was called: of the TLS or QUIC hello, or of the HTTP request where that is no bare
/// address.
pub(crate) fn name(flow: &Flow) -> Option<&str> {
    let name = match flow.application.as_deref()? {
        Application::Tls(tls) | Application::Quic(tls) => tls.server_name.as_deref(),
        Application::Http(http) => http.host.as_deref(),
        _ => None,
    };
    name.filter(|name| !is_address(name))
}

/// Whether a host's name is nothing but an address.
pub(crate) fn is_address(name: &str) -> bool {
    name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Whether the flow opens a conversation, rather than goes on with one or is a stray of one.
pub(crate) fn opens(flow: &Flow) -> bool {
    let is_first = flow.conversation_start == flow.start;
    let has_opening = match (flow.key.protocol, flow.originator.detail) {
        (Protocol::Tcp, Some(detail)) => detail.flags.syn > 0,
        (Protocol::Tcp, None) => flow.state != Some(State::Oth),
        _ => true,
    };
    is_first && has_opening
}
