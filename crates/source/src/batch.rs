//! What a source gives at a time.

use std::collections::BTreeMap;

use flow::{Flow, Notice};
use meter::Counts;

use crate::Error;

/// Gives flows and notices, batch by batch.
pub trait Source {
    /// Appends what comes next to `batch`, perhaps nothing; `false` where there is nothing more to come.
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error>;

    /// Whether all that has come so far was read, and time goes on: true of a live source that is not behind, never of a
    /// file that is read to its end.
    fn is_current(&self) -> bool {
        false
    }
}

/// Flows and notices, in the order in which the source gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Conversations that ended.
    pub flows: Vec<Flow>,
    /// What other detectors said.
    pub notices: Vec<Notice>,
    /// Messages and records that are in no flow, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What else is worth knowing, by what happened.
    pub notes: BTreeMap<&'static str, u64>,
}

impl Batch {
    /// Counts a message or record that is in no flow.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Counts something worth knowing.
    pub fn note(&mut self, what: &'static str, count: u64) {
        if count > 0 {
            *self.notes.entry(what).or_default() += count;
        }
    }

    /// Takes over what another one counted.
    pub(crate) fn absorb(&mut self, other: Batch) {
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (what, count) in other.notes {
            self.note(what, count);
        }
    }

    /// Empties it, and keeps the memory.
    pub fn clear(&mut self) {
        self.flows.clear();
        self.notices.clear();
        self.skipped.clear();
        self.notes.clear();
    }
}

/// What was read, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets read.
    pub packets: u64,
    /// Lines and other records read.
    pub lines: u64,
    /// Packets and records that are in no flow, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What else is worth knowing, by what happened: packets put back in order, steps of the clock, flows ended early.
    pub notes: BTreeMap<&'static str, u64>,
    /// Where files are damaged; what came before was read. And what of a folder was left out.
    pub damage: Vec<String>,
}

impl Report {
    /// Adds what became of a meter's packets.
    pub(crate) fn add_packets(&mut self, counts: &Counts) {
        self.packets += counts.packets;
        for (skip, count) in counts.skips() {
            *self.skipped.entry(skip.reason()).or_default() += count;
        }
        self.add_note("packets found inside tunnels", counts.inner);
        self.add_note("packets put back into the order of their times", counts.reordered);
        self.add_note("large steps back of the clock", counts.clock_steps);
        self.add_note("later IP fragments without their first", counts.orphan_fragments);
        self.add_note("TCP segments retransmitted or captured twice", counts.repeated_segments);
        self.add_note("flows ended early because the flow table was full", counts.evicted_flows);
        self.add_note("first messages of conversations whose rest did not come in time", counts.evicted_messages);
    }

    /// Adds something worth knowing.
    pub(crate) fn add_note(&mut self, what: &'static str, count: u64) {
        if count > 0 {
            *self.notes.entry(what).or_default() += count;
        }
    }

    /// Takes over what a batch counted.
    pub(crate) fn add(&mut self, batch: &mut Batch) {
        for (reason, count) in std::mem::take(&mut batch.skipped) {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (what, count) in std::mem::take(&mut batch.notes) {
            *self.notes.entry(what).or_default() += count;
        }
    }
}
