//! Addresses given away to nobody, or by nobody who should.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot};
use crate::activity::{Activity, Plan};
use crate::benign::leases;
use crate::network::{Host, Network};
use crate::protocol::dhcp::{self, Kind, Lease};
use crate::random::Random;
use crate::scene::Scene;
use crate::wire::{self, Endpoint, System};

/// An attack on the giving of addresses.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = scene.network.clone();
    match attack {
        Attack::DhcpStarvation => {
            Plot::whole(attack, Vec::new(), vec![network.domain.v4.into()], starve(network, occasion))
        }
        _ => {
            let rogue = network.insider(attack as usize).clone();
            let desks = network.workstations.iter().filter(|host| host.v4 != rogue.v4);
            let clients: Vec<Host> = desks.step_by(2).take(8).cloned().collect();
            let victims = clients.iter().map(|host| IpAddr::from(host.v4)).collect();
            Plot::whole(attack, vec![rogue.v4.into()], victims, mislead(network.clone(), rogue, clients, occasion))
        }
    }
}

/// Machines that do not exist ask for addresses, one after the other, until the server has none left.
fn starve(network: Arc<Network>, occasion: Occasion) -> Activity {
    occasion.steps(400, Duration::from_millis(140), 0.4, move |random, time, index| {
        let [_, _, c, d, e, f] = random.bytes(6)[..] else { unreachable!("six bytes are asked for") };
        let mac = [0xde, 0xad, c, d, e, f];
        let client = Endpoint {
            mac,
            address: Ipv4Addr::UNSPECIFIED.into(),
            hop_limit: 64,
            system: System::Linux,
            latency: Duration::from_micros(300),
        };
        let lease = network.lease(mac, pooled(index), random.word());
        if index < POOL {
            return leases::acquire(client, &[(network.domain.endpoint(), lease)], random, time);
        }
        let mut plan = Plan::default();
        plan.packet(time, wire::udp(client, leases::everyone(), dhcp::PORTS, &lease.message(Kind::Discover)));
        plan.activity()
    })
}

/// Machines come up, and two servers offer them an address: they take the first offer, whose gateway is its maker.
fn mislead(network: Arc<Network>, rogue: Host, clients: Vec<Host>, occasion: Occasion) -> Activity {
    occasion.steps(clients.len() as u64, Duration::from_secs(45), 0.8, move |random: &mut Random, time: Time, index| {
        let client = &clients[index as usize];
        let honest = network.lease(client.mac, client.v4, random.word());
        let here = rogue.v4;
        let false_one = Lease { server: here, router: here, names: here, ..honest };
        let from = client.endpoint().with_address(Ipv4Addr::UNSPECIFIED.into());
        let server = network.domain.endpoint();
        let slower = Endpoint { latency: server.latency + Duration::from_millis(2), ..server };
        leases::acquire(from, &[(rogue.endpoint(), false_one), (slower, honest)], random, time)
    })
}

/// The addresses that the server has to give.
fn pooled(index: u64) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 3, 30 + (index % POOL) as u8)
}

const POOL: u64 = 180;
