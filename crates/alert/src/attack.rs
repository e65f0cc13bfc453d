//! MITRE ATT&CK: the techniques that evidence can stand for, each with the tactic that it serves here (Enterprise matrix,
//! v16).

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A technique or sub-technique of MITRE ATT&CK. Evidence has one only where its pattern is the technique's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Technique {
    /// What answers where.
    NetworkServiceDiscovery,
    /// Who is there.
    RemoteSystemDiscovery,
    /// More traffic than a network carries.
    DirectNetworkFlood,
    /// The same by way of servers that answer the victim.
    ReflectionAmplification,
    /// More half-open connections than a system keeps.
    OsExhaustionFlood,
    /// More requests than a service answers, or connections than it holds.
    ServiceExhaustionFlood,
    /// Many passwords at one door.
    PasswordGuessing,
    /// The same few passwords at many doors.
    PasswordSpraying,
    /// A fault of a service that faces the Internet is used.
    ExploitPublicFacingApplication,
    /// A fault of a service inside is used.
    ExploitationOfRemoteServices,
    /// Remote Desktop from host to host.
    RemoteDesktop,
    /// Windows' shares from host to host.
    WindowsAdminShares,
    /// SSH from host to host.
    Ssh,
    /// Windows Remote Management from host to host.
    WindowsRemoteManagement,
    /// A program started through the service manager of another host.
    ServiceExecution,
    /// Commands by a protocol of applications.
    ApplicationLayerProtocol,
    /// Commands by web traffic.
    WebProtocols,
    /// Commands by domain names.
    DnsProtocol,
    /// Commands by a protocol below those of applications.
    NonApplicationLayerProtocol,
    /// A protocol on a port that is another's.
    NonStandardPort,
    /// One protocol within another.
    ProtocolTunneling,
    /// Names made up by a program.
    DomainGenerationAlgorithms,
    /// Tools fetched from outside.
    IngressToolTransfer,
    /// Data out over the channel of the commands.
    ExfiltrationOverC2Channel,
    /// Data out over a channel of its own.
    ExfiltrationOverAlternativeProtocol,
    /// The same, in the clear or nearly so, over a protocol that is no channel for commands.
    ExfiltrationOverUnencryptedProtocol,
    /// One host answers for the address of another.
    ArpCachePoisoning,
    /// A second server gives out addresses.
    DhcpSpoofing,
    /// Somebody else's computer computes.
    ComputeHijacking,
}

/// What an attacker wants by a technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are the names of the tactics")]
pub enum Tactic {
    InitialAccess,
    Execution,
    CredentialAccess,
    Discovery,
    LateralMovement,
    CommandAndControl,
    Exfiltration,
    Impact,
}

impl Technique {
    /// Every technique that evidence can stand for.
    pub const ALL: [Technique; 29] = [
        Technique::NetworkServiceDiscovery,
        Technique::RemoteSystemDiscovery,
        Technique::DirectNetworkFlood,
        Technique::ReflectionAmplification,
        Technique::OsExhaustionFlood,
        Technique::ServiceExhaustionFlood,
        Technique::PasswordGuessing,
        Technique::PasswordSpraying,
        Technique::ExploitPublicFacingApplication,
        Technique::ExploitationOfRemoteServices,
        Technique::RemoteDesktop,
        Technique::WindowsAdminShares,
        Technique::Ssh,
        Technique::WindowsRemoteManagement,
        Technique::ServiceExecution,
        Technique::ApplicationLayerProtocol,
        Technique::WebProtocols,
        Technique::DnsProtocol,
        Technique::NonApplicationLayerProtocol,
        Technique::NonStandardPort,
        Technique::ProtocolTunneling,
        Technique::DomainGenerationAlgorithms,
        Technique::IngressToolTransfer,
        Technique::ExfiltrationOverC2Channel,
        Technique::ExfiltrationOverAlternativeProtocol,
        Technique::ExfiltrationOverUnencryptedProtocol,
        Technique::ArpCachePoisoning,
        Technique::DhcpSpoofing,
        Technique::ComputeHijacking,
    ];

