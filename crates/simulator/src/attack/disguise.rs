//! Protocols behind the ports of others.

use flow::Duration;

use super::{Attack, Occasion, Plot, stranger};
use crate::activity::Activity;
use crate::content::Content;
use crate::protocol::ssh::{self, Login};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Turn};
use crate::wire::{Endpoint, System};

/// A workstation that speaks to a place outside behind another protocol's port.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let from = scene.network.insider(attack as usize).endpoint();
    let to = Endpoint { system: System::Linux, ..scene.network.outside(stranger(attack, 0)) };
    let activity = match attack {
        Attack::SshOnWebPort => shells((from, to), occasion),
        _ => orders((from, to), occasion),
    };
    Plot::whole(attack, vec![from.address], vec![to.address], activity)
}

/// Secure shell on 443, as who wants past a firewall does: a few sessions of some minutes.
fn shells(ends: (Endpoint, Endpoint), occasion: Occasion) -> Activity {
    occasion.steps(4, Duration::from_secs(240), 0.3, move |random: &mut Random, time, _| {
        let mut script = ssh::login(random, ssh::OPENSSH, &[(Duration::from_millis(4), Login::Accepted)]);
        let commands = random.within(4..14);
        script.extend(ssh::shell(random, commands));
        Connection::new(ends, (random.port(), 443), time, script).activity(random.fork())
    })
}

/// Orders by HTTP in the clear on 22.
fn orders(ends: (Endpoint, Endpoint), mut occasion: Occasion) -> Activity {
    let count = occasion.count(Duration::from_secs(50), 12);
    let id = occasion.random.word();
    occasion.steps(count, Duration::from_secs(50), 0.6, move |random, time, index| {
        let ask = format!(
            "POST /gate.php HTTP/1.1\r\nHost: {}:22\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 7.0; Windows NT \
             6.1)\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 28\r\n\r\nid={id:08x}&turn={index:011}",
            ends.1.address
        );
        let orders = if random.chance(0.15) { random.size(5_000, 1.0, 80_000) } else { 2 };
        let head = format!("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: {orders}\r\nConnection: close\r\n\r\n");
        let script = vec![
            Turn::ask(Duration::from_millis(1), ask),
            Turn::answer(random.seconds(0.01..0.08), Content::Message { head: head.into_bytes(), noise: orders }),
        ];
        Connection::new(ends, (random.port(), 22), time, script).activity(random.fork())
    })
}
