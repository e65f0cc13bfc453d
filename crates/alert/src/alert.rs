//! What a person must look at.

use std::net::IpAddr;

use flow::Time;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{Behaviour, Evidence, Fact, Host, Severity, Technique};

/// What a person must look at: who, what, when, how urgent, how sure, why.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same for the same alert of the same input: a digest of behaviour, subject and start.
    pub id: String,
    /// The host that it is about.
    pub subject: IpAddr,
    /// What is going on.
    pub behaviour: Behaviour,
    /// The first flow behind it.
    pub start: Time,
    /// The end of the last flow behind it.
    pub end: Time,
    /// How urgent it is.
    pub severity: Severity,
    /// How sure, 0..=1.
    pub score: f64,
    /// The ATT&CK technique, if its pattern was seen.
    pub technique: Option<Technique>,
    /// Everyone who takes part, the subject first.
    pub hosts: Vec<Host>,
    /// How many flows are behind it.
    pub flows: u64,
    /// One sentence with the numbers.
    pub summary: String,
    /// The evidence, strongest first.
    pub evidence: Vec<Evidence>,
}

impl Alert {
    /// The identifier of the alert about that behaviour of that host from that time on.
    pub(crate) fn identifier(behaviour: Behaviour, subject: IpAddr, start: Time) -> String {
        let digest = Sha256::digest(format!("{}|{subject}|{start}", behaviour.name()));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Serialize for Alert {
    /// The object of docs/alert.schema.json.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Alert", 11)?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("start", &self.start.to_string())?;
        object.serialize_field("end", &self.end.to_string())?;
        object.serialize_field("severity", &self.severity)?;
        object.serialize_field("score", &self.score)?;
        object.serialize_field("behaviour", self.behaviour.name())?;
        object.serialize_field("technique", &self.technique)?;
        object.serialize_field("hosts", &self.hosts)?;
        object.serialize_field("flows", &self.flows)?;
        object.serialize_field("summary", &self.summary)?;
        object.serialize_field("evidence", &self.evidence)?;
        object.end()
    }
}

impl Serialize for Evidence {
    /// What an alert does not already say: the summary, its span and flows, the facts by name, the examples.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Facts<'a>(&'a [(&'static str, Fact)]);
        impl Serialize for Facts<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (name, fact) in self.0 {
                    map.serialize_entry(name, fact)?;
                }
                map.end()
            }
        }
        let mut object = serializer.serialize_struct("Evidence", 7)?;
        object.serialize_field("summary", &self.summary)?;
        object.serialize_field("start", &self.start.to_string())?;
        object.serialize_field("end", &self.end.to_string())?;
        object.serialize_field("flows", &self.flows)?;
        object.serialize_field("score", &self.score)?;
        object.serialize_field("facts", &Facts(&self.facts))?;
        object.serialize_field("examples", &self.examples)?;
        object.end()
    }
}
