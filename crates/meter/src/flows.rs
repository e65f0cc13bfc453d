//! The bounded table of open conversations.

use std::hash::BuildHasher;

use flow::features::cic::Profile;
use flow::{Duration, Ended, Flow, Time};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::Settings;
use crate::application::Facts;
use crate::chunks::Chunks;
use crate::cic::Accumulator;
use crate::conversation::{Conversation, Pair, Standing};
use crate::decode::{Direction, Packet};

/// Open conversations, found by their key and ended by age.
pub(crate) struct Flows {
    settings: Settings,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    index: HashTable<u32>,
    conversations: Chunks<Conversation>,
    /// What the columns of CICFlowMeter need of each conversation; empty where nobody asks.
    cic: Chunks<Accumulator>,
    /// The place of each conversation in its list; beside the conversations, because each packet changes three of them.
    places: Chunks<Place>,
    /// The first of the conversations' places that are free; each names the next one as its newer neighbour.
    free: u32,
    /// By standing.
    lists: [List; 3],
    /// No flow's time is over before.
    check: Time,
    /// Of the last packet.
    latest: Time,
    /// Bytes that hang on the conversations.
    hanging_bytes: usize,
    /// Flows ended because the table was full.
    pub(crate) evicted: u64,
    /// TCP segments, in flows given out, whose bytes had all been sent before.
    pub(crate) repeated: u64,
}

/// A conversation's neighbours in its list, and when it was last seen.
#[derive(Clone, Copy)]
struct Place {
    end: Time,
    newer: u32,
    older: u32,
}

/// Ends of a doubly linked list through the conversations, oldest first.
#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

impl Flows {
    pub(crate) fn new(settings: Settings) -> Flows {
        Flows {
            settings,
            hasher: RandomState::default(),
            index: HashTable::new(),
            conversations: Chunks::new(),
            cic: Chunks::new(),
            places: Chunks::new(),
            free: NONE,
            lists: [List::EMPTY; 3],
            check: Time::MIN,
            latest: Time::MIN,
            hanging_bytes: 0,
            evicted: 0,
            repeated: 0,
        }
    }

