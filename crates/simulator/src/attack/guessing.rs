//! Passwords tried one after the other.

use flow::Duration;

use super::{Attack, Occasion, Plot, hurried, stranger};
use crate::activity::{Activity, Plan, series};
use crate::content::Content;
use crate::protocol::ssh::Login;
use crate::protocol::{ftp, rdp, smb, ssh};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Side, Turn};
use crate::wire::{Endpoint, System};

/// The guessing of passwords for one service of one host.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let insider = network.insider(attack as usize).endpoint();
    let outsider = Endpoint { system: System::Linux, ..network.outside(stranger(attack, 0)) };
    let (from, target) = match attack {
        Attack::SshGuessing | Attack::FtpGuessing => (outsider, &network.shell),
        Attack::RdpGuessing => (insider, &network.terminal),
        Attack::SmbGuessing => (insider, &network.files),
        _ => (outsider, &network.mail),
    };
    let guessing = Guessing { ends: (from, target.endpoint()), occasion };
    let activity = match attack {
        Attack::SshGuessing => guessing.shells(),
        Attack::FtpGuessing => guessing.files(),
        Attack::RdpGuessing => guessing.desktops(),
        Attack::SmbGuessing => guessing.shares(),
        _ => guessing.slowly(),
    };
    Plot::whole(attack, vec![from.address], vec![target.v4.into()], activity)
}

pub(super) struct Guessing {
    pub(super) ends: (Endpoint, Endpoint),
    pub(super) occasion: Occasion,
}

impl Guessing {
    /// Four tasks side by side, each with four passwords a connection until the server has enough.
    pub(super) fn shells(mut self) -> Activity {
        let each = Duration::from_millis(9_800);
        let connections = ((self.occasion.room.as_secs_f64() / each.as_secs_f64()) as u64).clamp(2, 9);
        let gap = hurried(connections, each, self.occasion.room);
        let mut plan = Plan::default();
        for task in 0..4 {
            let first = 40_000 + task * 1_000;
            let start = self.occasion.start + self.occasion.random.seconds(0.0..0.3);
            let make = move |random: &mut Random, time, index| {
                let attempts = [(Duration::from_millis(3), Login::Refused); 4];
                let script = ssh::login(random, ssh::LIBSSH, &attempts);
                let connection = Connection::new(self.ends, (first + index as u16, ssh::PORT), time, script);
                Connection { ending: Ending::Close(Side::Responder), ..connection }.activity(random.fork())
            };
            let task =
                series(connections, start, self.occasion.random.fork(), move |random| random.near(gap, 0.05), make);
            plan.start(start, task);
        }
        plan.activity()
    }

    /// A connection now and then, a password or two in each.
    fn slowly(self) -> Activity {
        let count = (self.occasion.room.as_secs_f64() / 50.0).max(3.0) as u64;
        self.occasion.steps(count, Duration::from_secs(50), 0.25, move |random, time, _| {
            let attempts = vec![(Duration::from_millis(4), Login::Refused); random.within(1..3)];
            let script = ssh::login(random, ssh::LIBSSH, &attempts);
            Connection::new(self.ends, (random.within(33_000..60_000), ssh::PORT), time, script).activity(random.fork())
        })
    }

    /// Three passwords a connection.
    fn files(mut self) -> Activity {
        let count = 60;
        let first = self.occasion.random.within(33_000..50_000);
        self.occasion.steps(count, Duration::from_millis(1_200), 0.3, move |random, time, index| {
            let passwords: Vec<_> =
                (0..3).map(|_| format!("{}{}", random.pick(&WORDS), random.within(1..2_025))).collect();
            let script = ftp::refused("admin", &passwords, random.seconds(2.4..3.2));
            Connection::new(self.ends, (first + index as u16, ftp::PORT), time, script).activity(random.fork())
        })
    }

    /// One password a connection, which the server then aborts.
    fn desktops(mut self) -> Activity {
        let count = 150;
        let first = self.occasion.random.within(49_152..60_000);
        self.occasion.steps(count, Duration::from_millis(450), 0.3, move |random, time, index| {
            let mut script = rdp::login(random, "administrator", "terminal.office.example");
            script.push(Turn::answer(random.seconds(0.02..0.08), Content::Records(45)));
            let connection = Connection::new(self.ends, (first + index as u16, rdp::PORT), time, script);
            Connection { ending: Ending::Reset(Side::Responder), ..connection }.activity(random.fork())
        })
    }

    /// One password a connection.
    fn shares(mut self) -> Activity {
        let count = 300;
        let first = self.occasion.random.within(49_152..60_000);
        self.occasion.steps(count, Duration::from_millis(180), 0.3, move |random, time, index| {
            let script = smb::login(random, "administrator", Login::Refused);
            Connection::new(self.ends, (first + index as u16, smb::PORT), time, script).activity(random.fork())
        })
    }
}

const WORDS: [&str; 12] = [
    "password", "summer", "winter", "welcome", "admin", "letmein", "qwerty", "dragon", "monkey", "shadow", "secret",
    "office",
];