    /// Its identifier, such as `T1046`.
    pub const fn id(self) -> &'static str {
        self.entry().0
    }

    /// Its name; of a sub-technique its own, without the technique's.
    pub const fn name(self) -> &'static str {
        self.entry().1
    }

    /// The tactic that it serves. Where ATT&CK lists several, the one that its traffic shows.
    pub const fn tactic(self) -> Tactic {
        self.entry().2
    }

    /// Of a sub-technique the technique that it belongs to: identifier and name.
    pub fn parent(self) -> Option<(&'static str, &'static str)> {
        let (parent, _) = self.id().split_once('.')?;
        PARENTS.into_iter().find(|(id, _)| *id == parent)
    }

    /// Where ATT&CK describes it.
    pub fn reference(self) -> String {
        format!("https://attack.mitre.org/techniques/{}/", self.id().replace('.', "/"))
    }

    /// The technique of that identifier.
    pub fn from_id(id: &str) -> Option<Technique> {
        Technique::ALL.into_iter().find(|technique| technique.id() == id)
    }

    const fn entry(self) -> (&'static str, &'static str, Tactic) {
        use Tactic::{
            CommandAndControl, CredentialAccess, Discovery, Execution, Exfiltration, Impact, InitialAccess,
            LateralMovement,
        };
        match self {
            Technique::NetworkServiceDiscovery => ("T1046", "Network Service Discovery", Discovery),
            Technique::RemoteSystemDiscovery => ("T1018", "Remote System Discovery", Discovery),
            Technique::DirectNetworkFlood => ("T1498.001", "Direct Network Flood", Impact),
            Technique::ReflectionAmplification => ("T1498.002", "Reflection Amplification", Impact),
            Technique::OsExhaustionFlood => ("T1499.001", "OS Exhaustion Flood", Impact),
            Technique::ServiceExhaustionFlood => ("T1499.002", "Service Exhaustion Flood", Impact),
            Technique::PasswordGuessing => ("T1110.001", "Password Guessing", CredentialAccess),
            Technique::PasswordSpraying => ("T1110.003", "Password Spraying", CredentialAccess),
            Technique::ExploitPublicFacingApplication => ("T1190", "Exploit Public-Facing Application", InitialAccess),
            Technique::ExploitationOfRemoteServices => ("T1210", "Exploitation of Remote Services", LateralMovement),
            Technique::RemoteDesktop => ("T1021.001", "Remote Desktop Protocol", LateralMovement),
            Technique::WindowsAdminShares => ("T1021.002", "SMB/Windows Admin Shares", LateralMovement),
            Technique::Ssh => ("T1021.004", "SSH", LateralMovement),
            Technique::WindowsRemoteManagement => ("T1021.006", "Windows Remote Management", LateralMovement),
            Technique::ServiceExecution => ("T1569.002", "Service Execution", Execution),
            Technique::ApplicationLayerProtocol => ("T1071", "Application Layer Protocol", CommandAndControl),
            Technique::WebProtocols => ("T1071.001", "Web Protocols", CommandAndControl),
            Technique::DnsProtocol => ("T1071.004", "DNS", CommandAndControl),
            Technique::NonApplicationLayerProtocol => ("T1095", "Non-Application Layer Protocol", CommandAndControl),
            Technique::NonStandardPort => ("T1571", "Non-Standard Port", CommandAndControl),
            Technique::ProtocolTunneling => ("T1572", "Protocol Tunneling", CommandAndControl),
            Technique::DomainGenerationAlgorithms => ("T1568.002", "Domain Generation Algorithms", CommandAndControl),
            Technique::IngressToolTransfer => ("T1105", "Ingress Tool Transfer", CommandAndControl),
            Technique::ExfiltrationOverC2Channel => ("T1041", "Exfiltration Over C2 Channel", Exfiltration),
            Technique::ExfiltrationOverAlternativeProtocol => {
                ("T1048", "Exfiltration Over Alternative Protocol", Exfiltration)
            }
            Technique::ExfiltrationOverUnencryptedProtocol => {
                ("T1048.003", "Exfiltration Over Unencrypted Non-C2 Protocol", Exfiltration)
            }
            Technique::ArpCachePoisoning => ("T1557.002", "ARP Cache Poisoning", CredentialAccess),
            Technique::DhcpSpoofing => ("T1557.003", "DHCP Spoofing", CredentialAccess),
            Technique::ComputeHijacking => ("T1496.001", "Compute Hijacking", Impact),
        }
    }
}

