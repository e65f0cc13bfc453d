//! Flows in the order of their ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use flow::features::Set;
use flow::{Flow, Time};

/// Puts flows into the order of their ends where the set counts connections of the last 2 s: a meter gives a closed
/// conversation out long before one that fell silent at the same time.
pub(crate) struct Waiting {
    /// By end, and of equal ends in the order in which they came. `None` where the order does not matter.
    flows: Option<BinaryHeap<Reverse<Queued>>>,
    count: u64,
}

struct Queued {
    end: Time,
    number: u64,
    flow: Flow,
}

impl Waiting {
    pub(crate) fn new(set: Set) -> Waiting {
        Waiting { flows: (set == Set::Kdd).then(BinaryHeap::new), count: 0 }
    }

    /// Takes flows in and gives out those whose turn it is: at the end all, otherwise those beyond the most that wait.
    pub(crate) fn pass(&mut self, flows: Vec<Flow>, is_end: bool) -> Vec<Flow> {
        let Some(heap) = &mut self.flows else { return flows };
        for flow in flows {
            heap.push(Reverse(Queued { end: flow.end, number: self.count, flow }));
            self.count += 1;
        }
        let most = if is_end { 0 } else { MOST_WAITING };
        let due = heap.len().saturating_sub(most);
        (0..due).filter_map(|_| heap.pop()).map(|Reverse(queued)| queued.flow).collect()
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Queued) -> std::cmp::Ordering {
        (self.end, self.number).cmp(&(other.end, other.number))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}

/// The most flows that wait for their turn: of a flood two seconds and more, some 150 MiB.
const MOST_WAITING: usize = 1 << 17;
