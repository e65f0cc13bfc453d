//! A folder for one test, and things to put into a store.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};

use alert::{Alert, Behaviour, Evidence, Example, Fact, Facts, Host, Role, Severity, Technique};
use flow::{Duration, Endpoint, Flow, Key, Protocol, Time};
use store::Store;

/// A folder that goes when the test is over.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("lapwing-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn time(seconds: i64) -> Time {
    Time::from_nanoseconds(1_700_000_000_000_000_000) + Duration::from_secs(seconds.unsigned_abs())
}

pub(crate) fn key(number: u64) -> Key {
    let [a, b, c, d, ..] = number.to_le_bytes();
    Key {
        originator: Endpoint::new([10, c, b, a].into(), 40_000),
        responder: Endpoint::new([192, 0, 2, d].into(), 443),
        protocol: Protocol::Tcp,
    }
}

/// A flow that ends so many seconds after another.
pub(crate) fn flow(number: u64) -> Flow {
    let mut flow = Flow::between(key(number), time(0), time(number as i64));
    flow.originator.packets = Some(number);
    flow
}

/// An alert of that number: severity, behaviour, technique and hosts go round.
pub(crate) fn alert(number: u64) -> Alert {
    let kinds = [
        (Behaviour::PortScan, Some(Technique::NetworkServiceDiscovery)),
        (Behaviour::PasswordGuessing, Some(Technique::PasswordGuessing)),
        (Behaviour::Anomaly, None),
    ];
    let severities = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let (behaviour, technique) = kinds[number as usize % 3];
    let severity = severities[number as usize % 5];
    let subject = [10, 0, 0, (number % 7) as u8].into();
    let victim = [10, 1, 0, (number % 11) as u8].into();
    let hosts = vec![Host { address: subject, role: Role::Attacker }, Host { address: victim, role: Role::Victim }];
    let (start, end) = (time(number as i64), time(number as i64 + 60));
    let example = Example { start, key: key(number), state: None, packets: Some(1), bytes: Some(60) };
    let evidence = Evidence {
        behaviour,
        subject,
        hosts: hosts.clone(),
        start,
        end,
        severity,
        score: 0.1 + 1.0 / (number as f64 + 3.0),
        technique,
        flows: number,
        summary: format!("{subject} did it"),
        facts: Facts::from([("ports", Fact::Count(number)), ("rate", Fact::Number(0.1))]),
        examples: vec![example],
    };
    Alert {
        id: format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        subject,
        behaviour,
        start,
        end,
        severity,
        score: evidence.score,
        technique,
        hosts,
        flows: number,
        summary: evidence.summary.clone(),
        evidence: vec![evidence],
    }
}
