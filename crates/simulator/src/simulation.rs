//! Everything that goes on, as one stream of packets in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;

use flow::{Duration, Time};

use crate::activity::{Activity, Event};
use crate::attack::{Attack, Lasts, Occasion};
use crate::benign;
use crate::error::Error;
use crate::network::Network;
use crate::scene::Scene;
use crate::settings::{LEAST_SNAP, MOST_HOURS, Settings};

/// The packets of an office, in the order of time.
///
/// Memory holds the activities under way, not the packets: a day takes no more than an hour.
///
/// ```
/// use simulator::{Settings, Simulation};
/// let settings = Settings { hours: 0.01, attacks: Vec::new(), ..Settings::default() };
/// let mut simulation = Simulation::new(&settings)?;
/// assert!(simulation.by_ref().count() > 100);
/// assert!(simulation.planted().is_empty());
/// # Ok::<(), simulator::Error>(())
/// ```
pub struct Simulation {
    /// The next event of each activity, earliest first.
    due: BinaryHeap<Reverse<Due>>,
    /// How many activities there have been.
    activities: u64,
    end: Time,
    snap: usize,
    planted: Vec<Planted>,
}

/// A packet on the wire of the office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it is seen.
    pub time: Time,
    /// The Ethernet frame, without its check sequence, or as much of it as is kept.
    pub bytes: Vec<u8>,
    /// The bytes of the whole frame.
    pub length: u32,
    /// The attack that it belongs to, as its index in [`Simulation::planted`]; answers of the victim belong to it too.
    pub planted: Option<usize>,
}

/// An attack as it took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What was done.
    pub attack: Attack,
    /// What a detector should call it: that of the attack, or of this part of a campaign.
    pub behaviour: &'static str,
    /// Who did it, infected machines of the office among them; empty where the sources are invented, or hosts that were
    /// used without their knowledge.
    pub attackers: Vec<IpAddr>,
    /// Whom it was done to; of sweeps, those that exist; of calls home and their kin, whom they were made to.
    pub victims: Vec<IpAddr>,
    /// Its first packet.
    pub start: Time,
    /// Its last packet so far.
    pub end: Time,
    /// Its packets so far, answers of the victims among them.
    pub packets: u64,
}

impl Simulation {
    /// A simulation that has not begun.
    pub fn new(settings: &Settings) -> Result<Simulation, Error> {
        if !(Network::FEWEST..=Network::MOST).contains(&settings.hosts) {
            return Err(Error::Hosts { hosts: settings.hosts });
        }
        if !(settings.hours > 0.0 && settings.hours <= MOST_HOURS) {
            return Err(Error::Hours { hours: settings.hours });
        }
        let length = Duration::from_secs_f64(settings.hours * 3_600.0);
        let network = Arc::new(Network::new(settings.hosts));
        let scene = Scene { network, start: settings.start, end: settings.start + length, seed: settings.seed };
        let snap = settings.snap.unwrap_or(usize::MAX);
        if snap < LEAST_SNAP {
            return Err(Error::Snap { snap });
        }
        let mut simulation =
            Simulation { due: BinaryHeap::new(), activities: 0, end: scene.end, snap, planted: Vec::new() };
        for habit in benign::habits(&scene) {
            simulation.begin(habit, None);
        }
        if let Some(at) = settings.shift_at {
            if !(0.0..settings.hours).contains(&at) {
                return Err(Error::Shift { at, hours: settings.hours });
            }
            for habit in benign::shift::habits(&scene, scene.start + Duration::from_secs_f64(at * 3_600.0)) {
                simulation.begin(habit, None);
            }
        }
        simulation.plant(&scene, length, &settings.attacks);
        Ok(simulation)
    }

    /// The attacks, in the order asked for, as far as they have come: complete once all packets have been taken.
    ///
    /// A campaign is several: one for each of its parts, in the order in which they take place.
    pub fn planted(&self) -> &[Planted] {
        &self.planted
    }

    /// Gives each attack its time: brief ones in turn, long ones in turn beside them, the others all along.
    fn plant(&mut self, scene: &Scene, length: Duration, attacks: &[Attack]) {
        let lasting = |lasts| attacks.iter().filter(|attack| attack.lasts() == lasts).count().max(1) as f64;
        let brief = length.mul_f64(0.9 / lasting(Lasts::Brief));
        let long = length.mul_f64(0.56 / lasting(Lasts::Long));
        let first = scene.start + length.mul_f64(0.04);
        let mut turns = [0, 0];
        for (index, &attack) in attacks.iter().enumerate() {
            let mut random = scene.random(&format!("{attack} {index}"));
            let mut turn = |place: usize, slot: Duration| {
                turns[place] += 1;
                first + slot * (turns[place] - 1) + slot.mul_f64(random.within(0.0..0.2))
            };
            let (start, room) = match attack.lasts() {
                Lasts::Brief => {
                    let start = turn(0, brief);
                    // They may overlap a little: attackers do not queue.
                    (start, brief.max(length.mul_f64(0.05)).min(scene.end.since(start).mul_f64(0.8)))
                }
                Lasts::Long => (turn(1, long), length.mul_f64(0.3)),
                Lasts::Throughout => (first, length.mul_f64(0.9)),
            };
            for plot in attack.plots(scene, Occasion { start, room, random }) {
                let planted = self.planted.len();
                self.planted.push(Planted {
                    attack,
                    behaviour: plot.behaviour,
                    attackers: plot.attackers,
                    victims: plot.victims,
                    start,
                    end: start,
                    packets: 0,
                });
                self.begin(plot.activity, Some(planted));
            }
        }
    }

    fn begin(&mut self, activity: Activity, planted: Option<usize>) {
        self.activities += 1;
        self.resume(self.activities, activity, planted);
    }

    fn resume(&mut self, order: u64, mut activity: Activity, planted: Option<usize>) {
        if let Some((time, event)) = activity.next() {
            self.due.push(Reverse(Due { time, order, event, rest: activity, planted }));
        }
    }
}

impl Iterator for Simulation {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        loop {
            let Reverse(due) = self.due.pop()?;
            if due.time >= self.end {
                self.due.clear();
                return None;
            }
            self.resume(due.order, due.rest, due.planted);
            match due.event {
                Event::Start(activity) => self.begin(activity, due.planted),
                Event::Packet(mut bytes) => {
                    if let Some(planted) = due.planted.map(|index| &mut self.planted[index]) {
                        planted.start = if planted.packets == 0 { due.time } else { planted.start };
                        planted.end = due.time;
                        planted.packets += 1;
                    }
                    let length = bytes.len() as u32;
                    bytes.truncate(self.snap);
                    return Some(Packet { time: due.time, bytes, length, planted: due.planted });
                }
            }
        }
    }
}

/// The next event of an activity, and what follows it.
struct Due {
    time: Time,
    /// Of two at the same time, the activity that began first goes first.
    order: u64,
    event: Event,
    rest: Activity,
    planted: Option<usize>,
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.time, self.order).cmp(&(other.time, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}
