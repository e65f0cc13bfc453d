//! Uniflows are paired into conversations (RFC 5103 s.3).
//!
//! Routers tell of each direction by itself, some of each packet twice (where it comes in and where it leaves), and
//! several routers on the path tell of the same packets. So each uniflow waits a while for the other direction; what
//! tells of the same direction at the same time is dropped and counted. A cloud's flow log tells of each direction once in
//! an interval, by one observer: see [`Telling`].
//!
//! **What silence means.** A uniflow that stays alone is known to be unanswered only where its exporter is known to see
//! answers: it has told of both directions of some conversation before, and looks at every packet. Otherwise the other
//! side's counts are unknown. Flow logs of a cloud may have skipped a record, or hold one kind of records only: there
//! nothing but the record itself shows that it met silence.

use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;

use flow::{Duration, Ended, Endpoint, Protocol, Time};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::uniflow::{FIN, Former, RST, Silence, Told, Uniflow};
use crate::Batch;

/// Uniflows that wait for the other direction, and conversations whose end was not seen.
pub(super) struct Biflows {
    telling: Telling,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    /// The latest entry of a pair of endpoints.
    index: HashTable<Place>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// In the order in which they came; some are gone.
    queue: VecDeque<Place>,
    clock: Time,
    /// Exporters that told of both directions of a conversation.
    seeing: BTreeSet<u32>,
    unfinished: HashMap<Pair, (u64, Former), RandomState>,
    /// The order in which they were last touched; some entries are out of date.
    touched: VecDeque<(u64, Pair)>,
    touches: u64,
}

/// How often a direction of a part of a conversation is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Telling {
    /// By several observers and in pieces, as routers tell: what is whole waits on, because more may come.
    #[default]
    Repeated,
    /// Once in an aggregation interval, as a cloud's flow log tells: both directions are a flow at once.
    Once,
}

/// Where an entry is; another one may have come there since.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    slot: u32,
    generation: u32,
}

struct Slot {
    entry: Option<Entry>,
    generation: u32,
}

/// A conversation, or a part of it, of which one direction was told, or both.
struct Entry {
    pair: Pair,
    hash: u64,
    arrived: Time,
    /// The entry of the same endpoints that came before it.
    previous: Option<Place>,
    first: Uniflow,
    second: Option<Uniflow>,
}

/// Two endpoints in numerical order and a protocol: the same for both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    low: u128,
    high: u128,
    /// The lower endpoint's port, the higher's, and the protocol: one word, because hashing goes by words.
    ports: u64,
    /// Observers whose conversations are apart.
    site: u64,
}

/// How a uniflow stands to another one of the same direction.
enum Relation {
    /// It tells of the same packets.
    Same(&'static str),
    /// It tells of further packets of the same time.
    More,
    /// It is another part.
    Apart,
}

impl Biflows {
    /// Nothing waits yet.
    pub(super) fn new(telling: Telling) -> Biflows {
        Biflows { telling, ..Biflows::default() }
    }

    /// Takes in a uniflow that was told at `now`; conversations that are whole, or waited long enough, go to `batch`.
    pub(super) fn observe(&mut self, uniflow: Uniflow, now: Time, batch: &mut Batch) {
        self.advance(now, batch);
        let pair = Pair::of(&uniflow);
        let hash = self.hasher.hash_one(pair);
        let latest = self.latest(hash, &pair);
        let uniflow = match self.join(latest, uniflow) {
            Joined::Taken => return,
            Joined::Dropped(reason) => return batch.skip(reason),
            Joined::Whole(place, newer, answer) => {
                if let Some(entry) = self.remove(place, newer) {
                    self.give_out(Entry { second: Some(answer), ..entry }, HasWaited::Yes, batch);
                }
                return;
            }
            Joined::Not(uniflow) => uniflow,
        };
        if self.slots.len() - self.free.len() >= MAX_ENTRIES {
            batch.note("conversations given out before they were whole, because too many waited", 1);
            self.give_out_oldest(HasWaited::No, batch);
        }
        if uniflow.reverse.is_some_and(|half| half.packets.or(half.bytes) > Some(0)) {
            self.sees(uniflow.observer.exporter);
        }
        self.wait(Entry { pair, hash, arrived: self.clock, previous: latest, first: uniflow, second: None });
    }

