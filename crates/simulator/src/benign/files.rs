//! Files: shared, printed and saved.

use flow::Duration;

use super::names;
use crate::activity::{Activity, Pace, Plan, habit, timetable};
use crate::content::Content;
use crate::network::Host;
use crate::protocol::ssh::Login;
use crate::protocol::tls::{self, Request};
use crate::protocol::{dcerpc, smb};
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};

/// Backups, by night and by the hour.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let mut habits = vec![offsite(scene)];
    let network = &scene.network;
    for (order, (host, megabytes)) in
        [(&network.files, 260), (&network.mail, 90), (&network.web, 20), (&network.shell, 60)].into_iter().enumerate()
    {
        habits.push(saving(scene, host, order as u64, megabytes));
        habits.push(journal(scene, host, order as u64));
    }
    habits
}

/// What a workstation reads, saves and prints.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![sharing(scene, host), listing(scene, host), printing(scene, host), synchronising(scene, host)]
}

/// Opening and saving documents on the file server.
fn sharing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("sharing {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_100)), random, scene.span(), move |random, time| {
        let mut script = smb::login(random, &host.user(), Login::Accepted);
        for _ in 0..random.within(4..28) {
            let small = random.within(90..420);
            let (asked, answered) = match random.within(0..10) {
                0 => (random.size(25_000, 1.2, 800_000), small),
                1..4 => (small, random.size(25_000, 1.2, 800_000)),
                _ => (small, random.within(90..900)),
            };
            script.push(Turn::ask(random.wait(Duration::from_millis(900)), smb::sealed(asked)));
            script.push(Turn::answer(random.seconds(0.000_2..0.004), smb::sealed(answered)));
        }
        let ends = network.between(&host, &network.files, random);
        let ending = if random.chance(0.2) { Ending::Reset(Side::Originator) } else { Ending::Close(Side::Originator) };
        Connection { ending, ..Connection::new(ends, (random.port(), smb::PORT), time, script) }.activity(random.fork())
    })
}

/// What shares are there? In the clear, over the pipe of a service (NetrShareEnum, MS-SRVS s.3.1.4.8).
fn listing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("listing {}", host.name));
    habit(Pace::Working(Duration::from_secs(2 * 3_600)), random, scene.span(), move |random, time| {
        let server = *random.pick(&[&network.files, &network.files, &network.terminal]);
        let mut session = smb::Session::open(random, &host.user());
        session.connect(&format!("\\\\{}.office.example\\IPC$", server.name));
        session.create("srvsvc");
        session.transact(&dcerpc::bind(&dcerpc::SHARES), &dcerpc::bound("srvsvc"));
        let shares: Vec<u8> = ["projects", "templates", "scans", "IPC$"].into_iter().flat_map(dcerpc::text).collect();
        session.transact(&dcerpc::call(2, 15, &dcerpc::text(&server.name)), &dcerpc::result(2, &shares));
        session.close();
        let ends = (host.endpoint(), server.endpoint());
        let script = session.turns();
        Connection::new(ends, (random.port(), smb::PORT), time, script).activity(random.fork())
    })
}

/// The documents of a person, copied to the drive outside that all use: now and then a large one.
fn synchronising(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("synchronising {}", host.name));
    habit(Pace::Working(Duration::from_secs(3_600)), random, scene.span(), move |random, time| {
        let site = &network.sites[13];
        let mut plan = Plan::default();
        let start = names::lookup(&mut plan, &network, random, &host, site, time);
        let bytes = random.size(400_000, 1.6, 60_000_000);
        let request = Request { after: Duration::from_millis(20), asked: bytes, answered: 260 };
        let script = tls::session(random, &site.name, &[request]);
        let connection = Connection::new(network.visit(&host, site), (random.port(), 443), start, script);
        plan.start(start, connection.activity(random.fork()));
        plan.activity()
    })
}

/// A document to the printer of the floor.
fn printing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("printing {}", host.name));
    habit(Pace::Working(Duration::from_secs(4_500)), random, scene.span(), move |random, time| {
        let printer = random.pick(&network.printers).endpoint();
        let document = random.size(120_000, 0.9, 4_000_000);
        let head = b"\x1b%-12345X@PJL JOB\r\n".to_vec();
        let script = vec![
            Turn::ask(Duration::from_millis(2), Content::Message { head, noise: document }),
            Turn::answer(random.seconds(0.5..3.0), "@PJL USTATUS JOB\r\nEND\r\n"),
        ];
        Connection::new((host.endpoint(), printer), (random.port(), 9_100), time, script).activity(random.fork())
    })
}

/// A server's nightly backup, one after the other from one o'clock on.
fn saving(scene: &Scene, host: &Host, order: u64, megabytes: u64) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("saving {}", host.name));
    let offset = Duration::from_secs(3_600 + order * 900);
    timetable(Duration::from_secs(86_400), offset, random, scene.span(), move |random, time| {
        let bytes = random.size(megabytes * 1_000_000, 0.1, megabytes * 2_000_000);
        let script = upload(bytes);
        let ends = (host.endpoint(), network.backup.endpoint());
        Connection::new(ends, (random.port(), 873), time, script).activity(random.fork())
    })
}

/// What a server has changed since the last hour.
fn journal(scene: &Scene, host: &Host, order: u64) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("journal {}", host.name));
    let offset = Duration::from_secs(1_020 + order * 40);
    timetable(Duration::from_secs(3_600), offset, random, scene.span(), move |random, time| {
        let script = upload(random.size(1_500_000, 0.4, 8_000_000));
        let ends = (host.endpoint(), network.backup.endpoint());
        Connection::new(ends, (random.port(), 873), time, script).activity(random.fork())
    })
}

/// The backup's copy outside the house: a large upload that is meant.
fn offsite(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    let (day, offset) = (Duration::from_secs(86_400), Duration::from_secs(3 * 3_600));
    timetable(day, offset, scene.random("offsite"), scene.span(), move |random, time| {
        let site = &network.sites[13];
        let bytes = random.size(180_000_000, 0.1, 400_000_000);
        let mut script = tls::handshake(random, &site.name);
        script.push(Turn::ask(Duration::from_millis(2), Content::Records(bytes)));
        script.push(Turn::answer(Duration::from_millis(80), Content::Records(300)));
        let ends = network.visit(&network.backup, site);
        Connection::new(ends, (random.port(), 443), time, script).activity(random.fork())
    })
}

/// So many bytes for the backup.
pub(super) fn upload(bytes: u64) -> Vec<Turn> {
    let quick = Duration::from_millis(2);
    vec![
        Turn::answer(quick, "@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n"),
        Turn::ask(quick, "@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\nvault\n"),
        Turn::answer(quick, "@RSYNCD: OK\n"),
        Turn::ask(Duration::from_millis(40), Content::noise(bytes)),
        Turn::answer(Duration::from_millis(20), Content::noise(400)),
    ]
}
