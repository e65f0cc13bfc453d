//! The attacks that can be planted.

mod beacon;
mod callback;
mod campaign;
mod disguise;
mod exfiltration;
mod flood;
mod guessing;
mod lateral;
mod leases;
mod mining;
mod poisoning;
mod probe;
mod reflection;
mod scan;
mod slow_denial;
mod sweep;
mod tunnel;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use flow::{Duration, Time};

use self::Lasts::{Brief, Long, Throughout};
use crate::activity::{Activity, series};
use crate::error::Error;
use crate::network::Site;
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
    /// A call home over HTTPS every minute, 15 % early or late, now and then left out (Cobalt Strike, sleep 60 15).
    Beacon,
    /// A call home over HTTPS every hour; more often where the capture is shorter than half a day.
    SlowBeacon,
    /// A call home by name lookups every minute, through the name server of the office.
    DnsBeacon,
    /// A network in NULL queries of one socket to one name server outside (iodine).
    IodineTunnel,
    /// A shell in TXT, CNAME and MX queries through the name server of the office (dnscat2).
    DnscatTunnel,
    /// A connection in the payload of echo requests and replies (ptunnel).
    IcmpTunnel,
    /// 200 MB from a workstation to a new place outside over TLS, by night where there is one.
    TlsExfiltration,
    /// 150 MB from a workstation to a new place outside by file transfer, by night where there is one.
    FtpExfiltration,
    /// 150 MB from a workstation to a new place outside by secure copy, by night where there is one.
    SshExfiltration,
    /// Web requests that never end: a header line now and then on each of many connections (slowloris).
    Slowloris,
    /// Web forms sent a few bytes at a time (slowhttptest -B, R.U.D.Y.).
    SlowPost,
    /// Web pages taken a few bytes at a time, by a window that is mostly closed (slowhttptest -X).
    SlowRead,
    /// A service copied to and started on one host after the other over file sharing (PsExec).
    Psexec,
    /// Remote desktops, secure shells and WinRM from one workstation to many hosts that it never visited.
    RemoteHopping,
    /// A request that makes the web server fetch code by LDAP and open a shell outwards (Log4Shell).
    Log4shell,
    /// Shares for a pool, in the clear, for hours (XMRig, Stratum).
    CryptoMining,
    /// False addresses for the gateway and a workstation, told to the other every two seconds (arpspoof -r).
    ArpPoisoning,
    /// Addresses leased by invented machines until there are none left (dhcpig).
    DhcpStarvation,
    /// A second address server, faster than the real one, that names itself as the gateway.
    RogueDhcp,
    /// Secure shell to a place outside on the port of HTTPS.
    SshOnWebPort,
    /// Orders fetched by plain HTTP from a place outside on the port of secure shell.
    HttpOnSshPort,
    /// An intrusion from scan to loss: scan, guessed password, sweep inside, lateral movement, call home, data out.
    Campaign,
}

impl Attack {
    /// Every attack.
    pub const ALL: [Attack; 50] = [
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
        Attack::Beacon,
        Attack::SlowBeacon,
        Attack::DnsBeacon,
        Attack::IodineTunnel,
        Attack::DnscatTunnel,
        Attack::IcmpTunnel,
        Attack::TlsExfiltration,
        Attack::FtpExfiltration,
        Attack::SshExfiltration,
        Attack::Slowloris,
        Attack::SlowPost,
        Attack::SlowRead,
        Attack::Psexec,
        Attack::RemoteHopping,
        Attack::Log4shell,
        Attack::CryptoMining,
        Attack::ArpPoisoning,
        Attack::DhcpStarvation,
        Attack::RogueDhcp,
        Attack::SshOnWebPort,
        Attack::HttpOnSshPort,
        Attack::Campaign,
    ];

    /// Those that make noise: scans, floods, reflections and guessing. The others hide in what is usual.
    pub const LOUD: &[Attack] = Attack::ALL.split_at(28).0;

