//! Protocols on ports that are another's.
//!
//! Told by content, so there is no chance in it: the first payload is of one protocol, the port is known for another, and
//! the one does not run within the other there (TLS within most services does, HTTP on the ports of proxies does). Outward
//! that is medium, because it is how a filter by ports is passed; inside, or on a port that is known for nothing, low. The
//! web's own protocols on unknown ports are info: too many programs do that.
//!
//! Conversations with the ports of the web or of name servers outside that are of no protocol known here are told as well:
//! low, and only where others on the same port were recognised, so that the source does read payload. The null model there
//! is that of the reader, which misses a benign conversation with a web or name server with a chance of at most 0.1:
//! binomial test over the conversations of the host with that port, at 1e-4.
//!
//! The subject is the host that calls, as the attacker; the other end is a peer.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Application, Flow, Protocol, Time};

use super::destination::{self, Destination};
use super::load::Span;
use super::scale::binomial_tail;
use super::tracks::{Map, Tracks, Weigh};
use super::words::{grouped, hosts, port_words};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Home, Role, Severity, Technique};

/// Watches what is spoken on which port.
pub(super) struct OddPorts {
    home: Home,
    talks: Tracks<(IpAddr, IpAddr, u16, Spoken), Talk>,
    /// Recognised and all conversations of each host with a port of the web or of name servers.
    readable: Tracks<(IpAddr, u16), Readable>,
    recognised: Map<u16, u64>,
}

/// What is spoken, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Spoken {
    Known(&'static str),
    Unknown,
}

/// Conversations of two hosts over one protocol on one port.
#[derive(Default)]
struct Talk {
    flows: u64,
    is_outward: bool,
    span: Span,
}

#[derive(Default)]
struct Readable {
    unknown: u64,
    all: u64,
}

impl Weigh for Talk {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Readable {
    fn weight(&self) -> usize {
        1
    }
}

impl OddPorts {
    pub(super) fn new(home: &Home) -> OddPorts {
        OddPorts {
            home: home.clone(),
            talks: Tracks::default(),
            readable: Tracks::default(),
            recognised: Map::default(),
        }
    }
}

impl Watch for OddPorts {
    fn observe(&mut self, flow: &Flow) {
        let key = flow.key;
        let (caller, called) = (key.originator.address, key.responder);
        if !key.protocol.has_ports() || key.to_group() {
            return;
        }
        let is_outward = Destination::of(flow, &self.home).is_some();
        // Strangers try every port with every protocol.
        let is_from_outside = self.home.contains(called.address) && !self.home.contains(caller);
        if is_from_outside || flow.responder.payload_bytes == Some(0) {
            return;
        }
        let spoken = match flow.application.as_deref() {
            Some(application) => {
                if is_listened_to(called.port) {
                    *self.recognised.entry(called.port).or_default() += 1;
                    self.readable.touch((caller, called.port), flow.end).all += 1;
                }
                match name(application).filter(|name| verdict(name, called.port).is_some()) {
                    Some(name) => Spoken::Known(name),
                    None => return,
                }
            }
            None if is_outward && is_listened_to(called.port) && is_dialogue(flow) => {
                let readable = self.readable.touch((caller, called.port), flow.end);
                readable.all += 1;
                readable.unknown += 1;
                Spoken::Unknown
            }
            None => return,
        };
        let talk = self.talks.touch((caller, called.address, called.port, spoken), flow.end);
        talk.flows += 1;
        talk.is_outward |= is_outward;
        talk.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.talks
            .sorted()
            .into_iter()
            .filter_map(|((caller, called, port, spoken), talk)| {
                let (severity, score, p) = match spoken {
                    Spoken::Known(name) => (talk.severity(verdict(name, port)?), 0.9, None),
                    Spoken::Unknown => {
                        let readable = self.readable.get(&(caller, port))?;
                        let p = binomial_tail(readable.unknown, readable.all, UNREAD);
                        let is_read = self.recognised.get(&port).copied().unwrap_or(0) > 0;
                        (is_read && p <= UNREAD_SIGNIFICANCE).then_some((Severity::Low, 0.4, Some(p)))?
                    }
                };
                Some(talk.evidence((caller, called, port), spoken, (severity, score), p))
            })
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.talks.forget(before);
        self.readable.forget(before);
    }
}

/// What a port says of a protocol that is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is another's.
    Contradicted,
    /// It is nobody's.
    Unlisted,
    /// It is nobody's, and such protocols run anywhere.
    Usual,
}

impl Talk {
    fn severity(&self, verdict: Verdict) -> Severity {
        match (verdict, self.is_outward) {
            (Verdict::Contradicted, true) => Severity::Medium,
            (Verdict::Contradicted, false) | (Verdict::Unlisted, true) => Severity::Low,
            (Verdict::Unlisted, false) | (Verdict::Usual, _) => Severity::Info,
        }
    }

