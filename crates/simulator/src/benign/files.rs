//! Files: shared, printed and saved.

use flow::Duration;

use crate::activity::{Activity, Pace, habit, timetable};
use crate::content::Content;
use crate::network::Host;
use crate::protocol::smb;
use crate::protocol::ssh::Login;
use crate::protocol::tls;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};

/// Shares and printers by day, backups by night.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let mut habits = vec![offsite(scene)];
    for host in &scene.network.workstations {
        habits.push(sharing(scene, host));
        habits.push(printing(scene, host));
    }
    let network = &scene.network;
    for (order, (host, megabytes)) in
        [(&network.files, 260), (&network.mail, 90), (&network.web, 20), (&network.shell, 60)].into_iter().enumerate()
    {
        habits.push(saving(scene, host, order as u64, megabytes));
        habits.push(journal(scene, host, order as u64));
    }
    habits
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

fn upload(bytes: u64) -> Vec<Turn> {
    let quick = Duration::from_millis(2);
    vec![
        Turn::answer(quick, "@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n"),
        Turn::ask(quick, "@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\nvault\n"),
        Turn::answer(quick, "@RSYNCD: OK\n"),
        Turn::ask(Duration::from_millis(40), Content::noise(bytes)),
        Turn::answer(Duration::from_millis(20), Content::noise(400)),
    ]
}