    /// Books a packet in its flow, which it opens where there is none; ended flows go to `ended`.
    pub(crate) fn observe(&mut self, packet: &Packet, facts: Facts, ended: &mut Vec<Flow>) {
        self.latest = self.latest.max(packet.time);
        if packet.time >= self.check {
            self.expire(packet.time, ended);
        }
        let (key, source_is_low) = Pair::of(packet, self.settings.vlans);
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |&at| self.conversations[at].key == key).copied();
        let at = match found.filter(|&at| self.goes_on(at, source_is_low, packet, ended)) {
            Some(at) => at,
            None => self.insert(key, hash, source_is_low, packet, ended),
        };
        let conversation = &mut self.conversations[at];
        let place = &mut self.places[at];
        let stood = conversation.standing();
        let side = conversation.side_of(source_is_low);
        let grown = conversation.book(side, packet, facts, place.end);
        if self.settings.cic.is_some() {
            self.cic[at].observe(side, packet);
        }
        place.end = place.end.max(packet.time);
        let stands = conversation.standing();
        self.touch(at, stood, stands);
        if grown != 0 {
            self.hanging_bytes = self.hanging_bytes.saturating_add_signed(grown);
            while self.hanging_bytes > self.settings.hanging_bytes() && self.evict(ended) {}
        }
        if self.is_of_2017() && packet.segment.is_some_and(|segment| segment.fin()) {
            ended.push(self.remove(at, Ended::Closed));
        }
    }

    /// Whether flows end as CICFlowMeter ended them in 2017: at the first FIN, and at no RST and no other SYN.
    fn is_of_2017(&self) -> bool {
        self.settings.cic == Some(Profile::Compat2017)
    }

    /// Ends flows, whatever their age, until `ended` holds `most`; `false` once none is open.
    pub(crate) fn finish(&mut self, ended: &mut Vec<Flow>, most: usize) -> bool {
        // By the time of the last packet, so that one order serves all the ways to end.
        while let Some(standing) = self.first_list(|place, _| place.end) {
            if ended.len() >= most {
                return true;
            }
            let at = self.lists[standing as usize].oldest;
            let (limit, reason) = self.limit(standing);
            let is_overdue = standing == Standing::Closed || self.latest.since(self.places[at].end) > limit;
            ended.push(self.remove(at, if is_overdue { reason } else { Ended::Input }));
        }
        (self.check, self.latest) = (Time::MIN, Time::MIN);
        false
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Open conversations.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Ends the flows whose time is over at `now`, in the order in which it was over: so it does not show how often this
    /// is called. Of very many some are left for the next call, lest they all lie in memory a second time.
    #[cold]
    pub(crate) fn expire(&mut self, now: Time, ended: &mut Vec<Flow>) {
        let Settings { linger, idle, .. } = self.settings;
        for _ in 0..MOST_EXPIRED {
            let first = self.first_list(|place, limit| place.end + limit);
            let Some(standing) = first else { break };
            let at = self.lists[standing as usize].oldest;
            let (limit, reason) = self.limit(standing);
            let end = self.places[at].end;
            if now.since(end) <= limit {
                // What closes or is opened from now on stays for the shorter of the two at least.
                self.check = (now + linger.min(idle)).min(end + limit);
                return;
            }
            ended.push(self.remove(at, reason));
        }
        self.check = now;
    }

    /// The list whose oldest conversation is first by `time`, which has its place and how long it may be quiet.
    fn first_list(&self, time: impl Fn(Place, Duration) -> Time) -> Option<Standing> {
        let filled = Standing::ALL.into_iter().filter(|&standing| self.lists[standing as usize].oldest != NONE);
        filled.min_by_key(|&standing| time(self.places[self.lists[standing as usize].oldest], self.limit(standing).0))
    }

    /// How long a conversation may be quiet, and what its end is called then.
    #[inline]
    fn limit(&self, standing: Standing) -> (Duration, Ended) {
        match standing {
            Standing::Closed => (self.settings.linger, Ended::Closed),
            Standing::Brief | Standing::Established => (self.settings.idle, Ended::Idle),
        }
    }

    /// Whether the packet goes on with the flow at `at`; if not, that flow has ended. The active timeout cuts it.
    #[inline]
    fn goes_on(&mut self, at: u32, source_is_low: bool, packet: &Packet, ended: &mut Vec<Flow>) -> bool {
        let is_of_2017 = self.is_of_2017();
        let conversation = &self.conversations[at];
        let end = self.places[at].end;
        // Where times step back, the lists are not quite in the order of time, and `expire` may have passed it over.
        let (limit, reason) = self.limit(conversation.standing());
        if packet.time.since(end) > limit {
            ended.push(self.remove(at, reason));
            return false;
        }
        if let (Direction::Call, Some(segment)) = (packet.direction, &packet.segment)
            && !is_of_2017
            && conversation.is_reopened_by(conversation.side_of(source_is_low), segment)
        {
            ended.push(self.remove(at, Ended::Closed));
            return false;
        }
        if packet.time.since(conversation.start()) >= self.settings.active {
            let conversation = &mut self.conversations[at];
            self.repeated += conversation.repeated();
            let hung = conversation.hanging_bytes();
            let flow = conversation.flow(end, Ended::Active);
            ended.push(if self.settings.cic.is_some() { self.cic[at].cut(flow) } else { flow });
            conversation.cut(packet.time);
            self.hanging_bytes = self.hanging_bytes + conversation.hanging_bytes() - hung;
            self.places[at].end = packet.time;
        }
        true
    }

    fn insert(&mut self, key: Pair, hash: u64, source_is_low: bool, packet: &Packet, ended: &mut Vec<Flow>) -> u32 {
        if self.index.len() >= self.settings.capacity() {
            self.evict(ended);
        }
        let conversation = Conversation::new(key, source_is_low, packet, self.settings.cic);
        let place = Place { end: packet.time, newer: NONE, older: NONE };
        let at = self.free;
        let at = if at == NONE {
            self.conversations.push(conversation);
            self.places.push(place);
            if let Some(profile) = self.settings.cic {
                self.cic.push(Accumulator::new(profile));
            }
            self.conversations.len() as u32 - 1
        } else {
            self.free = self.places[at].newer;
            self.conversations[at] = conversation;
            self.places[at] = place;
            if let Some(profile) = self.settings.cic {
                self.cic[at] = Accumulator::new(profile);
            }
            at
        };
        let Flows { conversations, hasher, .. } = self;
        self.index.insert_unique(hash, at, |&at| hasher.hash_one(conversations[at].key));
        self.link(at, Standing::Brief);
        at
    }

    /// Ends the conversation that is least to be missed: of the lowest standing the one seen longest ago. `false` where
    /// there is none.
    fn evict(&mut self, ended: &mut Vec<Flow>) -> bool {
        let Some(list) = self.lists.iter().find(|list| list.oldest != NONE) else { return false };
        let oldest = list.oldest;
        self.evicted += 1;
        ended.push(self.remove(oldest, Ended::Evicted));
        true
    }

    fn remove(&mut self, at: u32, reason: Ended) -> Flow {
        let conversation = &mut self.conversations[at];
        let standing = conversation.standing();
        self.repeated += conversation.repeated();
        self.hanging_bytes -= conversation.hanging_bytes();
        let hash = self.hasher.hash_one(conversation.key);
        let flow = conversation.flow(self.places[at].end, reason);
        let flow = if self.settings.cic.is_some() { self.cic[at].cut(flow) } else { flow };
        conversation.release();
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        self.unlink(at, standing);
        self.places[at].newer = std::mem::replace(&mut self.free, at);
        flow
    }

    /// Moves the conversation to the new end of its list, which changes with its standing.
    #[inline]
    fn touch(&mut self, at: u32, stood: Standing, stands: Standing) {
        if stood != stands || self.lists[stands as usize].newest != at {
            self.unlink(at, stood);
            self.link(at, stands);
        }
    }

    #[inline]
    fn link(&mut self, at: u32, standing: Standing) {
        let list = &mut self.lists[standing as usize];
        let before = std::mem::replace(&mut list.newest, at);
        if before == NONE {
            list.oldest = at;
        } else {
            self.places[before].newer = at;
        }
        let place = &mut self.places[at];
        (place.older, place.newer) = (before, NONE);
    }

    #[inline]
    fn unlink(&mut self, at: u32, standing: Standing) {
        let Place { older, newer, .. } = self.places[at];
        let list = &mut self.lists[standing as usize];
        if older == NONE {
            list.oldest = newer;
        } else {
            self.places[older].newer = newer;
        }
        if newer == NONE {
            list.newest = older;
        } else {
            self.places[newer].older = older;
        }
    }
}

impl List {
    const EMPTY: List = List { oldest: NONE, newest: NONE };
}

/// The bytes of a conversation in the table without what hangs on it: itself, its place, and its share of the index,
/// which holds a number and a byte a slot, has up to 16/7 slots a conversation, and lies in memory twice while it grows.
pub(crate) const CONVERSATION_BYTES: usize = size_of::<Conversation>() + size_of::<Place>() + 18;
/// Flows ended for their age at a time.
const MOST_EXPIRED: usize = 32_768;
/// No conversation.
const NONE: u32 = u32::MAX;
/// A million flows open at once fit into half a gibibyte with everything.
const _: () = assert!(CONVERSATION_BYTES <= 512);
