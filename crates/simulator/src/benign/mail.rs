//! Mail: fetched, sent, received and passed on.

use flow::Duration;

use super::web::somewhere;
use crate::activity::{Activity, Pace, habit};
use crate::content::Content;
use crate::network::Host;
use crate::protocol::tls::{self, Request};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};
use crate::wire::Endpoint;

/// The server's exchange with the world.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    vec![incoming(scene), outgoing(scene)]
}

/// A person's mailbox.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![polling(scene, host), sending(scene, host)]
}

/// Looking for new mail every five minutes.
fn polling(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("polling {}", host.name));
    habit(Pace::Regular(Duration::from_secs(300)), random, scene.span(), move |random, time| {
        let fresh = if random.chance(0.3) { random.size(30_000, 1.2, 4_000_000) } else { 90 };
        let answers = [110, 70, 420, 95, fresh];
        let requests = answers.map(|answered| Request { after: Duration::from_millis(3), asked: 48, answered });
        let mut script = tls::session(random, "mail.office.example", &requests);
        if let Some(goodbye) = script.last_mut() {
            goodbye.after = Duration::from_millis(8);
        }
        let ends = network.between(&host, &network.mail, random);
        Connection::new(ends, (random.port(), 993), time, script).activity(random.fork())
    })
}

fn sending(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("sending {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_500)), random, scene.span(), move |random, time| {
        let ends = network.between(&host, &network.mail, random);
        Connection::new(ends, (random.port(), 587), time, delivery(random)).activity(random.fork())
    })
}

fn incoming(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    habit(Pace::Random(Duration::from_secs(45)), scene.random("incoming mail"), scene.span(), move |random, time| {
        let ends = (network.outside(somewhere(random)), network.mail.endpoint());
        exchange(ends, random, time)
    })
}

fn outgoing(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    let pace = Pace::Working(Duration::from_secs(60));
    habit(pace, scene.random("outgoing mail"), scene.span(), move |random, time| {
        let ends = (network.mail.endpoint(), network.outside(somewhere(random)));
        exchange(ends, random, time)
    })
}

fn exchange(ends: (Endpoint, Endpoint), random: &mut Random, time: flow::Time) -> Activity {
    let connection = Connection::new(ends, (random.port(), 25), time, delivery(random));
    Connection { ending: Ending::Close(Side::Responder), ..connection }.activity(random.fork())
}

/// One message: a greeting in the clear, then TLS (RFC 3207).
fn delivery(random: &mut Random) -> Vec<Turn> {
    let quick = Duration::from_millis(1);
    let mut script = vec![
        Turn::answer(random.seconds(0.005..0.3), "220 mail.office.example ESMTP Postfix\r\n"),
        Turn::ask(quick, "EHLO client.example\r\n"),
        Turn::answer(
            quick,
            "250-mail.office.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
        ),
        Turn::ask(quick, "STARTTLS\r\n"),
        Turn::answer(quick, "220 2.0.0 Ready to start TLS\r\n"),
    ];
    script.extend(tls::handshake(random, "mail.office.example"));
    for (asked, answered) in [(42, 150), (60, 36), (52, 36), (28, 40)] {
        script.push(Turn::ask(quick, Content::Records(asked)));
        script.push(Turn::answer(quick, Content::Records(answered)));
    }
    script.push(Turn::ask(quick, Content::Records(random.size(24_000, 1.3, 6_000_000))));
    script.push(Turn::answer(random.seconds(0.02..0.4), Content::Records(60)));
    script.push(Turn::ask(quick, Content::Records(28)));
    script
}
