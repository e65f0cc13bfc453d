//! The attacks that can be planted.

mod flood;
mod guessing;
mod probe;
mod reflection;
mod scan;
mod sweep;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use flow::{Duration, Time};

use crate::activity::Activity;
use crate::error::Error;
use crate::random::Random;
use crate::scene::Scene;

/// An attack that can be planted, done as the common tools for it do.
///
/// ```
/// use simulator::Attack;
/// let attack: Attack = "xmas-scan".parse()?;
/// assert_eq!((attack, attack.behaviour()), (Attack::XmasScan, "port-scan"));
/// # Ok::<(), simulator::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attack {
    /// A thousand TCP ports of one host with half-open connections (nmap -sS).
    SynScan,
    /// A thousand TCP ports of one host with whole connections (nmap -sT).
    ConnectScan,
    /// TCP ports with FIN alone (nmap -sF).
    FinScan,
    /// TCP ports without any flag (nmap -sN).
    NullScan,
    /// TCP ports with FIN, PSH and URG (nmap -sX).
    XmasScan,
    /// TCP ports with ACK alone, to map a firewall (nmap -sA).
    AckScan,
    /// As the ACK scan, but reading the window of the answers (nmap -sW).
    WindowScan,
    /// TCP ports with FIN and ACK (nmap -sM).
    MaimonScan,
    /// UDP ports of one host, whose ICMP answers are rate-limited (nmap -sU).
    UdpScan,
    /// Every IP protocol of one host (nmap -sO).
    ProtocolScan,
    /// One TCP port of one host every 30 to 60 seconds (nmap -T1).
    SlowScan,
    /// An echo request to every address of a network (nmap -sn -PE).
    IcmpSweep,
    /// One TCP port on every address of a network, as worms look for file shares.
    TcpSweep,
    /// Telnet on random addresses of the Internet, as Mirai looks for devices.
    TelnetSweep,
    /// Who has each address of the office (arp-scan).
    ArpScan,
    /// Connection requests from one host (hping3 -S --flood).
    SynFlood,
    /// Connection requests from invented sources (hping3 -S --flood --rand-source).
    SpoofedSynFlood,
    /// Datagrams to random ports of one host (hping3 --udp --flood).
    UdpFlood,
    /// Echo requests to one host (hping3 -1 --flood).
    IcmpFlood,
    /// Web requests from a few hosts, more than anyone could read.
    HttpFlood,
    /// Large answers of name servers to a victim who did not ask.
    DnsReflection,
    /// Lists of clients from time servers to a victim who did not ask.
    NtpReflection,
    /// Connection acceptances of web servers to a victim who did not ask.
    SynAckReflection,
    /// Passwords against secure shell, four at a time (hydra -t 4).
    SshGuessing,
    /// Passwords against file transfer.
    FtpGuessing,
    /// Passwords against remote desktops.
    RdpGuessing,
    /// Passwords against file sharing.
    SmbGuessing,
    /// A password or two against secure shell every minute or so.
    SlowSshGuessing,
}

impl Attack {
    /// Every attack.
    pub const ALL: [Attack; 28] = [
        Attack::SynScan,
        Attack::ConnectScan,
        Attack::FinScan,
        Attack::NullScan,
        Attack::XmasScan,
        Attack::AckScan,
        Attack::WindowScan,
        Attack::MaimonScan,
        Attack::UdpScan,
        Attack::ProtocolScan,
        Attack::SlowScan,
        Attack::IcmpSweep,
        Attack::TcpSweep,
        Attack::TelnetSweep,
        Attack::ArpScan,
        Attack::SynFlood,
        Attack::SpoofedSynFlood,
        Attack::UdpFlood,
        Attack::IcmpFlood,
        Attack::HttpFlood,
        Attack::DnsReflection,
        Attack::NtpReflection,
        Attack::SynAckReflection,
        Attack::SshGuessing,
        Attack::FtpGuessing,
        Attack::RdpGuessing,
        Attack::SmbGuessing,
        Attack::SlowSshGuessing,
    ];

