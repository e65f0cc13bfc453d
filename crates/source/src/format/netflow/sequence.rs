//! What the sequence numbers of an exporter's messages tell: what was lost on the way, and what came twice.

use std::collections::VecDeque;

/// How far the messages of one observation domain have been heard.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    expected: Option<u32>,
    /// Number and digest of the last messages.
    recent: VecDeque<(u32, u64)>,
}

/// What a message's number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one.
    Next,
    /// So many (flows, messages or records, as the version counts) are missing before it.
    After(u32),
    /// It was overtaken by a later one.
    Late,
    /// It was heard already.
    Again,
    /// The exporter counts anew.
    Anew,
}

impl Sequence {
    /// Places a message; `digest` stands for its bytes, because some exporters give several messages one number.
    pub(super) fn place(&mut self, number: u32, digest: u64) -> Arrival {
        if self.recent.contains(&(number, digest)) {
            return Arrival::Again;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((number, digest));
        let Some(expected) = self.expected else { return Arrival::Next };
        let ahead = number.wrapping_sub(expected);
        let behind = expected.wrapping_sub(number);
        match (ahead, behind) {
            (0, _) => Arrival::Next,
            (1..=FAR, _) => Arrival::After(ahead),
            (_, 1..=LATE) if number != 0 => Arrival::Late,
            _ => Arrival::Anew,
        }
    }

    /// The message counted for so much.
    pub(super) fn advance(&mut self, arrival: Arrival, number: u32, count: u32) {
        if !matches!(arrival, Arrival::Late | Arrival::Again) {
            self.expected = Some(number.wrapping_add(count));
        }
    }

    /// What comes next has no tie to what came.
    pub(super) fn part(&mut self) {
        self.expected = None;
    }
}

const RECENT: usize = 64;
/// A larger gap is no loss: the exporter was started anew, or its numbers mean something else.
const FAR: u32 = 1_000_000;
const LATE: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(messages: &[(u32, u64)]) -> Vec<Arrival> {
        let mut sequence = Sequence::default();
        let place = |&(number, digest): &(u32, u64)| {
            let arrival = sequence.place(number, digest);
            sequence.advance(arrival, number, 1);
            arrival
        };
        messages.iter().map(place).collect()
    }

    #[test]
    fn a_gap_is_a_loss_of_so_many() {
        assert_eq!(arrivals(&[(7, 1), (8, 2), (11, 3)]), [Arrival::Next, Arrival::Next, Arrival::After(2)]);
    }

    #[test]
    fn the_same_message_again_is_told() {
        assert_eq!(arrivals(&[(7, 1), (8, 2), (7, 1)])[2], Arrival::Again);
    }

    #[test]
    fn another_message_with_an_earlier_number_is_late() {
        assert_eq!(
            arrivals(&[(7, 1), (9, 2), (8, 3), (10, 4)])[1..],
            [Arrival::After(1), Arrival::Late, Arrival::Next]
        );
    }

    #[test]
    fn the_count_runs_over_without_loss() {
        assert_eq!(arrivals(&[(u32::MAX, 1), (0, 2)]), [Arrival::Next; 2]);
    }

    #[test]
    fn an_exporter_started_anew_lost_nothing() {
        assert_eq!(arrivals(&[(5_000_000, 1), (0, 2), (1, 3)]), [Arrival::Next, Arrival::Anew, Arrival::Next]);
    }
}
