//! The bounded table of open conversations.

use std::hash::BuildHasher;

use flow::{Ended, Flow, Time};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::Settings;
use crate::chunks::Chunks;
use crate::conversation::{Conversation, Pair, Standing};
use crate::decode::{Direction, Packet};

/// Open conversations, found by their key and ended by age.
pub(crate) struct Flows {
    settings: Settings,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    index: HashTable<u32>,
    conversations: Chunks<Conversation>,
    /// The place of each conversation in its list; beside the conversations, because each packet changes three of them.
    places: Chunks<Place>,
    /// The first of the conversations' places that are free; each names the next one as its newer neighbour.
    free: u32,
    /// By standing.
    lists: [List; 3],
    /// No flow's time is over before.
    check: Time,
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
            places: Chunks::new(),
            free: NONE,
            lists: [List::EMPTY; 3],
            check: Time::MIN,
            hanging_bytes: 0,
            evicted: 0,
            repeated: 0,
        }
    }

    /// Books a packet in its flow, which it opens where there is none; ended flows go to `ended`.
    pub(crate) fn observe(&mut self, packet: &Packet, ended: &mut Vec<Flow>) {
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
        let (hung, stood) = (conversation.hanging_bytes(), conversation.standing());
        conversation.book(conversation.side_of(source_is_low), packet, place.end);
        place.end = place.end.max(packet.time);
        let (hangs, stands) = (conversation.hanging_bytes(), conversation.standing());
        self.touch(at, stood, stands);
        if hangs != hung {
            self.hanging_bytes = self.hanging_bytes + hangs - hung;
            while self.hanging_bytes > self.settings.hanging_bytes() && self.evict(ended) {}
        }
    }

    /// Ends every flow.
    pub(crate) fn finish(&mut self, ended: &mut Vec<Flow>) {
        // By the time of the last packet, so that one order serves all the ways to end.
        while let Some(standing) = self.oldest_of(&[Standing::Closed, Standing::Brief, Standing::Established]) {
            let reason = if standing == Standing::Closed { Ended::Closed } else { Ended::Input };
            ended.push(self.remove(self.lists[standing as usize].oldest, reason));
        }
        self.check = Time::MIN;
    }

    /// Open conversations.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Ends the flows whose time is over at `now`.
    #[cold]
    fn expire(&mut self, now: Time, ended: &mut Vec<Flow>) {
        let Settings { linger, idle, .. } = self.settings;
        // What closes or is opened from now on stays for the shorter of the two at least.
        self.check = now + linger.min(idle);
        for (standings, limit, reason) in [
            (&[Standing::Closed][..], linger, Ended::Closed),
            (&[Standing::Brief, Standing::Established], idle, Ended::Idle),
        ] {
            while let Some(standing) = self.oldest_of(standings) {
                let oldest = self.lists[standing as usize].oldest;
                let end = self.places[oldest].end;
                if now.since(end) <= limit {
                    self.check = self.check.min(end + limit);
                    break;
                }
                ended.push(self.remove(oldest, reason));
            }
        }
    }

    /// Of these lists the one whose oldest conversation was seen longest ago; the first of equals.
    fn oldest_of(&self, standings: &[Standing]) -> Option<Standing> {
        let filled = standings.iter().filter(|standing| self.lists[**standing as usize].oldest != NONE);
        filled.min_by_key(|standing| self.places[self.lists[**standing as usize].oldest].end).copied()
    }

    /// Whether the packet goes on with the flow at `at`; if not, that flow has ended. The active timeout cuts it.
    #[inline]
    fn goes_on(&mut self, at: u32, source_is_low: bool, packet: &Packet, ended: &mut Vec<Flow>) -> bool {
        let conversation = &mut self.conversations[at];
        let end = self.places[at].end;
        // Where times step back, the lists are not quite in the order of time, and `expire` may have passed it over.
        let (limit, reason) = match conversation.standing() {
            Standing::Closed => (self.settings.linger, Ended::Closed),
            Standing::Brief | Standing::Established => (self.settings.idle, Ended::Idle),
        };
        if packet.time.since(end) > limit {
            ended.push(self.remove(at, reason));
            return false;
        }
        if let (Direction::Call, Some(segment)) = (packet.direction, &packet.segment)
            && conversation.is_reopened_by(conversation.side_of(source_is_low), segment)
        {
            ended.push(self.remove(at, Ended::Closed));
            return false;
        }
        if packet.time.since(conversation.start()) >= self.settings.active {
            self.repeated += conversation.repeated();
            let hung = conversation.hanging_bytes();
            ended.push(conversation.flow(end, Ended::Active));
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
        let conversation = Conversation::new(key, source_is_low, packet);
        let place = Place { end: packet.time, newer: NONE, older: NONE };
        let at = self.free;
        let at = if at == NONE {
            self.conversations.push(conversation);
            self.places.push(place);
            self.conversations.len() as u32 - 1
        } else {
            self.free = self.places[at].newer;
            self.conversations[at] = conversation;
            self.places[at] = place;
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
/// No conversation.
const NONE: u32 = u32::MAX;
/// A million flows open at once fit into half a gibibyte with everything.
const _: () = assert!(CONVERSATION_BYTES <= 512);
