//! MITRE ATT&CK: the techniques that evidence can stand for (Enterprise matrix, v16).

use serde::Serialize;

/// A technique or sub-technique of MITRE ATT&CK. Evidence has one only where its pattern is the technique's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Technique {
    /// Network Service Discovery: what answers where.
    #[serde(rename = "T1046")]
    NetworkServiceDiscovery,
    /// Remote System Discovery: who is there.
    #[serde(rename = "T1018")]
    RemoteSystemDiscovery,
    /// Network Denial of Service: Direct Network Flood.
    #[serde(rename = "T1498.001")]
    DirectNetworkFlood,
    /// Network Denial of Service: Reflection Amplification.
    #[serde(rename = "T1498.002")]
    ReflectionAmplification,
    /// Endpoint Denial of Service: OS Exhaustion Flood.
    #[serde(rename = "T1499.001")]
    OsExhaustionFlood,
    /// Endpoint Denial of Service: Service Exhaustion Flood.
    #[serde(rename = "T1499.002")]
    ServiceExhaustionFlood,
    /// Brute Force: Password Guessing.
    #[serde(rename = "T1110.001")]
    PasswordGuessing,
    /// Brute Force: Password Spraying: the same few passwords at many doors.
    #[serde(rename = "T1110.003")]
    PasswordSpraying,
}

impl Technique {
    /// Its identifier, such as `T1046`.
    pub const fn id(self) -> &'static str {
        match self {
            Technique::NetworkServiceDiscovery => "T1046",
            Technique::RemoteSystemDiscovery => "T1018",
            Technique::DirectNetworkFlood => "T1498.001",
            Technique::ReflectionAmplification => "T1498.002",
            Technique::OsExhaustionFlood => "T1499.001",
            Technique::ServiceExhaustionFlood => "T1499.002",
            Technique::PasswordGuessing => "T1110.001",
            Technique::PasswordSpraying => "T1110.003",
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Technique::NetworkServiceDiscovery => "Network Service Discovery",
            Technique::RemoteSystemDiscovery => "Remote System Discovery",
            Technique::DirectNetworkFlood => "Direct Network Flood",
            Technique::ReflectionAmplification => "Reflection Amplification",
            Technique::OsExhaustionFlood => "OS Exhaustion Flood",
            Technique::ServiceExhaustionFlood => "Service Exhaustion Flood",
            Technique::PasswordGuessing => "Password Guessing",
            Technique::PasswordSpraying => "Password Spraying",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serialized_name_is_the_identifier() {
        for technique in [Technique::NetworkServiceDiscovery, Technique::PasswordGuessing] {
            assert_eq!(serde_json::to_value(technique).unwrap(), technique.id());
        }
    }
}