    /// Gives out all that waits.
    pub(super) fn finish(&mut self, batch: &mut Batch) {
        while self.give_out_oldest(HasWaited::Yes, batch) {}
        self.unfinished.clear();
        self.touched.clear();
        self.clock = Time::MIN;
    }

    /// Gives out what has waited long enough at `now`. A large step back gives out everything: files were put one after
    /// the other in another order than that of their times.
    pub(super) fn advance(&mut self, now: Time, batch: &mut Batch) {
        if self.clock.since(now) > STEP_BACK {
            self.finish(batch);
        }
        self.clock = self.clock.max(now);
        let wait = self.telling.wait();
        while let Some(oldest) = self.queue.front() {
            match self.entry(*oldest) {
                Some(entry) if self.clock.since(entry.arrived) <= wait => return,
                Some(_) => _ = self.give_out_oldest(HasWaited::Yes, batch),
                None => _ = self.queue.pop_front(),
            }
        }
    }

    fn latest(&self, hash: u64, pair: &Pair) -> Option<Place> {
        self.index.find(hash, |&place| self.entry(place).is_some_and(|entry| entry.pair == *pair)).copied()
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        let slot = self.slots.get(place.slot as usize)?;
        slot.entry.as_ref().filter(|_| slot.generation == place.generation)
    }

    fn entry_mut(&mut self, place: Place) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(place.slot as usize)?;
        slot.entry.as_mut().filter(|_| slot.generation == place.generation)
    }

    /// Makes the uniflow a part of the entry that it belongs to, if there is one among the latest of its endpoints: that
    /// of the same direction and time, or else the nearest that lacks this direction.
    fn join(&mut self, latest: Option<Place>, uniflow: Uniflow) -> Joined {
        let (mut at, mut newer) = (latest, None);
        let mut nearest: Option<((Duration, Duration), Place, Option<Place>)> = None;
        for _ in 0..MAX_PARTS {
            let telling = self.telling;
            let Some((place, entry)) = at.and_then(|place| Some((place, self.entry_mut(place)?))) else { break };
            let same_direction = entry.first.source == uniflow.source && entry.first.destination == uniflow.destination;
            let known = if same_direction { Some(&mut entry.first) } else { entry.second.as_mut() };
            match known.map(|known| (telling.relation(known, &uniflow), known)) {
                Some((Relation::Same(reason), _)) => return Joined::Dropped(reason),
                Some((Relation::More, known)) => {
                    known.merge(&uniflow);
                    return Joined::Taken;
                }
                Some((Relation::Apart, _)) => {}
                None => {
                    if let Some(distance) = telling.distance(&entry.first, &uniflow)
                        // Of equally near ones the oldest.
                        && nearest.is_none_or(|(least, ..)| distance <= least)
                    {
                        nearest = Some((distance, place, newer));
                    }
                }
            }
            (newer, at) = (at, entry.previous);
        }
        let Some((_, place, newer)) = nearest else { return Joined::Not(uniflow) };
        let telling = self.telling;
        let Some(entry) = self.entry_mut(place) else { return Joined::Not(uniflow) };
        if entry.first.reverse.is_some() {
            return Joined::Dropped(OTHER_OBSERVER);
        }
        if telling == Telling::Once {
            return Joined::Whole(place, newer, uniflow);
        }
        let exporter = uniflow.observer.exporter;
        let is_seen_by_one = entry.first.observer.exporter == exporter;
        entry.second = Some(uniflow);
        if is_seen_by_one {
            self.sees(exporter);
        }
        Joined::Taken
    }

    fn sees(&mut self, exporter: u32) {
        if self.seeing.len() < MAX_EXPORTERS {
            self.seeing.insert(exporter);
        }
    }

