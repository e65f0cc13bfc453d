//! Whom or what a host called, and how that ended.

use std::hash::Hash;

use flow::{Flow, Protocol, State, Time};

use super::tracks::{Map, Weigh};

/// How a call ended for its originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Nothing came back.
    Silent,
    /// It was refused.
    Refused,
    /// It was accepted, and nothing was said.
    Unused,
    /// Something was said.
    Used,
}

impl Outcome {
    /// `None` where the originator did not call: it sent nothing, or only refused an answer that it never asked for.
    pub(crate) fn of(flow: &Flow) -> Option<Outcome> {
        if flow.originator.is_silent() || is_unasked_syn_ack(flow) {
            return None;
        }
        if flow.responder.is_silent() {
            return Some(Outcome::Silent);
        }
        if flow.key.protocol != Protocol::Tcp {
            return Some(Outcome::Used);
        }
        Some(match flow.state {
            Some(State::Rej | State::Rstrh) => Outcome::Refused,
            // A probe without SYN, of a FIN scan, that was answered by RST.
            Some(State::Rstr)
                if flow.payload_bytes() == Some(0)
                    && flow.originator.detail.is_some_and(|detail| detail.flags.syn == 0) =>
            {
                Outcome::Refused
            }
            _ if flow.payload_bytes() == Some(0) => Outcome::Unused,
            _ => Outcome::Used,
        })
    }
}

/// Whether the responder sent a SYN-ACK although the originator, as far as was seen, never sent a SYN.
pub(crate) fn is_unasked_syn_ack(flow: &Flow) -> bool {
    match (flow.originator.detail, flow.responder.detail, flow.history) {
        (Some(asked), Some(answered), _) => asked.flags.syn == 0 && answered.flags.syn > 0,
        (_, _, Some(history)) if flow.key.protocol == Protocol::Tcp => {
            !history.contains(b'S') && history.contains(b'h')
        }
        _ => flow.state == Some(State::Shr),
    }
}

/// Who or what was called, when first, and how that ended at best.
#[derive(Clone, Debug)]
pub(crate) struct Contacts<T> {
    first: Map<T, (Time, Outcome)>,
    pub(crate) flows: u64,
}

impl<T: Hash + Ord + Copy> Contacts<T> {
    /// As many as a host has ports; later ones only count as flows.
    const CAPACITY: usize = 1 << 16;

    /// Notes a call.
    pub(crate) fn add(&mut self, target: T, time: Time, outcome: Outcome) {
        self.flows += 1;
        if self.first.len() >= Self::CAPACITY && !self.first.contains_key(&target) {
            return;
        }
        let (first, best) = self.first.entry(target).or_insert((time, outcome));
        *first = time.min(*first);
        *best = outcome.max(*best);
    }

    /// Distinct targets.
    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// The targets of which nothing was used, in the order of their first calls.
    pub(crate) fn probed(&self) -> Vec<(Time, T, Outcome)> {
        self.failed(Outcome::Unused)
    }

    /// The targets whose best outcome was at most this, in the order of their first calls.
    pub(crate) fn failed(&self, worst: Outcome) -> Vec<(Time, T, Outcome)> {
        let mut failed: Vec<(Time, T, Outcome)> = self
            .first
            .iter()
            .filter(|(_, (_, outcome))| *outcome <= worst)
            .map(|(target, &(time, outcome))| (time, *target, outcome))
            .collect();
        failed.sort_unstable();
        failed
    }

    /// Every target with the time of its first call, in that order.
    pub(crate) fn all(&self) -> Vec<(Time, T, Outcome)> {
        self.failed(Outcome::Used)
    }
}

impl<T> Weigh for Contacts<T> {
    fn weight(&self) -> usize {
        self.first.len()
    }
}

impl<T> Default for Contacts<T> {
    fn default() -> Contacts<T> {
        Contacts { first: Map::default(), flows: 0 }
    }
}

#[cfg(test)]
mod tests {
    use flow::{Endpoint, History, Key};

    use super::*;

    #[test]
    fn a_log_tells_by_its_history_that_nobody_asked_for_the_syn_ack() {
        let end = |last, port| Endpoint::new([192, 0, 2, last].into(), port);
        let key = Key { originator: end(1, 50_000), responder: end(2, 80), protocol: Protocol::Tcp };
        let time = Time::from_nanoseconds(0);
        let unasked = |history: &str| {
            let (history, state) = (Some(History::of(history)), Some(State::Oth));
            is_unasked_syn_ack(&Flow { history, state, ..Flow::between(key, time, time) })
        };
        assert_eq!(["^h", "^hR", "ShR", "^hS", "DdA"].map(unasked), [true, true, false, false, false]);
    }
}