    /// The name, in kebab case.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// What a detector should call it: `port-scan`, `beacon` and the like; `several` for a campaign, each of whose parts
    /// is planted under its own.
    pub fn behaviour(self) -> &'static str {
        self.card().behaviour
    }

    /// How long it goes on.
    pub(crate) fn lasts(self) -> Lasts {
        self.card().lasts
    }

    /// Prepares it to be carried out on an occasion, in one part or in several.
    pub(crate) fn plots(self, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
        (self.card().plots)(self, scene, occasion)
    }

    fn card(self) -> Card {
        match self {
            Attack::SynScan => card("syn-scan", "port-scan", Brief, scan::plots),
            Attack::ConnectScan => card("connect-scan", "port-scan", Brief, scan::plots),
            Attack::FinScan => card("fin-scan", "port-scan", Brief, scan::plots),
            Attack::NullScan => card("null-scan", "port-scan", Brief, scan::plots),
            Attack::XmasScan => card("xmas-scan", "port-scan", Brief, scan::plots),
            Attack::AckScan => card("ack-scan", "port-scan", Brief, scan::plots),
            Attack::WindowScan => card("window-scan", "port-scan", Brief, scan::plots),
            Attack::MaimonScan => card("maimon-scan", "port-scan", Brief, scan::plots),
            Attack::UdpScan => card("udp-scan", "port-scan", Brief, scan::plots),
            Attack::ProtocolScan => card("protocol-scan", "port-scan", Brief, scan::plots),
            Attack::SlowScan => card("slow-scan", "port-scan", Throughout, scan::plots),
            Attack::IcmpSweep => card("icmp-sweep", "host-sweep", Brief, sweep::plots),
            Attack::TcpSweep => card("tcp-sweep", "host-sweep", Brief, sweep::plots),
            Attack::TelnetSweep => card("telnet-sweep", "host-sweep", Brief, sweep::plots),
            Attack::ArpScan => card("arp-scan", "arp-scan", Brief, sweep::plots),
            Attack::SynFlood => card("syn-flood", "syn-flood", Brief, flood::plots),
            Attack::SpoofedSynFlood => card("spoofed-syn-flood", "syn-flood", Brief, flood::plots),
            Attack::UdpFlood => card("udp-flood", "udp-flood", Brief, flood::plots),
            Attack::IcmpFlood => card("icmp-flood", "icmp-flood", Brief, flood::plots),
            Attack::HttpFlood => card("http-flood", "http-flood", Brief, flood::plots),
            Attack::DnsReflection => card("dns-reflection", "reflection", Brief, reflection::plots),
            Attack::NtpReflection => card("ntp-reflection", "reflection", Brief, reflection::plots),
            Attack::SynAckReflection => card("syn-ack-reflection", "reflection", Brief, reflection::plots),
            Attack::SshGuessing => card("ssh-guessing", "password-guessing", Brief, guessing::plots),
            Attack::FtpGuessing => card("ftp-guessing", "password-guessing", Brief, guessing::plots),
            Attack::RdpGuessing => card("rdp-guessing", "password-guessing", Brief, guessing::plots),
            Attack::SmbGuessing => card("smb-guessing", "password-guessing", Brief, guessing::plots),
            Attack::SlowSshGuessing => card("slow-ssh-guessing", "password-guessing", Throughout, guessing::plots),
            Attack::Beacon => card("beacon", "beacon", Throughout, beacon::plots),
            Attack::SlowBeacon => card("slow-beacon", "beacon", Throughout, beacon::plots),
            Attack::DnsBeacon => card("dns-beacon", "beacon", Throughout, beacon::plots),
            Attack::IodineTunnel => card("iodine-tunnel", "dns-tunnel", Long, tunnel::plots),
            Attack::DnscatTunnel => card("dnscat-tunnel", "dns-tunnel", Long, tunnel::plots),
            Attack::IcmpTunnel => card("icmp-tunnel", "icmp-tunnel", Long, tunnel::plots),
            Attack::TlsExfiltration => card("tls-exfiltration", "exfiltration", Long, exfiltration::plots),
            Attack::FtpExfiltration => card("ftp-exfiltration", "exfiltration", Long, exfiltration::plots),
            Attack::SshExfiltration => card("ssh-exfiltration", "exfiltration", Long, exfiltration::plots),
            Attack::Slowloris => card("slowloris", "slow-denial", Long, slow_denial::plots),
            Attack::SlowPost => card("slow-post", "slow-denial", Long, slow_denial::plots),
            Attack::SlowRead => card("slow-read", "slow-denial", Long, slow_denial::plots),
            Attack::Psexec => card("psexec", "lateral-movement", Long, lateral::plots),
            Attack::RemoteHopping => card("remote-hopping", "lateral-movement", Long, lateral::plots),
            Attack::Log4shell => card("log4shell", "callback", Long, callback::plots),
            Attack::CryptoMining => card("crypto-mining", "crypto-mining", Throughout, mining::plots),
            Attack::ArpPoisoning => card("arp-poisoning", "arp-poisoning", Long, poisoning::plots),
            Attack::DhcpStarvation => card("dhcp-starvation", "dhcp-starvation", Brief, leases::plots),
            Attack::RogueDhcp => card("rogue-dhcp", "rogue-dhcp", Long, leases::plots),
            Attack::SshOnWebPort => card("ssh-on-web-port", "non-standard-port", Long, disguise::plots),
            Attack::HttpOnSshPort => card("http-on-ssh-port", "non-standard-port", Long, disguise::plots),
            Attack::Campaign => card("campaign", "several", Throughout, campaign::plots),
        }
    }
}

