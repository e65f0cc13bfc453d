//! False addresses on the wire.

use std::net::Ipv4Addr;

use flow::Duration;

use super::{Attack, Occasion, Plot};
use crate::activity::{Activity, Plan};
use crate::network::Host;
use crate::scene::Scene;
use crate::wire::{self, Arp};

/// A workstation between another one and the gateway.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let (attacker, victim) = (network.insider(attack as usize), network.insider(attack as usize + 5));
    let activity = poison(attacker.clone(), [victim.clone(), network.gateway.clone()], occasion);
    Plot::whole(attack, vec![attacker.v4.into()], vec![victim.v4.into(), network.gateway.v4.into()], activity)
}

/// Asks both where they are, then tells each every two seconds that the other is here; sets it right at the end.
fn poison(attacker: Host, [victim, gateway]: [Host; 2], occasion: Occasion) -> Activity {
    let here = (attacker.mac, attacker.v4);
    let lies = occasion.room.min(Duration::from_secs(900)).as_secs() / 2;
    let every = Duration::from_secs(2);
    occasion.steps(lies.max(10) + 5, every, 0.002, move |_, time, index| {
        let mut plan = Plan::default();
        if index == 0 {
            for host in [&victim, &gateway] {
                plan.packet(time, wire::arp(Arp::Request, here, (wire::BROADCAST, host.v4)));
                let answered = time + host.endpoint().latency;
                plan.packet(answered, wire::arp(Arp::Reply, (host.mac, host.v4), here));
            }
        }
        let told = time + Duration::from_millis(3);
        for (to, other) in [(&victim, &gateway), (&gateway, &victim)] {
            let mac = if index >= lies.max(10) { other.mac } else { attacker.mac };
            plan.packet(told, told_by(attacker.mac, (mac, other.v4), to));
        }
        plan.activity()
    })
}

/// A reply that nobody asked for, from one machine about another.
fn told_by(sender: wire::Mac, claim: (wire::Mac, Ipv4Addr), to: &Host) -> Vec<u8> {
    let mut frame = wire::arp(Arp::Reply, claim, (to.mac, to.v4));
    frame[6..12].copy_from_slice(&sender);
    frame
}
