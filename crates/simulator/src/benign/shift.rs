//! A change in the office that nobody means ill by: what a detector must notice and yet not call an attack.

use flow::{Duration, Time};

use super::{desk, files};
use crate::activity::{Activity, Pace, habit, timetable};
use crate::network::{Host, LEDGER_PORT};
use crate::protocol::tls::{self, Request};
use crate::scene::Scene;
use crate::tcp::Connection;

/// From a time on: a new department, and a new server that all poll and that is saved every night.
pub(crate) fn habits(scene: &Scene, from: Time) -> Vec<Activity> {
    let scene = Scene { start: from, ..scene.clone() };
    let (department, ledger) = (scene.network.department(), scene.network.ledger());
    let mut habits: Vec<Activity> = department.iter().flat_map(|host| desk(&scene, host)).collect();
    let everyone = scene.network.workstations.iter().chain(&department);
    habits.extend(everyone.map(|host| polling(&scene, host, &ledger)));
    habits.push(saving(&scene, &ledger));
    habits
}

/// What is new in the ledger? Every minute.
fn polling(scene: &Scene, host: &Host, ledger: &Host) -> Activity {
    let ends = (host.endpoint(), ledger.endpoint());
    let random = scene.random(&format!("ledger {}", host.name));
    habit(Pace::Regular(Duration::from_secs(60)), random, scene.span(), move |random, time| {
        let answered = if random.chance(0.1) { random.size(6_000, 1.0, 200_000) } else { 210 };
        let request = Request { after: Duration::from_millis(2), asked: 310, answered };
        let mut script = tls::session(random, "ledger.office.example", &[request]);
        if let Some(goodbye) = script.last_mut() {
            goodbye.after = Duration::from_millis(3);
        }
        Connection::new(ends, (random.port(), LEDGER_PORT), time, script).activity(random.fork())
    })
}

/// The ledger saved, at half past two.
fn saving(scene: &Scene, ledger: &Host) -> Activity {
    let ends = (ledger.endpoint(), scene.network.backup.endpoint());
    let (day, offset) = (Duration::from_secs(86_400), Duration::from_secs(9_000));
    timetable(day, offset, scene.random("saving ledger"), scene.span(), move |random, time| {
        let script = files::upload(random.size(300_000_000, 0.1, 600_000_000));
        Connection::new(ends, (random.port(), 873), time, script).activity(random.fork())
    })
}
