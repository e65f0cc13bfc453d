//! The behaviours on public captures with ground truth: `data/pcaps` under `LAPWING_SHARED`, or under `../shared` beside
//! the clone. Where they are not there the tests show themselves as ignored.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alert::{Alert, Severity};
use libtest_mimic::{Arguments, Failed, Trial};
use sensor::run::{self, Settings};
use source::Input;

/// What is in each capture: a behaviour with the host that the alert must name (the attacker, or the victim where
/// sources are spoofed) and the technique that it must have, or nothing that anybody claims to be an attack.
const TRUTH: &str = include_str!("../../../bench/captures.csv");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = shared().join("data/pcaps");
    let is_missing = !folder.is_dir();
    if is_missing {
        eprintln!("the public captures are not in {}: their tests are ignored", folder.display());
    }
    let mut tests = Vec::new();
    let mut benign = Vec::new();
    for line in TRUTH.lines().skip(1) {
        let [file, behaviour, role, address, technique] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("five columns are wanted in {line}");
        };
        let path = folder.join(file);
        if behaviour == "benign" {
            benign.push(path);
            continue;
        }
        let name = format!("{file} is a {behaviour} with {role} {address}");
        let found = move || is_found(&path, behaviour, (role, address), technique);
        tests.push(Trial::test(name, found).with_ignored_flag(is_missing));
    }
    let name = format!("{} benign captures give at most one low alert and none above", benign.len());
    tests.push(Trial::test(name, move || are_quiet(&benign)).with_ignored_flag(is_missing));
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn is_found(path: &Path, behaviour: &str, (role, address): (&str, &str), technique: &str) -> Result<(), Failed> {
    let address: IpAddr = address.parse()?;
    let alerts = scan(path)?;
    let is_right = |alert: &Alert| {
        let named = alert.hosts.iter().any(|host| host.role.name() == role && host.address == address);
        let is_meant = alert.behaviour.name() == behaviour && alert.technique.is_some_and(|it| it.id() == technique);
        is_meant && alert.severity >= Severity::Medium && named
    };
    if alerts.iter().any(is_right) { Ok(()) } else { Err(format!("found only {alerts:#?}").into()) }
}

fn are_quiet(captures: &[PathBuf]) -> Result<(), Failed> {
    let mut low = Vec::new();
    for path in captures {
        for alert in scan(path)? {
            let what = format!("{}: {} {}", path.display(), alert.severity, alert.summary);
            match alert.severity {
                Severity::Info => {}
                Severity::Low => low.push(what),
                _ => return Err(what.into()),
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
