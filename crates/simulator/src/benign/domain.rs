//! The domain: tickets, directory, time and addresses.

use flow::Duration;

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::Host;
use crate::protocol::{kerberos, ldap, ntp};
use crate::scene::Scene;
use crate::tcp::Connection;

/// What servers and printers ask of the domain controller, and what that asks of the world.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let servers = scene.network.servers().into_iter().filter(|host| host.v4 != scene.network.domain.v4);
    let mut habits: Vec<Activity> = servers.chain(&scene.network.printers).map(|host| time(scene, host)).collect();
    habits.push(world_time(scene));
    habits
}

/// What a workstation asks of it.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![time(scene, host), tickets(scene, host), directory(scene, host)]
}

fn time(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("time {}", host.name));
    habit(Pace::Regular(Duration::from_secs(512)), random, scene.span(), move |random, time| {
        let ends = network.between(&host, &network.domain, random);
        let mut plan = Plan::default();
        plan.exchange(
            time,
            ends,
            (ntp::PORT, ntp::PORT),
            &ntp::request(time),
            &ntp::response(time, time + ends.1.latency),
        );
        plan.activity()
    })
}

fn world_time(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    habit(Pace::Regular(Duration::from_secs(64)), scene.random("world time"), scene.span(), move |random, time| {
        let mut plan = Plan::default();
        for site in &network.sites[20..23] {
            let asked = time + random.seconds(0.0..2.0);
            let ends = (network.domain.endpoint(), network.outside(site.v4.into()));
            let answer = ntp::response(asked, asked + ends.1.latency / 2);
            plan.exchange(asked, ends, (ntp::PORT, ntp::PORT), &ntp::request(asked), &answer);
        }
        plan.activity()
    })
}

fn tickets(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("tickets {}", host.name));
    habit(Pace::Working(Duration::from_secs(700)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let (ends, user) = ((host.endpoint(), network.domain.endpoint()), host.user());
        let service =
            *random.pick(&["krbtgt/OFFICE.EXAMPLE", "cifs/files.office.example", "host/terminal.office.example"]);
        let (ask, answer) = (kerberos::request(random, &user, service), kerberos::response(random, &user, service));
        plan.exchange(time, ends, (random.port(), kerberos::PORT), &ask, &answer);
        plan.activity()
    })
}

fn directory(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("directory {}", host.name));
    habit(Pace::Working(Duration::from_secs(1_300)), random, scene.span(), move |random, time| {
        let script = ldap::session(random, &host.user());
        let ends = network.between(&host, &network.domain, random);
        Connection::new(ends, (random.port(), ldap::PORT), time, script).activity(random.fork())
    })
}
