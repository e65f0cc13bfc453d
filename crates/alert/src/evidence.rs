//! Reasons to worry about one host.

use std::net::IpAddr;

use flow::{Endpoint, Flow, Key, State, Time};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::{Behaviour, Severity, Technique};

/// One reason to worry about one host: a behaviour seen over time, or a detector's verdicts.
#[derive(Clone, Debug, PartialEq)]
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
    pub facts: Vec<(&'static str, Fact)>,
    /// A few of the flows behind it.
    pub examples: Vec<Example>,
}

impl Evidence {
    /// The most hosts that evidence lists.
    pub const MAX_HOSTS: usize = 32;
}

/// Someone who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Host {
    /// Who.
    pub address: IpAddr,
    /// As what.
    pub role: Role,
}

/// What part a host plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// A fact of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

impl Serialize for Example {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Example", 7)?;
        object.serialize_field("start", &self.start.to_string())?;
        object.serialize_field("originator", &self.originator())?;
        object.serialize_field("responder", &self.responder())?;
        object.serialize_field("protocol", &self.key.protocol.to_string())?;
        object.serialize_field("state", &self.state.map(State::name))?;
        object.serialize_field("packets", &self.packets)?;
        object.serialize_field("bytes", &self.bytes)?;
        object.end()
    }
}
