//! Uniflows are paired into conversations (RFC 5103 s.3).
//!
//! Routers tell of each direction by itself, some of each packet twice (where it comes in and where it leaves), and
//! several routers on the path tell of the same packets. So each uniflow waits a while for the other direction; what
//! tells of the same direction at the same time is dropped and counted.
//!
//! **What silence means.** A uniflow that stays alone is known to be unanswered only where its exporter is known to see
//! answers: it has told of both directions of some conversation before, and looks at every packet. Otherwise the other
//! side's counts are unknown.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;

use flow::{Duration, Ended, Endpoint, Protocol, Time};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::uniflow::{FIN, Former, RST, Told, Uniflow};
use crate::Batch;

/// Uniflows that wait for the other direction, and conversations whose end was not seen.
pub(super) struct Biflows {
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    /// Where the last entry of a pair of endpoints is, counted over all entries that ever were.
    index: HashTable<u64>,
    /// In the order in which they came.
    entries: VecDeque<Entry>,
    /// Entries that went.
    gone: u64,
    clock: Time,
    /// Exporters that told of both directions of a conversation.
    seeing: BTreeSet<u32>,
    unfinished: HashMap<Pair, (u64, Former)>,
    /// The order in which they were last touched; some entries are out of date.
    touched: VecDeque<(u64, Pair)>,
    touches: u64,
}

/// A conversation, or a part of it, of which one direction was told, or both.
struct Entry {
    pair: Pair,
    hash: u64,
    arrived: Time,
    /// The part of the same conversation that came before it.
    previous: Option<u64>,
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
    /// Takes in a uniflow that was told at `now`; conversations that waited long enough go to `batch`.
    pub(super) fn observe(&mut self, uniflow: Uniflow, now: Time, batch: &mut Batch) {
        self.advance(now, batch);
        let pair = Pair::of(&uniflow);
        let hash = self.hasher.hash_one(pair);
        let latest = self.latest(hash, &pair);
        // Exporters send the two directions of a part one after the other, and the next parts perhaps between them.
        let earlier = latest.and_then(|number| self.entry(number)?.previous);
        for number in [earlier, latest].into_iter().flatten() {
            match self.join(number, &uniflow) {
                Joined::Taken => return,
                Joined::Dropped(reason) => return batch.skip(reason),
                Joined::Not => {}
            }
        }
        if self.entries.len() >= MAX_ENTRIES {
            batch.note("conversations given out before they were whole, because too many waited", 1);
            self.give_out(false, batch);
        }
        if uniflow.reverse.is_some_and(|half| half.packets.or(half.bytes) > Some(0)) {
            self.sees(uniflow.observer.exporter);
        }
        let number = self.gone + self.entries.len() as u64;
        self.entries.push_back(Entry {
            pair,
            hash,
            arrived: self.clock,
            previous: latest.filter(|latest| *latest >= self.gone),
            first: uniflow,
            second: None,
        });
        let (entries, gone) = (&self.entries, self.gone);
        let position = |number: u64| (number - gone) as usize;
        match self.index.find_mut(hash, |&at| entries.get(position(at)).is_some_and(|entry| entry.pair == pair)) {
            Some(at) => *at = number,
            None => {
                let hash_of = |&at: &u64| entries.get(position(at)).map_or(0, |entry| entry.hash);
                self.index.insert_unique(hash, number, hash_of);
            }
        }
    }

    /// Gives out all that waits.
    pub(super) fn finish(&mut self, batch: &mut Batch) {
        while !self.entries.is_empty() {
            self.give_out(true, batch);
        }
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
        while self.entries.front().is_some_and(|entry| self.clock.since(entry.arrived) > WAIT) {
            self.give_out(true, batch);
        }
    }