    /// The name, in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Attack::SynScan => "syn-scan",
            Attack::ConnectScan => "connect-scan",
            Attack::FinScan => "fin-scan",
            Attack::NullScan => "null-scan",
            Attack::XmasScan => "xmas-scan",
            Attack::AckScan => "ack-scan",
            Attack::WindowScan => "window-scan",
            Attack::MaimonScan => "maimon-scan",
            Attack::UdpScan => "udp-scan",
            Attack::ProtocolScan => "protocol-scan",
            Attack::SlowScan => "slow-scan",
            Attack::IcmpSweep => "icmp-sweep",
            Attack::TcpSweep => "tcp-sweep",
            Attack::TelnetSweep => "telnet-sweep",
            Attack::ArpScan => "arp-scan",
            Attack::SynFlood => "syn-flood",
            Attack::SpoofedSynFlood => "spoofed-syn-flood",
            Attack::UdpFlood => "udp-flood",
            Attack::IcmpFlood => "icmp-flood",
            Attack::HttpFlood => "http-flood",
            Attack::DnsReflection => "dns-reflection",
            Attack::NtpReflection => "ntp-reflection",
            Attack::SynAckReflection => "syn-ack-reflection",
            Attack::SshGuessing => "ssh-guessing",
            Attack::FtpGuessing => "ftp-guessing",
            Attack::RdpGuessing => "rdp-guessing",
            Attack::SmbGuessing => "smb-guessing",
            Attack::SlowSshGuessing => "slow-ssh-guessing",
        }
    }

    /// What a detector should call it: one of `port-scan`, `host-sweep`, `arp-scan`, `syn-flood`, `udp-flood`,
    /// `icmp-flood`, `http-flood`, `reflection` and `password-guessing`.
    pub fn behaviour(self) -> &'static str {
        match self {
            Attack::SynScan
            | Attack::ConnectScan
            | Attack::FinScan
            | Attack::NullScan
            | Attack::XmasScan
            | Attack::AckScan
            | Attack::WindowScan
            | Attack::MaimonScan
            | Attack::UdpScan
            | Attack::ProtocolScan
            | Attack::SlowScan => "port-scan",
            Attack::IcmpSweep | Attack::TcpSweep | Attack::TelnetSweep => "host-sweep",
            Attack::ArpScan => "arp-scan",
            Attack::SynFlood | Attack::SpoofedSynFlood => "syn-flood",
            Attack::UdpFlood => "udp-flood",
            Attack::IcmpFlood => "icmp-flood",
            Attack::HttpFlood => "http-flood",
            Attack::DnsReflection | Attack::NtpReflection | Attack::SynAckReflection => "reflection",
            Attack::SshGuessing
            | Attack::FtpGuessing
            | Attack::RdpGuessing
            | Attack::SmbGuessing
            | Attack::SlowSshGuessing => "password-guessing",
        }
    }

    /// Whether it goes on for nearly all the time, so that each of its steps is far from the next.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Attack::SlowScan | Attack::SlowSshGuessing)
    }

    /// Prepares it to be carried out from `start`, within `room`.
    pub(crate) fn plot(self, scene: &Scene, start: Time, room: Duration, random: Random) -> Plot {
        match self {
            Attack::SynScan
            | Attack::ConnectScan
            | Attack::FinScan
            | Attack::NullScan
            | Attack::XmasScan
            | Attack::AckScan
            | Attack::WindowScan
            | Attack::MaimonScan
            | Attack::UdpScan
            | Attack::ProtocolScan
            | Attack::SlowScan => scan::plot(self, scene, start, room, random),
            Attack::IcmpSweep | Attack::TcpSweep | Attack::TelnetSweep | Attack::ArpScan => {
                sweep::plot(self, scene, start, room, random)
            }
            Attack::SynFlood | Attack::SpoofedSynFlood | Attack::UdpFlood | Attack::IcmpFlood | Attack::HttpFlood => {
                flood::plot(self, scene, start, room, random)
            }
            Attack::DnsReflection | Attack::NtpReflection | Attack::SynAckReflection => {
                reflection::plot(self, scene, start, room, random)
            }
            Attack::SshGuessing
            | Attack::FtpGuessing
            | Attack::RdpGuessing
            | Attack::SmbGuessing
            | Attack::SlowSshGuessing => guessing::plot(self, scene, start, room, random),
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Attack {
    type Err = Error;

    fn from_str(name: &str) -> Result<Attack, Error> {
        let found = Attack::ALL.into_iter().find(|attack| attack.name() == name);
        found.ok_or_else(|| Error::UnknownAttack { name: name.to_owned() })
    }
}

/// An attack made ready.
pub(crate) struct Plot {
    /// Who attacks; nobody, where the sources are invented or used without their knowledge.
    pub(crate) attackers: Vec<IpAddr>,
    pub(crate) victims: Vec<IpAddr>,
    pub(crate) activity: Activity,
}

/// Count and spacing of the steps of an attack, made to fit into the room that there is: closer together.
fn hurried(count: u64, gap: Duration, room: Duration) -> Duration {
    gap.min(room.div_f64(count as f64))
}

/// The address outside from which an attack comes: of the networks that are nobody's (RFC 5737).
fn stranger(attack: Attack, number: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, 7 + attack as u8 * 8 + number).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_is_found_by_its_name() {
        for attack in Attack::ALL {
            assert_eq!(attack.name().parse::<Attack>().unwrap(), attack);
        }
        assert!("SYN".parse::<Attack>().is_err());
    }
}
