//! What belongs to the office, carried out of it.

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot, lair};
use crate::activity::{Activity, Plan};
use crate::benign::names;
use crate::content::Content;
use crate::network::{Host, Site};
use crate::protocol::ssh::Login;
use crate::protocol::{ftp, ssh, tls};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Turn};
use crate::wire::{Endpoint, System};

/// One large upload from a workstation.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let host = scene.network.insider(attack as usize).clone();
    let (name, megabytes) = match attack {
        Attack::FtpExfiltration => ("ftp.bittern.example", 150),
        Attack::SshExfiltration => ("vps.wryneck.example", 150),
        _ => ("drop.nightjar.example", 200),
    };
    let site = lair(attack, name);
    let (attacker, place) = (host.v4.into(), site.v4.into());
    let Occasion { start, room, mut random } = by_night(scene, occasion);
    // Where there is little time, there is less to carry.
    let share = (room.as_secs_f64() / 600.0).min(1.0);
    let bytes = (random.within(0.9..1.1) * share * f64::from(megabytes) * 1e6) as u64;
    let mut plan = Plan::default();
    let activity = match attack {
        Attack::FtpExfiltration => transfer(scene, &host, &site, start, bytes, random),
        _ => {
            let known = names::lookup(&mut plan, &scene.network, &mut random, &host, &site, start);
            let upload = if attack == Attack::SshExfiltration { copy } else { put };
            plan.start(known, upload(scene, &host, &site, known, bytes, random));
            plan.activity()
        }
    };
    Plot::whole(attack, vec![attacker], vec![place], activity)
}

/// Over HTTPS, in pieces.
pub(super) fn put(scene: &Scene, host: &Host, site: &Site, time: Time, bytes: u64, mut random: Random) -> Activity {
    let mut script = tls::handshake(&mut random, &site.name);
    for piece in pieces(bytes, 16_000_000) {
        script.push(Turn::ask(random.seconds(0.02..0.4), Content::Records(piece)));
        script.push(Turn::answer(random.seconds(0.02..0.2), Content::Records(220)));
    }
    let ends = (host.endpoint(), scene.network.outside(site.v4.into()));
    Connection::new(ends, (random.port(), 443), time, script).activity(random)
}

/// By secure copy; the server widens its window now and then.
fn copy(scene: &Scene, host: &Host, site: &Site, time: Time, bytes: u64, mut random: Random) -> Activity {
    let mut script = ssh::login(&mut random, ssh::OPENSSH, &[(Duration::from_millis(5), Login::Accepted)]);
    for piece in pieces(bytes, 2_000_000) {
        script.push(Turn::ask(Duration::from_micros(300), Content::noise(piece)));
        script.push(Turn::answer(Duration::from_micros(500), Content::noise(36)));
    }
    let to = Endpoint { system: System::Linux, ..scene.network.outside(site.v4.into()) };
    Connection::new((host.endpoint(), to), (random.port(), ssh::PORT), time, script).activity(random)
}

/// By file transfer: the orders over one connection, the file over another one, to a port that the server names.
fn transfer(scene: &Scene, host: &Host, site: &Site, time: Time, bytes: u64, mut random: Random) -> Activity {
    let to = scene.network.outside(site.v4.into());
    let ends = (host.endpoint(), to);
    let passive = random.within(40_000..50_000);
    let trip = to.latency + ends.0.latency;
    // As long as it takes at forty segments a round trip.
    let during = trip * (bytes / 40 / 1_460) as u32;
    let script = ftp::store("guest", "projects.7z", (site.v4, passive), trip, during);
    let mut plan = Plan::default();
    plan.start(time, Connection::new(ends, (random.port(), ftp::PORT), time, script).activity(random.fork()));
    let data = time + trip * 8 + Duration::from_millis(60);
    let script = vec![Turn::ask(trip * 2, Content::noise(bytes))];
    plan.start(data, Connection::new(ends, (random.port(), passive), data, script).activity(random.fork()));
    plan.activity()
}

fn pieces(bytes: u64, largest: u64) -> impl Iterator<Item = u64> {
    (0..bytes.div_ceil(largest)).map(move |piece| largest.min(bytes - piece * largest))
}

/// The next night, if the simulation lasts that long.
fn by_night(scene: &Scene, mut occasion: Occasion) -> Occasion {
    let day = 86_400_000_000_000;
    let midnight = Time::from_nanoseconds((occasion.start.nanoseconds().div_euclid(day) + 1) * day);
    let night = midnight + occasion.random.seconds(3_600.0..12_600.0);
    let dawn = night + Duration::from_secs(1_800);
    if dawn < scene.end { Occasion { start: night, room: dawn.since(night), ..occasion } } else { occasion }
}