    fn evidence(
        &self,
        (caller, called, port): (IpAddr, IpAddr, u16),
        spoken: Spoken,
        (severity, score): (Severity, f64),
        p: Option<f64>,
    ) -> Evidence {
        let what = match spoken {
            Spoken::Known(name) => name,
            Spoken::Unknown => "a protocol that is not that port's",
        };
        Evidence {
            behaviour: Behaviour::NonStandardPort,
            subject: caller,
            hosts: hosts((caller, Role::Attacker), [called], Role::Peer),
            start: self.span.start(),
            end: self.span.end(),
            severity,
            score,
            technique: (severity >= Severity::Medium).then_some(Technique::NonStandardPort),
            flows: self.flows,
            summary: format!(
                "{caller} spoke {what} with {called} on port {}, {} times",
                port_words(port),
                grouped(self.flows)
            ),
            facts: [
                ("spoken", Fact::Text(what.to_owned())),
                ("port", Fact::Count(port.into())),
                ("port_is_known_for", Fact::Text(ports::service(port).unwrap_or("nothing").to_owned())),
                ("conversations", Fact::Count(self.flows)),
            ]
            .into_iter()
            .chain(p.map(|p| ("p_value", Fact::Number(p))))
            .collect(),
            examples: self.span.examples.clone(),
        }
    }
}

/// The protocol's name, where it is one that has ports of its own.
fn name(application: &Application) -> Option<&'static str> {
    let told = match application {
        Application::Http(http) if http.method.is_empty() => return None,
        Application::Tls(tls) if tls.version.is_none() && tls.server_name.is_none() => return None,
        application => application.name(),
    };
    let told = if told == "ssl" { "tls" } else { told };
    PROTOCOLS.iter().map(|&(name, _)| name).find(|&name| name == told)
}

/// What the port says of the protocol; `None` where they go together.
fn verdict(name: &str, port: u16) -> Option<Verdict> {
    let (_, own) = PROTOCOLS.iter().find(|(known, _)| *known == name)?;
    if own.contains(&port) {
        return None;
    }
    match (name, ports::service(port)) {
        ("tls", Some("dns" | "ssh" | "telnet" | "smb" | "netbios" | "ntp" | "ftp-data" | "tftp" | "snmp")) => {
            Some(Verdict::Contradicted)
        }
        ("tls", Some("http")) if port == 80 => Some(Verdict::Contradicted),
        // Implicit TLS, or TLS after a word in the clear.
        ("tls", Some(_)) => None,
        ("http", Some("http" | "elasticsearch" | "winrm" | "print" | "ssdp" | "ws-discovery" | "irc")) => None,
        ("http" | "tls", None) => Some(Verdict::Usual),
        (_, None) => Some(Verdict::Unlisted),
        (_, Some(_)) => Some(Verdict::Contradicted),
    }
}

/// Whether what is spoken on that port is known by content so surely that the rest is odd.
fn is_listened_to(port: u16) -> bool {
    matches!(port, 53 | 80 | 443)
}

/// Whether both sides said something, from the start.
fn is_dialogue(flow: &Flow) -> bool {
    let said = |side: &flow::Side| side.payload_bytes.is_some_and(|bytes| bytes >= 8);
    let messages = |side: &flow::Side| side.detail.is_none_or(|detail| detail.payload_packets >= 2);
    let is_talk = said(&flow.originator) && said(&flow.responder);
    let is_long = messages(&flow.originator) && messages(&flow.responder);
    is_talk
        && is_long
        && destination::opens(flow)
        && (flow.key.protocol == Protocol::Tcp || flow.key.responder.port == 53)
}

/// Protocols that are known by content, and the ports that are their own.
const PROTOCOLS: &[(&str, &[u16])] = &[
    ("ssh", &[22, 222, 2222, 22222]),
    ("tls", &[443, 8443, 4443, 9443]),
    ("http", &[80, 8080, 8000, 8008, 8081, 8888, 3128, 5000, 5357, 8090, 9000, 9090, 49152]),
    ("rdp", &[3389]),
    ("smb", &[445, 139]),
    ("ftp", &[21, 990, 2121]),
    ("smtp", &[25, 465, 587, 2525]),
    ("pop3", &[110, 995]),
    ("imap", &[143, 993]),
    ("vnc", &[5900, 5901, 5902, 5903]),
    ("telnet", &[23, 2323, 992]),
    ("irc", &[6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697, 7000]),
];
/// The chance that a benign conversation on such a port is not recognised.
const UNREAD: f64 = 0.1;
const UNREAD_SIGNIFICANCE: f64 = 1e-4;