    /// Puts an entry into a free slot, as the latest of its endpoints.
    fn wait(&mut self, entry: Entry) {
        let (pair, hash) = (entry.pair, entry.hash);
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        let generation = match self.slots.get_mut(slot as usize) {
            Some(free) => {
                free.entry = Some(entry);
                free.generation
            }
            None => {
                self.slots.push(Slot { entry: Some(entry), generation: 0 });
                0
            }
        };
        let place = Place { slot, generation };
        self.queue.push_back(place);
        // Places of entries that became whole stay in the queue until they come to its front; they must not fill it.
        if self.queue.len() > 2 * MAX_ENTRIES {
            let slots = &self.slots;
            self.queue
                .retain(|place| slots.get(place.slot as usize).is_some_and(|slot| slot.generation == place.generation));
        }
        let slots = &self.slots;
        let at = |place: Place| slots.get(place.slot as usize).and_then(|slot| slot.entry.as_ref());
        match self.index.find_mut(hash, |&other| at(other).is_some_and(|entry| entry.pair == pair)) {
            Some(latest) => *latest = place,
            None => _ = self.index.insert_unique(hash, place, |&other| at(other).map_or(0, |entry| entry.hash)),
        }
    }

    /// Takes an entry out; `newer` is the one that came after it between the same endpoints.
    fn remove(&mut self, place: Place, newer: Option<Place>) -> Option<Entry> {
        let slot = self.slots.get_mut(place.slot as usize).filter(|slot| slot.generation == place.generation)?;
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(place.slot);
        let previous = entry.previous.filter(|previous| self.entry(*previous).is_some());
        if let Some(newer) = newer.and_then(|newer| self.entry_mut(newer)) {
            newer.previous = previous;
        } else if let Ok(mut found) = self.index.find_entry(entry.hash, |&latest| latest == place) {
            match previous {
                Some(previous) => *found.get_mut() = previous,
                None => _ = found.remove(),
            }
        }
        Some(entry)
    }

    /// Gives out the entry that waits longest; `false` where none waits.
    fn give_out_oldest(&mut self, has_waited: HasWaited, batch: &mut Batch) -> bool {
        while let Some(place) = self.queue.pop_front() {
            // The one that came after it finds its place empty.
            if let Some(entry) = self.remove(place, None) {
                self.give_out(entry, has_waited, batch);
                return true;
            }
        }
        false
    }

    /// Makes a flow of what was told.
    fn give_out(&mut self, entry: Entry, has_waited: HasWaited, batch: &mut Batch) {
        let former = self.unfinished.get(&entry.pair).map(|(_, former)| *former);
        let begins = entry.second.as_ref().map_or(entry.first.start, |second| second.start.min(entry.first.start));
        let former = former.filter(|former| {
            begins.since(former.end) <= NEAR && former.end.since(begins) <= OVERLAP && former.start <= begins
        });
        let silence = match self.telling {
            Telling::Once => Silence::Likely,
            Telling::Repeated => {
                let is_known = has_waited == HasWaited::Yes && self.seeing.contains(&entry.first.observer.exporter);
                if is_known { Silence::Known } else { Silence::Unknown }
            }
        };
        let told = Told { call: &entry.first, answer: entry.second.as_ref(), silence, former };
        let (flow, former) = told.flow();
        let goes_on = match flow.ended {
            Ended::Active => true,
            // The record does not say why it ended. Of TCP the flags do.
            Ended::Unknown => entry.pair.is_tcp() && former.flags.iter().any(Option::is_some) && !is_closing(&former),
            _ => false,
        };
        if goes_on {
            self.remember(entry.pair, former);
        } else {
            self.unfinished.remove(&entry.pair);
        }
        batch.flows.push(flow);
    }

    fn remember(&mut self, pair: Pair, former: Former) {
        self.touches += 1;
        self.unfinished.insert(pair, (self.touches, former));
        self.touched.push_back((self.touches, pair));
        while self.touched.len() > MAX_UNFINISHED {
            let Some((touch, pair)) = self.touched.pop_front() else { break };
            if self.unfinished.get(&pair).is_some_and(|(last, _)| *last == touch) {
                self.unfinished.remove(&pair);
            }
        }
    }
}

impl Default for Biflows {
    fn default() -> Biflows {
        Biflows {
            telling: Telling::default(),
            hasher: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            clock: Time::MIN,
            seeing: BTreeSet::new(),
            unfinished: HashMap::default(),
            touched: VecDeque::new(),
            touches: 0,
        }
    }
}