    fn latest(&self, hash: u64, pair: &Pair) -> Option<u64> {
        self.index.find(hash, |&number| self.entry(number).is_some_and(|entry| entry.pair == *pair)).copied()
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.gone)?).ok()?)
    }

    /// Makes the uniflow a part of an entry, where it belongs to it.
    fn join(&mut self, number: u64, uniflow: &Uniflow) -> Joined {
        let Some(at) = number.checked_sub(self.gone) else { return Joined::Not };
        let Some(entry) = self.entries.get_mut(at as usize) else { return Joined::Not };
        let same_direction = entry.first.source == uniflow.source && entry.first.destination == uniflow.destination;
        let known = if same_direction { Some(&mut entry.first) } else { entry.second.as_mut() };
        let Some(known) = known else {
            let is_whole = entry.first.reverse.is_some();
            if !is_near(&entry.first, uniflow, NEAR) {
                return Joined::Not;
            }
            if is_whole {
                return Joined::Dropped(OTHER_OBSERVER);
            }
            let exporter = uniflow.observer.exporter;
            let is_seen_by_one = entry.first.observer.exporter == exporter;
            entry.second = Some(uniflow.clone());
            if is_seen_by_one {
                self.sees(exporter);
            }
            return Joined::Taken;
        };
        match relation(known, uniflow) {
            Relation::Same(reason) => Joined::Dropped(reason),
            Relation::More => {
                known.merge(uniflow);
                Joined::Taken
            }
            Relation::Apart => Joined::Not,
        }
    }

    fn sees(&mut self, exporter: u32) {
        if self.seeing.len() < MAX_EXPORTERS {
            self.seeing.insert(exporter);
        }
    }

    /// Gives out the entry that waits longest.
    fn give_out(&mut self, has_waited: bool, batch: &mut Batch) {
        let Some(entry) = self.entries.front() else { return };
        let number = self.gone;
        if let Ok(found) = self.index.find_entry(entry.hash, |&at| at == number) {
            found.remove();
        }
        let Some(entry) = self.entries.pop_front() else { return };
        self.gone += 1;
        let former = self.unfinished.get(&entry.pair).map(|(_, former)| *former);
        let begins = entry.second.as_ref().map_or(entry.first.start, |second| second.start.min(entry.first.start));
        let former = former.filter(|former| {
            begins.since(former.end) <= NEAR && former.end.since(begins) <= OVERLAP && former.start <= begins
        });
        let told = Told {
            call: &entry.first,
            answer: entry.second.as_ref(),
            silence_is_known: has_waited && self.seeing.contains(&entry.first.observer.exporter),
            former,
        };
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
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: VecDeque::new(),
            gone: 0,
            clock: Time::MIN,
            seeing: BTreeSet::new(),
            unfinished: HashMap::new(),
            touched: VecDeque::new(),
            touches: 0,
        }
    }
}

/// What became of a uniflow.
enum Joined {
    Taken,
    Dropped(&'static str),
    Not,
}

impl Pair {
    fn of(uniflow: &Uniflow) -> Pair {
        let [one, other] = [uniflow.source, uniflow.destination].map(|end| (bits(end), end.port));
        let [low, high] = if one <= other { [one, other] } else { [other, one] };
        let protocol = uniflow.protocol.number().map_or(0x100, u64::from);
        Pair { low: low.0, high: high.0, ports: protocol << 32 | u64::from(low.1) << 16 | u64::from(high.1) }
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

/// How a uniflow stands to a known one of the same direction.
fn relation(known: &Uniflow, new: &Uniflow) -> Relation {
    if known.observer == new.observer && known.repeats(new) {
        return Relation::Same("record sent twice");
    }
    if known.observer == new.observer {
        let overlaps = new.start < known.end && known.start < new.end;
        return if overlaps { Relation::More } else { Relation::Apart };
    }
    // Clocks of two exporters differ a little.
    if is_near(known, new, OVERLAP) { Relation::Same(OTHER_OBSERVER) } else { Relation::Apart }
}

/// Whether no more than `gap` lies between the two.
fn is_near(one: &Uniflow, other: &Uniflow, gap: Duration) -> bool {
    one.start.since(other.end) <= gap && other.start.since(one.end) <= gap
}

const OTHER_OBSERVER: &str = "record of packets that another interface or exporter told of";
/// How long a uniflow waits for the other direction: exporters look every few seconds for flows that ended, and one
/// direction may have ended sooner.
const WAIT: Duration = Duration::from_secs(60);
/// The most that lies between the two directions of one conversation, or between two parts of it.
const NEAR: Duration = Duration::from_secs(60);
/// By how much exporters' clocks may differ.
const OVERLAP: Duration = Duration::from_secs(2);
const STEP_BACK: Duration = Duration::from_secs(3600);
/// Of some 400 bytes each.
const MAX_ENTRIES: usize = 1 << 18;
const MAX_UNFINISHED: usize = 1 << 16;
const MAX_EXPORTERS: usize = 1 << 16;
