//! The behaviours on public captures with ground truth: `data/pcaps` under `LAPWING_SHARED`, or under `../shared` beside
//! the clone. Where they are not there the tests show themselves as ignored.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alert::{Alert, Role, Severity};
use libtest_mimic::{Arguments, Failed, Trial};
use sensor::run::{self, Settings};
use source::Input;

/// Capture, behaviour, and the host that the alert must name: the attacker, or the victim where sources are spoofed.
const ATTACKS: [(&str, &str, Role, &str); 21] = [
    ("nmap_syn_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("nmap_connect_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("nmap_fin_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("nmap_null_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("nmap_udp_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("nmap_version_scan.pcap", "port-scan", Role::Attacker, "192.168.1.10"),
    ("masscan_tcp_0_1000.pcap", "port-scan", Role::Attacker, "172.31.15.102"),
    ("nmap_80_all.pcap", "port-scan", Role::Attacker, "10.87.1.10"),
    ("ppa_port_scan_small.pcap", "port-scan", Role::Attacker, "10.100.25.14"),
    ("slips_icmp_sweep.pcap", "host-sweep", Role::Attacker, "192.168.1.109"),
    ("slips_test7_malicious.pcap", "host-sweep", Role::Attacker, "192.168.2.16"),
    ("slips_arp_scan.pcap", "arp-scan", Role::Attacker, "192.168.1.247"),
    ("suricata_syn_flood_synthetic.pcap", "syn-flood", Role::Attacker, "192.0.2.10"),
    ("suricata_syn_flood_synthetic.pcap", "syn-flood", Role::Victim, "198.51.100.5"),
    ("pkt.TCP.synflood.spoofed.pcap.gz", "syn-flood", Role::Victim, "10.10.10.10"),
    ("cicddos2019_webddos.pcap", "http-flood", Role::Attacker, "172.16.0.5"),
    ("cicddos2019_webddos.pcap", "http-flood", Role::Victim, "192.168.50.1"),
    ("amp.UDP.snmp.src161.pcapng", "reflection", Role::Victim, "10.10.10.10"),
    ("amp.UDP.isakmp.pcap", "reflection", Role::Victim, "10.10.10.10"),
    ("amp.TCP.reflection.SYNACK.pcap", "reflection", Role::Victim, "10.10.10.10"),
    ("zeek_ftp_bruteforce.pcap", "password-guessing", Role::Attacker, "192.168.56.1"),
];

/// Captures in which nobody claims an attack.
const BENIGN: [&str; 16] = [
    "whois.pcap",
    "zeek_web_bro_org.pcap",
    "zeek_wikipedia.pcap",
    "zeek_ftp_retr.pcap",
    "zeek_smb2.pcap",
    "zeek_rdp.pcap",
    "ndpi_443-firefox.pcap",
    "ndpi_alexa-app.pcapng",
    "ndpi_android.pcap",
    "ndpi_netflix.pcap",
    "ndpi_teams.pcap",
    "ndpi_youtube_quic.pcap",
    "ndpi_KakaoTalk_talk.pcap",
    "ppa_http_espn.pcapng",
    "ppa_http_google.pcapng",
    "ppa_http_dvwa_clearlogin.pcapng",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = shared().join("data/pcaps");
    let is_missing = !folder.is_dir();
    if is_missing {
        eprintln!("the public captures are not in {}: their tests are ignored", folder.display());
    }
    let attacks = ATTACKS.map(|(file, behaviour, role, address)| {
        let path = folder.join(file);
        let name = format!("{file} is a {behaviour} with {} {address}", role.name());
        Trial::test(name, move || is_found(&path, behaviour, role, address)).with_ignored_flag(is_missing)
    });
    let benign = Trial::test("benign captures give at most one low alert and none above", move || are_quiet(&folder))
        .with_ignored_flag(is_missing);
    libtest_mimic::run(&arguments, attacks.into_iter().chain([benign]).collect()).exit_code()
}

fn is_found(path: &Path, behaviour: &str, role: Role, address: &str) -> Result<(), Failed> {
    let address: IpAddr = address.parse()?;
    let alerts = scan(path)?;
    let is_right = |alert: &Alert| {
        let named = alert.hosts.iter().any(|host| host.role == role && host.address == address);
        alert.behaviour.name() == behaviour && alert.severity >= Severity::Medium && named
    };
    if alerts.iter().any(is_right) { Ok(()) } else { Err(format!("found only {alerts:#?}").into()) }
}

fn are_quiet(folder: &Path) -> Result<(), Failed> {
    let mut low = Vec::new();
    for file in BENIGN {
        for alert in scan(&folder.join(file))? {
            match alert.severity {
                Severity::Info => {}
                Severity::Low => low.push(format!("{file}: {}", alert.summary)),
                _ => return Err(format!("{file}: {} {}", alert.severity, alert.summary).into()),
            }
        }
    }
    if low.len() <= 1 { Ok(()) } else { Err(low.join("\n").into()) }
}

fn scan(path: &Path) -> Result<Vec<Alert>, Failed> {
    let mut input = Input::open(&[path.to_owned()], meter::Settings::default())?;
    Ok(run::scan(&mut input, None, &Settings::default(), |_| ())?.alerts)
}

fn shared() -> PathBuf {
    std::env::var_os("LAPWING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}