/// The techniques that have sub-techniques here.
const PARENTS: [(&str, &str); 10] = [
    ("T1021", "Remote Services"),
    ("T1048", "Exfiltration Over Alternative Protocol"),
    ("T1071", "Application Layer Protocol"),
    ("T1110", "Brute Force"),
    ("T1496", "Resource Hijacking"),
    ("T1498", "Network Denial of Service"),
    ("T1499", "Endpoint Denial of Service"),
    ("T1557", "Adversary-in-the-Middle"),
    ("T1568", "Dynamic Resolution"),
    ("T1569", "System Services"),
];

impl Serialize for Technique {
    /// Its identifier.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Technique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Technique, D::Error> {
        let id = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Technique::from_id(&id)
            .ok_or_else(|| D::Error::custom(format_args!("`{}` is no technique known here", flow::printable(&id))))
    }
}

impl Serialize for Tactic {
    /// Its identifier.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Tactic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tactic, D::Error> {
        let id = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Tactic::ALL
            .into_iter()
            .find(|tactic| tactic.id() == id)
            .ok_or_else(|| D::Error::custom(format_args!("`{}` is no tactic known here", flow::printable(&id))))
    }
}

impl Tactic {
    /// Every tactic, in the order in which attacks go.
    pub const ALL: [Tactic; 8] = [
        Tactic::InitialAccess,
        Tactic::Execution,
        Tactic::CredentialAccess,
        Tactic::Discovery,
        Tactic::LateralMovement,
        Tactic::CommandAndControl,
        Tactic::Exfiltration,
        Tactic::Impact,
    ];

    /// Its identifier, such as `TA0007`.
    pub const fn id(self) -> &'static str {
        match self {
            Tactic::InitialAccess => "TA0001",
            Tactic::Execution => "TA0002",
            Tactic::CredentialAccess => "TA0006",
            Tactic::Discovery => "TA0007",
            Tactic::LateralMovement => "TA0008",
            Tactic::CommandAndControl => "TA0011",
            Tactic::Exfiltration => "TA0010",
            Tactic::Impact => "TA0040",
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Tactic::InitialAccess => "Initial Access",
            Tactic::Execution => "Execution",
            Tactic::CredentialAccess => "Credential Access",
            Tactic::Discovery => "Discovery",
            Tactic::LateralMovement => "Lateral Movement",
            Tactic::CommandAndControl => "Command and Control",
            Tactic::Exfiltration => "Exfiltration",
            Tactic::Impact => "Impact",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_technique_is_read_back_by_its_identifier() {
        for technique in Technique::ALL {
            let json = serde_json::to_value(technique).unwrap();
            assert_eq!(json, technique.id());
            assert_eq!(serde_json::from_value::<Technique>(json).unwrap(), technique);
        }
        assert!(serde_json::from_str::<Technique>("\"T0000\"").is_err());
    }

    #[test]
    fn every_sub_technique_belongs_to_a_technique() {
        for technique in Technique::ALL {
            assert_eq!(technique.parent().is_some(), technique.id().contains('.'), "{}", technique.id());
        }
        let parent = Technique::PasswordGuessing.parent();
        assert_eq!(parent, Some(("T1110", "Brute Force")));
        assert_eq!(Technique::PasswordGuessing.reference(), "https://attack.mitre.org/techniques/T1110/001/");
    }
}