/// What became of a uniflow.
enum Joined {
    Taken,
    Dropped(&'static str),
    /// It is what the entry at this place lacked; after it came the other one.
    Whole(Place, Option<Place>, Uniflow),
    Not(Uniflow),
}

/// Whether an entry waited as long as the other direction may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasWaited {
    Yes,
    No,
}

impl Telling {
    /// How long a uniflow waits for the other direction.
    fn wait(self) -> Duration {
        match self {
            Telling::Repeated => WAIT,
            Telling::Once => INTERVAL + INTERVAL,
        }
    }

    /// How far the two directions of one conversation are apart: the time between them, then between their starts;
    /// `None` where they cannot be one.
    fn distance(self, one: &Uniflow, other: &Uniflow) -> Option<(Duration, Duration)> {
        let starts = one.start.since(other.start).max(other.start.since(one.start));
        let gap = one.start.since(other.end).max(other.start.since(one.end));
        let is_near = match self {
            Telling::Repeated => gap <= NEAR,
            Telling::Once => starts <= INTERVAL,
        };
        is_near.then_some((gap, starts))
    }

    /// How a uniflow stands to a known one of the same direction.
    fn relation(self, known: &Uniflow, new: &Uniflow) -> Relation {
        if self == Telling::Once {
            return Relation::Apart;
        }
        if known.observer == new.observer && known.repeats(new) {
            return Relation::Same("record sent twice");
        }
        if known.observer == new.observer {
            let overlaps = new.start < known.end && known.start < new.end;
            return if overlaps { Relation::More } else { Relation::Apart };
        }
        // Clocks of two exporters differ a little.
        let is_near = known.start.since(new.end) <= OVERLAP && new.start.since(known.end) <= OVERLAP;
        if is_near { Relation::Same(OTHER_OBSERVER) } else { Relation::Apart }
    }
}

impl Pair {
    fn of(uniflow: &Uniflow) -> Pair {
        let [one, other] = [uniflow.source, uniflow.destination].map(|end| (bits(end), end.port));
        let [low, high] = if one <= other { [one, other] } else { [other, one] };
        let protocol = uniflow.protocol.number().map_or(0x100, u64::from);
        Pair {
            low: low.0,
            high: high.0,
            ports: protocol << 32 | u64::from(low.1) << 16 | u64::from(high.1),
            site: uniflow.site,
        }
    }

    fn is_tcp(&self) -> bool {
        self.ports >> 32 == Protocol::Tcp.number().map_or(0, u64::from)
    }
}

fn bits(endpoint: Endpoint) -> u128 {
    match endpoint.address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn is_closing(former: &Former) -> bool {
    let has = |flags: Option<u8>, flag: u8| flags.is_some_and(|flags| flags & flag != 0);
    former.flags.iter().any(|flags| has(*flags, RST)) || former.flags.iter().all(|flags| has(*flags, FIN))
}

const OTHER_OBSERVER: &str = "record of packets that another interface or exporter told of";
/// How long a uniflow waits for the other direction: exporters look every few seconds for flows that ended, and one
/// direction may have ended sooner.
const WAIT: Duration = Duration::from_secs(60);
/// The most that lies between the two directions of one conversation, or between two parts of it.
const NEAR: Duration = Duration::from_secs(60);
/// By how much exporters' clocks may differ.
const OVERLAP: Duration = Duration::from_secs(2);
/// The largest interval over which a cloud's flow log can be set to sum up. Its records come in any order, so that two of
/// them pass until none is missing.
const INTERVAL: Duration = Duration::from_secs(600);
const STEP_BACK: Duration = Duration::from_secs(3600);
/// How many of the latest entries between two endpoints a uniflow may belong to: exporters send the two directions of a
/// part one after the other, and the next parts perhaps between them.
const MAX_PARTS: usize = 16;
/// Of some 400 bytes each.
const MAX_ENTRIES: usize = 1 << 18;
const MAX_UNFINISHED: usize = 1 << 16;
const MAX_EXPORTERS: usize = 1 << 16;