/// How long an attack goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// Seconds or minutes, as fast as it can.
    Brief,
    /// Minutes to hours.
    Long,
    /// Nearly all the time, so that each of its steps is far from the next.
    Throughout,
}

/// All that is known of an attack beforehand.
struct Card {
    name: &'static str,
    behaviour: &'static str,
    lasts: Lasts,
    plots: Plots,
}

type Plots = fn(Attack, &Scene, Occasion) -> Vec<Plot>;

const fn card(name: &'static str, behaviour: &'static str, lasts: Lasts, plots: Plots) -> Card {
    Card { name, behaviour, lasts, plots }
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

/// An attack made ready, or a part of one.
pub(crate) struct Plot {
    /// What a detector should call it.
    pub(crate) behaviour: &'static str,
    /// Who attacks; nobody, where the sources are invented or used without their knowledge.
    pub(crate) attackers: Vec<IpAddr>,
    pub(crate) victims: Vec<IpAddr>,
    pub(crate) activity: Activity,
}

impl Plot {
    /// An attack in one part.
    fn whole(attack: Attack, attackers: Vec<IpAddr>, victims: Vec<IpAddr>, activity: Activity) -> Vec<Plot> {
        vec![Plot { behaviour: attack.behaviour(), attackers, victims, activity }]
    }
}

/// When an attack takes place: from `start`, within `room`, and by which chance.
#[derive(Clone)]
pub(crate) struct Occasion {
    pub(crate) start: Time,
    pub(crate) room: Duration,
    pub(crate) random: Random,
}

impl Occasion {
    /// The steps of an attack, each a share of the gap early or late; closer together where there is little room.
    fn steps(
        self,
        count: u64,
        gap: Duration,
        spread: f64,
        make: impl FnMut(&mut Random, Time, u64) -> Activity + Send + 'static,
    ) -> Activity {
        let gap = hurried(count, gap, self.room);
        series(count, self.start, self.random, move |random| random.near(gap, spread), make)
    }

    /// How often something fits into the room, and at least some times.
    fn count(&self, gap: Duration, least: u64) -> u64 {
        ((self.room.as_secs_f64() / gap.as_secs_f64()) as u64).max(least)
    }
}

/// Count and spacing of the steps of an attack, made to fit into the room that there is: closer together.
fn hurried(count: u64, gap: Duration, room: Duration) -> Duration {
    gap.min(room.div_f64(count as f64))
}

/// The address outside from which an attack comes, or to which it calls: of the networks that are nobody's (RFC 5737).
fn stranger(attack: Attack, number: u8) -> IpAddr {
    strange(attack, number).into()
}

/// A place outside that nobody in the office has visited.
fn lair(attack: Attack, name: &str) -> Site {
    Site { name: name.to_owned(), v4: strange(attack, 0), v6: None }
}

fn strange(attack: Attack, number: u8) -> Ipv4Addr {
    let [a, b, c] = [[203, 0, 113], [198, 51, 100], [192, 0, 2]][attack as usize / 31];
    Ipv4Addr::new(a, b, c, 7 + attack as u8 % 31 * 8 + number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_attack_is_found_by_its_name() {
        for attack in Attack::ALL {
            assert_eq!(attack.name().parse::<Attack>().unwrap(), attack);
        }
        assert!("SYN".parse::<Attack>().is_err());
    }

    #[test]
    fn no_two_attacks_share_their_strangers() {
        let strangers = Attack::ALL.into_iter().flat_map(|attack| (0..8).map(move |number| stranger(attack, number)));
        assert_eq!(strangers.collect::<HashSet<_>>().len(), Attack::ALL.len() * 8);
    }
}
