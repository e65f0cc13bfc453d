//! Successive halving: many trials on few rows, and few on all.

use super::experiment::{Experiment, Trial};

/// The trial that goes up a rung; `None` where a new one must be begun on the fewest rows.
pub(super) fn promoted(history: &[Experiment]) -> Option<Trial> {
    let place = history.len() % BRACKET;
    let bracket = &history[history.len() - place..];
    let (rung, share, first) = if place < RUNGS[0] {
        return None;
    } else if place < RUNGS[0] + RUNGS[1] {
        (&bracket[..RUNGS[0]], FIRST_SHARE * 3.0, RUNGS[0])
    } else {
        (&bracket[RUNGS[0]..RUNGS[0] + RUNGS[1]], 1.0, RUNGS[0] + RUNGS[1])
    };
    let mut order: Vec<&Experiment> = rung.iter().collect();
    // A stable sort: of equally good ones the earlier goes first. One that failed goes last.
    order.sort_by(|one, other| {
        let value = |of: &Experiment| of.merit().unwrap_or(f64::NEG_INFINITY);
        value(other).total_cmp(&value(one))
    });
    let trial = &order.get(place - first)?.trial;
    Some(Trial { share, ..trial.clone() })
}

/// The trials of each rung.
const RUNGS: [usize; 3] = [27, 9, 3];
const BRACKET: usize = RUNGS[0] + RUNGS[1] + RUNGS[2];
/// The share of the rows on the first rung; three times as much on each further one.
pub(super) const FIRST_SHARE: f64 = 1.0 / 9.0;
