//! The behaviours on simulated traffic: each attack alone is named rightly, and an office without attacks is quiet.

use std::collections::BTreeSet;

use alert::{Alert, Role, Severity};
use meter::{Link, Meter};
use sensor::run::{self, Settings};
use simulator::{Attack, Planted, Simulation};
use source::{Batch, Error, Source};

/// A simulation, metered.
struct Office {
    simulation: Simulation,
    meter: Meter,
}

impl Office {
    fn new(settings: &simulator::Settings) -> Office {
        let simulation = Simulation::new(settings).expect("these settings are within bounds");
        Office { simulation, meter: Meter::new(meter::Settings::default()) }
    }
}

impl Source for Office {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        for _ in 0..1000 {
            let Some(packet) = self.simulation.next() else {
                self.meter.finish(&mut batch.flows);
                return Ok(false);
            };
            self.meter.packet(Link::Ethernet, packet.time, &packet.bytes, packet.length, &mut batch.flows);
        }
        Ok(true)
    }
}

fn scan(settings: &simulator::Settings) -> (Vec<Planted>, Vec<Alert>) {
    let mut office = Office::new(settings);
    let outcome = run::scan(&mut office, None, &Settings::default(), |_| ()).expect("a simulation can be read");
    (office.simulation.planted().to_vec(), outcome.alerts)
}

#[test]
fn each_attack_alone_is_one_behaviour_of_the_right_host() {
    for &attack in Attack::LOUD {
        let settings = simulator::Settings { hours: 0.5, hosts: 20, attacks: vec![attack], ..Default::default() };
        let (planted, alerts) = scan(&settings);
        let planted = &planted[0];
        let loud: Vec<&Alert> = alerts.iter().filter(|alert| alert.severity > Severity::Low).collect();
        let behaviours: BTreeSet<&str> = loud.iter().map(|alert| alert.behaviour.name()).collect();
        assert_eq!(behaviours, BTreeSet::from([planted.behaviour]), "{attack}");
        let (role, hosts) = match planted.attackers.as_slice() {
            [] => (Role::Victim, &planted.victims),
            _ => (Role::Attacker, &planted.attackers),
        };
        let is_named =
            |alert: &&Alert| alert.hosts.iter().any(|host| host.role == role && hosts.contains(&host.address));
        assert!(loud.iter().all(is_named), "{attack}: {loud:#?}");
    }
}

#[test]
fn an_office_without_attacks_is_quiet() {
    for seed in 1..=3 {
        let settings = simulator::Settings { hours: 1.0, seed, attacks: Vec::new(), ..Default::default() };
        let (_, alerts) = scan(&settings);
        let loud: Vec<_> = alerts.iter().filter(|alert| alert.severity >= Severity::Low).collect();
        assert!(loud.is_empty(), "seed {seed}: {loud:#?}");
    }
}
