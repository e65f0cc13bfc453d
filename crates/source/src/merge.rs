//! Several captures as one stream, by the times of their packets.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::Read;
use std::path::PathBuf;

use flow::Time;

use crate::format::packet::{Capture, Record, Step};

/// Open captures. The packet with the earliest time comes first; of equal times, the one of the capture opened first.
pub(crate) struct Merge<R: Read> {
    /// Each at a packet that was not given yet.
    ready: BinaryHeap<Open<R>>,
    /// Those that wait for more bytes.
    asleep: Vec<Open<R>>,
    /// Those that are over, with why where they are damaged.
    over: Vec<(Open<R>, Option<String>)>,
}

/// An open capture.
pub(crate) struct Open<R: Read> {
    pub(crate) path: PathBuf,
    /// Its place in the order in which captures were named.
    pub(crate) number: usize,
    pub(crate) capture: Box<Capture<R>>,
    /// Packets given.
    pub(crate) records: u64,
}

impl<R: Read> Merge<R> {
    pub(crate) fn new() -> Merge<R> {
        Merge { ready: BinaryHeap::new(), asleep: Vec::new(), over: Vec::new() }
    }

    /// Takes in a capture from its next packet on.
    pub(crate) fn push(&mut self, mut open: Open<R>) {
        match open.capture.advance() {
            Ok(Step::Packet) => self.ready.push(open),
            Ok(Step::Wait) => self.asleep.push(open),
            Ok(Step::End) => self.over.push((open, None)),
            Err(reason) => self.over.push((open, Some(reason))),
        }
    }

    /// Asks the captures that waited for more bytes again.
    pub(crate) fn wake(&mut self) {
        std::mem::take(&mut self.asleep).into_iter().for_each(|open| self.push(open));
    }

    /// The time of the next packet.
    pub(crate) fn due(&self) -> Option<Time> {
        self.ready.peek().map(|open| open.capture.time())
    }

    /// A capture that is over, and why where it is damaged.
    pub(crate) fn pop_over(&mut self) -> Option<(Open<R>, Option<String>)> {
        self.over.pop()
    }

    /// Lets go of a capture that waits for more bytes.
    pub(crate) fn forget(&mut self, number: usize) {
        self.asleep.retain(|open| open.number != number);
    }

    /// Whether a capture is over that was not taken out yet.
    pub(crate) fn has_over(&self) -> bool {
        !self.over.is_empty()
    }

    /// Gives up to `count` packets from before `until`, as long as `take` wants more.
    pub(crate) fn give(&mut self, mut count: u64, until: Option<Time>, mut take: impl FnMut(Record<'_>) -> bool) {
        let is_due = |open: &Open<R>| until.is_none_or(|until| open.capture.time() < until);
        while count > 0 && self.ready.peek().is_some_and(is_due) {
            let Some(mut open) = self.ready.pop() else { break };
            let next = self.ready.peek().map(Open::place);
            // As long as no other one is due: one capture alone is read without any comparison between captures.
            let outcome = loop {
                count = if take(open.capture.record()) { count - 1 } else { 0 };
                open.records += 1;
                match open.capture.advance() {
                    Ok(Step::Packet) if count > 0 && is_due(&open) && next.is_none_or(|next| open.place() < next) => {}
                    outcome => break outcome,
                }
            };
            match outcome {
                Ok(Step::Packet) => self.ready.push(open),
                Ok(Step::Wait) => self.asleep.push(open),
                Ok(Step::End) => self.over.push((open, None)),
                Err(reason) => self.over.push((open, Some(reason))),
            }
        }
    }
}

impl<R: Read> Open<R> {
    fn place(&self) -> (Time, usize) {
        (self.capture.time(), self.number)
    }
}

// The heap gives its greatest first, which is to be the earliest.
impl<R: Read> Ord for Open<R> {
    fn cmp(&self, other: &Open<R>) -> Ordering {
        other.place().cmp(&self.place())
    }
}

impl<R: Read> PartialOrd for Open<R> {
    fn partial_cmp(&self, other: &Open<R>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Read> PartialEq for Open<R> {
    fn eq(&self, other: &Open<R>) -> bool {
        self.place() == other.place()
    }
}

impl<R: Read> Eq for Open<R> {}
