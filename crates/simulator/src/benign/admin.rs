//! Those who keep the machines running: shells, desktops, nightly jobs.

use std::sync::Arc;

use flow::{Duration, Time};

use crate::activity::{Activity, Pace, Plan, habit, timetable};
use crate::content::Content;
use crate::network::{Host, Network};
use crate::protocol::ssh::{self, Login};
use crate::protocol::{rdp, winrm};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};
use crate::wire::{self, Echo};

/// Two administrators and their automation; everyone's remote desktops.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let mut habits = vec![automation(scene), mistyping(scene)];
    for host in &scene.network.workstations[..2] {
        habits.push(shells(scene, host));
        habits.push(pings(scene, host));
        habits.push(management(scene, host));
    }
    for host in scene.network.workstations.iter().step_by(3) {
        habits.push(desktops(scene, host));
    }
    habits
}

fn shells(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("shells {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_000)), random, scene.span(), move |random, time| {
        let typing = random.seconds(1.5..6.0);
        session(&network, &host, random, time, &[(typing, Login::Accepted)])
    })
}

/// A password or two mistyped before the right one: two or three times an hour, by whoever it may be.
fn mistyping(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    let pace = Pace::Random(Duration::from_secs(1_500));
    habit(pace, scene.random("mistyping"), scene.span(), move |random, time| {
        let mut attempts = vec![(random.seconds(2.0..7.0), Login::Refused); random.within(1..3)];
        attempts.push((random.seconds(3.0..9.0), Login::Accepted));
        let host = network.insider(random.within(0..6)).clone();
        session(&network, &host, random, time, &attempts)
    })
}

/// A login to one of the servers, some commands, and out.
fn session(
    network: &Arc<Network>,
    host: &Host,
    random: &mut Random,
    time: Time,
    attempts: &[(Duration, Login)],
) -> Activity {
    let servers = [&network.shell, &network.web, &network.mail, &network.backup, &network.monitor];
    let server = *random.pick(&servers);
    let mut script = ssh::login(random, ssh::OPENSSH, attempts);
    let commands = random.within(2..14);
    script.extend(ssh::shell(random, commands));
    let ends = network.between(host, server, random);
    Connection::new(ends, (random.port(), ssh::PORT), time, script).activity(random.fork())
}

/// Every hour the developers' machine logs in to every server within a minute: a sweep that is meant.
fn automation(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    let (period, offset) = (Duration::from_secs(3_600), Duration::from_secs(1_800));
    timetable(period, offset, scene.random("automation"), scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let mut start = time;
        for server in network.servers().into_iter().filter(|server| server.open.contains(&ssh::PORT)) {
            start = start + random.seconds(1.0..6.0);
            let mut script = ssh::login(random, ssh::OPENSSH, &[(Duration::from_millis(4), Login::Accepted)]);
            for _ in 0..random.within(4..12) {
                script.push(Turn::ask(Duration::from_millis(30), Content::noise(random.within(60..900))));
                script.push(Turn::answer(random.seconds(0.02..0.6), Content::noise(random.size(400, 1.0, 9_000))));
            }
            let ends = (network.shell.endpoint(), server.endpoint());
            if server.v4 != network.shell.v4 {
                let connection = Connection::new(ends, (random.port(), ssh::PORT), start, script);
                plan.start(start, connection.activity(random.fork()));
            }
        }
        plan.activity()
    })
}

/// One server after the other by WinRM or a remote desktop, as those do who keep them: what it looks like when someone
/// goes from host to host who should.
fn management(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("management {}", host.name));
    habit(Pace::Working(Duration::from_secs(2_700)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let mut start = time;
        for server in [&network.files, &network.domain, &network.terminal] {
            let name = format!("{}.office.example", server.name);
            let (port, script) = if server.open.contains(&winrm::PORT) {
                let commands = random.within(2..7);
                (winrm::PORT, winrm::session(random, &name, commands))
            } else if server.open.contains(&rdp::PORT) {
                let mut script = rdp::login(random, &host.user(), &name);
                for _ in 0..random.within(40..200) {
                    script.push(Turn::ask(random.seconds(0.05..0.9), Content::Records(random.within(40..120))));
                    script.push(Turn::answer(
                        random.seconds(0.005..0.04),
                        Content::Records(random.size(700, 1.3, 60_000)),
                    ));
                }
                (rdp::PORT, script)
            } else {
                continue;
            };
            let ends = (host.endpoint(), server.endpoint());
            plan.start(start, Connection::new(ends, (random.port(), port), start, script).activity(random.fork()));
            start = start + random.seconds(20.0..120.0);
        }
        plan.activity()
    })
}

/// A desktop on the terminal server for some minutes: small records both ways, pictures back.
fn desktops(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("desktops {}", host.name));
    habit(Pace::Working(Duration::from_secs(4 * 3_600)), random, scene.span(), move |random, time| {
        let start = rdp::login(random, &host.user(), "terminal.office.example");
        let mut chance = random.fork();
        let rounds = random.within(150..1_200);
        let work = (0..rounds).flat_map(move |_| {
            let pause = chance.wait(Duration::from_millis(700));
            let asked = Turn::ask(pause, Content::Records(chance.within(40..120)));
            [asked, Turn::answer(chance.seconds(0.005..0.04), Content::Records(chance.size(700, 1.3, 60_000)))]
        });
        let ends = (host.endpoint(), network.terminal.endpoint());
        let connection = Connection::new(ends, (random.port(), rdp::PORT), time, Vec::new());
        let ending = Ending::Reset(Side::Originator);
        Connection { script: Box::new(start.into_iter().chain(work)), ending, ..connection }.activity(random.fork())
    })
}

/// Is it there? A few echo requests to one host, a second apart.
fn pings(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("pings {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_800)), random, scene.span(), move |random, time| {
        let target = if random.chance(0.5) {
            random.pick(&network.workstations).endpoint()
        } else {
            network.outside(network.site(random).v4.into())
        };
        let (from, id) = (host.endpoint(), random.id());
        let payload = *b"abcdefghijklmnopqrstuvwabcdefghi";
        let mut plan = Plan::default();
        for sequence in 0..random.within(4..12) {
            let asked = time + Duration::from_millis(1_010) * u32::from(sequence);
            plan.packet(asked, wire::echo(from, target, Echo::Request, id, sequence, &payload));
            let answered = asked + random.near(target.latency, 0.2);
            plan.packet(answered, wire::echo(target, from, Echo::Reply, id, sequence, &payload));
        }
        plan.activity()
    })
}
