//! Reasons to worry about one host.

use std::borrow::Cow;
use std::net::IpAddr;

use flow::{Endpoint, Flow, Key, Protocol, State, Time};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Behaviour, Severity, Technique};

/// One reason to worry about one host: a behaviour seen over time, or a detector's verdicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is going on.
    pub behaviour: Behaviour,
    /// The host that the alert is about: who does it, or who suffers it where the doers cannot be known.
    pub subject: IpAddr,
    /// Everyone who takes part, the subject first; at most [`Evidence::MAX_HOSTS`].
    pub hosts: Vec<Host>,
    /// The first flow behind it.
    pub start: Time,
    /// The end of the last flow behind it.
    pub end: Time,
    /// How urgent it is.
    pub severity: Severity,
    /// How sure, 0..=1.
    pub score: f64,
    /// The technique whose pattern was seen, if it is one.
    pub technique: Option<Technique>,
    /// How many flows are behind it.
    pub flows: u64,
    /// One sentence with the numbers.
    pub summary: String,
    /// The numbers themselves, by name.
    pub facts: Facts,
    /// A few of the flows behind it.
    pub examples: Vec<Example>,
}

impl Evidence {
    /// The most hosts that evidence lists.
    pub const MAX_HOSTS: usize = 32;
}

/// Someone who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Host {
    /// Who.
    pub address: IpAddr,
    /// As what.
    pub role: Role,
}

/// What part a host plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Does it.
    Attacker,
    /// Suffers it.
    Victim,
    /// Takes part, as which is not known: reflectors, the other end of an odd conversation.
    Peer,
}

impl Role {
    /// The role in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Attacker => "attacker",
            Role::Victim => "victim",
            Role::Peer => "peer",
        }
    }
}

/// The numbers of evidence, each by its name, in the order in which people should read them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<(Cow<'static, str>, Fact)>);

/// A fact of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// How many.
    Count(u64),
    /// A measured or computed number.
    Number(f64),
    /// A word.
    Text(String),
    /// Several words or ports.
    List(Vec<String>),
}

/// A flow behind the evidence, in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// When it started.
    pub start: Time,
    /// Who talked with whom.
    pub key: Key,
    /// How it opened and closed.
    pub state: Option<State>,
    /// Its packets, where they were counted.
    pub packets: Option<u64>,
    /// Its bytes, where they were counted.
    pub bytes: Option<u64>,
}

impl Example {
    /// A flow in short.
    pub fn of(flow: &Flow) -> Example {
        let (packets, bytes) = (flow.packets(), flow.bytes());
        Example { start: flow.start, key: flow.key, state: flow.state, packets, bytes }
    }

    /// Its originator: address and port, where the protocol has ports.
    pub fn originator(&self) -> String {
        self.name(self.key.originator)
    }

    /// Its responder: address and port, where the protocol has ports.
    pub fn responder(&self) -> String {
        self.name(self.key.responder)
    }

    fn name(&self, endpoint: Endpoint) -> String {
        if self.key.protocol.has_ports() { endpoint.to_string() } else { endpoint.address.to_string() }
    }
}

impl Facts {
    /// Adds a fact.
    pub fn push(&mut self, name: &'static str, fact: Fact) {
        self.0.push((Cow::Borrowed(name), fact));
    }

    /// The fact of that name.
    pub fn find(&self, name: &str) -> Option<&Fact> {
        self.iter().find(|(known, _)| *known == name).map(|(_, fact)| fact)
    }

    /// Each name and fact.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.0.iter().map(|(name, fact)| (name.as_ref(), fact))
    }
}

impl FromIterator<(&'static str, Fact)> for Facts {
    fn from_iter<I: IntoIterator<Item = (&'static str, Fact)>>(facts: I) -> Facts {
        Facts(facts.into_iter().map(|(name, fact)| (Cow::Borrowed(name), fact)).collect())
    }
}

impl<const N: usize> From<[(&'static str, Fact); N]> for Facts {
    fn from(facts: [(&'static str, Fact); N]) -> Facts {
        facts.into_iter().collect()
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, fact) in &self.0 {
            map.serialize_entry(name, fact)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Facts, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Facts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("facts by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Facts, M::Error> {
                let mut facts = Vec::new();
                while let Some((name, fact)) = map.next_entry::<String, Fact>()? {
                    facts.push((Cow::Owned(name), fact));
                }
                Ok(Facts(facts))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A flow in short as JSON has it: ports stand behind addresses, where the protocol has any.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    start: Time,
    originator: Cow<'a, str>,
    responder: Cow<'a, str>,
    protocol: Protocol,
    state: Option<State>,
    packets: Option<u64>,
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u16>,
}

impl Serialize for Example {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Example { start, key: Key { originator, responder, protocol }, state, packets, bytes } = *self;
        let is_icmp = matches!(protocol, Protocol::Icmp | Protocol::Icmpv6);
        let written = Written {
            start,
            originator: self.originator().into(),
            responder: self.responder().into(),
            protocol,
            state,
            packets,
            bytes,
            icmp_type: is_icmp.then_some(originator.port),
            icmp_code: is_icmp.then_some(responder.port),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Example {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Example, D::Error> {
        let Written { start, originator, responder, protocol, state, packets, bytes, icmp_type, icmp_code } =
            Written::deserialize(deserializer)?;
        let endpoint = |text: &str, port: Option<u16>| -> Result<Endpoint, D::Error> {
            if protocol.has_ports() {
                text.parse().map_err(D::Error::custom)
            } else {
                Ok(Endpoint::new(text.parse().map_err(D::Error::custom)?, port.unwrap_or(0)))
            }
        };
        let (originator, responder) = (endpoint(&originator, icmp_type)?, endpoint(&responder, icmp_code)?);
        Ok(Example { start, key: Key { originator, responder, protocol }, state, packets, bytes })
    }
}
