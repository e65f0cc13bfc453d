//! A whole intrusion, one step after the other.

use std::net::IpAddr;

use flow::Duration;

use super::guessing::Guessing;
use super::scan::Scan;
use super::sweep::{Sweep, branch};
use super::{Attack, Occasion, Plot, beacon, exfiltration, lair, lateral, stranger};
use crate::activity::{Activity, Plan};
use crate::protocol::ssh::{self, Login};
use crate::scene::Scene;
use crate::tcp::Connection;
use crate::wire::{Endpoint, SYN, System};

/// A stranger scans the developers' machine, guesses a password, logs in, sweeps the branch from there, takes over the
/// Windows machines, and has one of them call home and carry out what it finds.
///
/// All within six hours, and the sooner the less time there is.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let room = occasion.room.min(Duration::from_secs(6 * 3_600));
    let from = Endpoint { system: System::Linux, ..network.outside(stranger(attack, 0)) };
    let (entry, ends) = (&network.shell, (from, network.shell.endpoint()));
    let mut random = occasion.random;
    let mut part = |from: f64, to: f64| {
        let start = occasion.start + room.mul_f64(from);
        Occasion { start, room: room.mul_f64(to - from), random: random.fork() }
    };
    let stage = |kind: Attack, attackers: Vec<IpAddr>, victims: Vec<IpAddr>, activity: Activity| Plot {
        behaviour: kind.behaviour(),
        attackers,
        victims,
        activity,
    };

    let scan = Scan { ends, target: entry.clone(), occasion: part(0.0, 0.06) }.segments(SYN);
    let guesses = entry_by_force(ends, part(0.08, 0.16), part(0.17, 0.2));
    let sweep = Sweep { scene: scene.clone(), attacker: entry.clone(), occasion: part(0.22, 0.28) };
    let mut crossing = part(0.32, 0.5);
    let prey = lateral::prey(network, entry, 6, &mut crossing.random);
    let patient = prey.first().unwrap_or(&network.files).clone();
    let victims: Vec<IpAddr> = prey.iter().map(|host| host.v4.into()).collect();
    let taking = lateral::visits(entry, prey, lateral::service, crossing);
    let site = lair(attack, "api.sandpiper.example");
    let home: IpAddr = site.v4.into();
    let calls = beacon::calls(scene, patient.clone(), site.clone(), Duration::from_secs(60), part(0.5, 0.98));
    let out = part(0.75, 0.95);
    let bytes = (120e6 * (out.room.as_secs_f64() / 600.0).min(1.0)) as u64;
    let mut upload = Plan::default();
    upload.start(out.start, exfiltration::put(scene, &patient, &site, out.start, bytes, out.random));

    let (stranger, entry, patient) = (from.address, IpAddr::from(entry.v4), IpAddr::from(patient.v4));
    vec![
        stage(Attack::SynScan, vec![stranger], vec![entry], scan),
        stage(Attack::SshGuessing, vec![stranger], vec![entry], guesses),
        stage(Attack::TcpSweep, vec![entry], branch(network), sweep.shares()),
        stage(Attack::Psexec, vec![entry], victims, taking),
        stage(Attack::Beacon, vec![patient], vec![home], calls),
        stage(Attack::TlsExfiltration, vec![patient], vec![home], upload.activity()),
    ]
}

/// Passwords guessed, and the session that the right one opens.
fn entry_by_force(ends: (Endpoint, Endpoint), guesses: Occasion, session: Occasion) -> Activity {
    let mut plan = Plan::default();
    plan.start(guesses.start, Guessing { ends, occasion: guesses }.shells());
    let Occasion { start, mut random, .. } = session;
    let mut script = ssh::login(&mut random, ssh::LIBSSH, &[(Duration::from_millis(3), Login::Accepted)]);
    script.extend(ssh::shell(&mut random, 5));
    plan.start(start, Connection::new(ends, (60_022, ssh::PORT), start, script).activity(random));
    plan.activity()
}
