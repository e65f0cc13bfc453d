//! What first payloads tell in public captures: counts that tshark 4.0 gives too. The captures are in `data/pcaps` of the
//! folder that LAPWING_SHARED names, else of `shared` beside the workspace. Where it is absent the tests are shown as
//! ignored.

use std::path::{Path, PathBuf};

use flow::{Application, Flow};
use libtest_mimic::{Arguments, Failed, Trial};
use meter::Settings;
use source::{Batch, Input, Source};

/// Of each capture: flows of DNS and questions in them, of HTTP with a request, of TLS and names in them, of QUIC.
const COUNTS: &[(&str, [u64; 6])] = &[
    ("ndpi_443-firefox.pcap", [0, 0, 0, 1, 1, 0]),
    ("ndpi_netflix.pcap", [12, 14, 26, 20, 20, 0]),
    ("ndpi_teams.pcap", [22, 23, 0, 38, 38, 0]),
    ("ndpi_alexa-app.pcapng", [31, 31, 19, 88, 82, 0]),
    ("ndpi_dns_tunnel_iodine.pcap", [1, 222, 0, 0, 0, 0]),
    ("ndpi_youtube_quic.pcap", [0, 0, 0, 0, 0, 3]),
    ("slips_test7_malicious.pcap", [29, 911, 0, 0, 0, 0]),
    ("slips_beacon_2s.pcap.gz", [0, 0, 0, 299, 299, 0]),
    ("ppa_http_espn.pcapng", [14, 14, 25, 0, 0, 0]),
    ("cicddos2019_webddos.pcap", [0, 0, 116, 0, 0, 0]),
];
/// Flows of protocols that are told by name.
const NAMES: &[(&str, &str, usize)] = &[
    ("zeek_ftp_bruteforce.pcap", "ftp", 30),
    ("zeek_rdp.pcap", "rdp", 2),
    ("zeek_smb2.pcap", "smb", 1),
    ("suricata_psexec_add_user.pcap", "smb", 4),
    ("ndpi_teams.pcap", "stun", 12),
    ("ndpi_emotet.pcap", "smtp", 1),
];
/// A flow's server and fingerprint, computed apart from the fields that tshark shows.
const HELLO: (&str, &str, &str) = ("ndpi_443-firefox.pcap", "www.ntop.org", "t13d1814h2_29a2cd9e9f10_d267a5f792d4");

fn main() {
    let arguments = Arguments::from_args();
    let folder = folder();
    let is_missing = !folder.is_dir();
    let mut trials = Vec::new();
    for &(file, expected) in COUNTS {
        let path = folder.join(file);
        trials.push(Trial::test(format!("{file}_tells_what_its_packets_say"), move || check_counts(&path, expected)));
    }
    for &(file, name, expected) in NAMES {
        let path = folder.join(file);
        trials.push(Trial::test(format!("{file}_has_{expected}_of_{name}"), move || {
            let found = read(&path)?.iter().filter(|flow| told(flow).is_some_and(|told| told.name() == name)).count();
            if found == expected { Ok(()) } else { Err(format!("{found}").into()) }
        }));
    }
    let path = folder.join(HELLO.0);
    trials.push(Trial::test("a_browser_has_its_fingerprint", move || {
        let flows = read(&path)?;
        let is_it = |flow: &Flow| {
            matches!(told(flow), Some(Application::Tls(tls))
                if tls.server_name.as_deref() == Some(HELLO.1) && tls.ja4.as_deref() == Some(HELLO.2))
        };
        if flows.iter().any(is_it) { Ok(()) } else { Err("it has not".into()) }
    }));
    let path = folder.join("zeek_ftp_bruteforce.pcap");
    trials.push(Trial::test("each_guess_of_a_password_is_a_failed_log_in", move || {
        let failed: u32 =
            read(&path)?.iter().filter_map(|flow| flow.content.as_ref()).map(|told| told.num_failed_logins).sum();
        if failed == 30 { Ok(()) } else { Err(format!("{failed}").into()) }
    }));
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(is_missing)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn check_counts(path: &Path, expected: [u64; 6]) -> Result<(), Failed> {
    let mut counts = [0; 6];
    for flow in &read(path)? {
        match told(flow) {
            Some(Application::Dns(dns)) => {
                counts[0] += 1;
                counts[1] += u64::from(dns.queries);
            }
            Some(Application::Http(http)) if !http.method.is_empty() => counts[2] += 1,
            Some(Application::Tls(tls)) => {
                counts[3] += 1;
                counts[4] += u64::from(tls.server_name.is_some());
            }
            Some(Application::Quic(_)) => counts[5] += 1,
            _ => {}
        }
    }
    if counts == expected { Ok(()) } else { Err(format!("{counts:?}").into()) }
}

fn told(flow: &Flow) -> Option<&Application> {
    flow.application.as_deref()
}

fn read(path: &Path) -> Result<Vec<Flow>, Failed> {
    let mut input = Input::open(&[path.to_owned()], Settings { content: true, ..Settings::default() })?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    Ok(batch.flows)
}

fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data/pcaps")
}
