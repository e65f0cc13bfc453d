//! What goes wrong on any day: services that are down, servers that have gone.

use flow::Duration;

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::Host;
use crate::protocol::tls;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Opening, Side, Turn};

/// Connections that fail, at the rate at which they do.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    vec![lost_share(scene)]
}

/// What a workstation does not reach.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![refusals(scene, host), silence(scene, host)]
}

/// A service that does not run, tried again a moment later.
fn refusals(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("refusals {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_800)), random, scene.span(), move |random, time| {
        let servers = [&network.mail, &network.web, &network.shell];
        let server = *random.pick(&servers);
        let port = *random.pick(&[8_080, 8_443, 5_000, 631]);
        let port = if server.open.contains(&port) { 8_081 } else { port };
        let mut plan = Plan::default();
        for attempt in 0..random.within(1..4) {
            let start = time + Duration::from_millis(510) * attempt;
            let ends = (host.endpoint(), server.endpoint());
            let connection = Connection::new(ends, (random.port(), port), start, Vec::new());
            plan.start(start, Connection { opening: Opening::Refused, ..connection }.activity(random.fork()));
        }
        plan.activity()
    })
}

/// A place outside that does not answer, or hangs up in the middle of the handshake.
fn silence(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("silence {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_500)), random, scene.span(), move |random, time| {
        let site = random.pick(&network.sites);
        let ends = (host.endpoint(), network.outside(site.v4.into()));
        if random.chance(0.3) {
            let mut script = tls::handshake(random, &site.name);
            script.truncate(1);
            let connection = Connection::new(ends, (random.port(), 443), time, script);
            return Connection { ending: Ending::Reset(Side::Responder), ..connection }.activity(random.fork());
        }
        let mut plan = Plan::default();
        for attempt in 0..random.within(1..3) {
            let start = time + Duration::from_millis(250) * attempt;
            let connection = Connection::new(ends, (random.port(), 443), start, Vec::new());
            plan.start(start, Connection { opening: Opening::Unanswered, ..connection }.activity(random.fork()));
        }
        plan.activity()
    })
}

/// One machine that has been looking for a share in the branch ever since it was switched off.
fn lost_share(scene: &Scene) -> Activity {
    let (network, host) = (scene.network.clone(), scene.network.workstations[2].clone());
    let pace = Pace::Regular(Duration::from_secs(180));
    habit(pace, scene.random("lost share"), scene.span(), move |random, time| {
        let ends = (host.endpoint(), network.branch(78));
        let connection = Connection::new(ends, (random.port(), 445), time, Vec::<Turn>::new());
        Connection { opening: Opening::Unanswered, ..connection }.activity(random.fork())
    })
}
