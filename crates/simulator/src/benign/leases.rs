//! Addresses of machines: taken when they come up, renewed while they run.

use std::net::Ipv4Addr;

use flow::{Duration, Time};

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::Host;
use crate::protocol::dhcp::{self, Kind, Lease};
use crate::random::Random;
use crate::scene::Scene;
use crate::wire::{self, Endpoint};

/// A workstation's address.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    vec![renewing(scene, host), starting(scene, host)]
}

/// Someone's address taken anew: everyone is asked, each server offers, the first offer is taken and kept.
pub(crate) fn acquire(client: Endpoint, offers: &[(Endpoint, Lease)], random: &mut Random, time: Time) -> Activity {
    let mut plan = Plan::default();
    let back = (dhcp::PORTS.1, dhcp::PORTS.0);
    for (index, (server, lease)) in offers.iter().enumerate() {
        // Before it has an address, a client hears what is sent to its Ethernet address (RFC 2131 s.4.1).
        let there = client.with_address(lease.address.into());
        let offered = time + server.latency + random.seconds(0.000_2..0.001);
        plan.packet(offered, wire::udp(*server, there, back, &lease.message(Kind::Offer)));
        if index == 0 {
            plan.packet(time, wire::udp(client, everyone(), dhcp::PORTS, &lease.message(Kind::Discover)));
            let asked = offered + Duration::from_millis(6);
            plan.packet(asked, wire::udp(client, everyone(), dhcp::PORTS, &lease.message(Kind::Request)));
            let kept = asked + server.latency;
            plan.packet(kept, wire::udp(*server, there, back, &lease.message(Kind::Acknowledgement)));
        }
    }
    plan.activity()
}

/// All machines on the wire.
pub(crate) fn everyone() -> Endpoint {
    Endpoint::group(Ipv4Addr::BROADCAST.into())
}

/// The lease of an address renewed (RFC 2131 s.4.3.2).
fn renewing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("addresses {}", host.name));
    habit(Pace::Random(Duration::from_secs(4 * 3_600)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let server = &network.domain;
        let lease = network.lease(host.mac, host.v4, random.word());
        let (ask, answer) = (lease.message(Kind::Renewal), lease.message(Kind::Acknowledgement));
        plan.exchange(time, (host.endpoint(), server.endpoint()), dhcp::PORTS, &ask, &answer);
        plan.activity()
    })
}

/// A machine comes up, or back to the network.
fn starting(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("starting {}", host.name));
    habit(Pace::Working(Duration::from_secs(6 * 3_600)), random, scene.span(), move |random, time| {
        let server = &network.domain;
        let lease = network.lease(host.mac, host.v4, random.word());
        let nobody = host.endpoint().with_address(Ipv4Addr::UNSPECIFIED.into());
        acquire(nobody, &[(server.endpoint(), lease)], random, time)
    })
}
