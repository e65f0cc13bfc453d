//! The rhythm of the packets: gaps between successive ones.

use super::{Feature, number, or_missing};
use crate::{Moments, Side};

pub(super) const FEATURES: &[Feature] = &[
    number("gap_min", "s", "Shortest gap between successive packets of either side.", |flow| min(&flow.gaps)),
    number("gap_mean", "s", "Mean gap between successive packets of either side.", |flow| mean(&flow.gaps)),
    number("gap_max", "s", "Longest gap between successive packets of either side.", |flow| max(&flow.gaps)),
    number("gap_deviation", "s", "Standard deviation of the gaps between packets of either side.", |flow| {
        deviation(&flow.gaps)
    }),
    number("originator_gap_min", "s", "Shortest gap between the originator's packets.", |flow| {
        side(&flow.originator, min)
    }),
    number("originator_gap_mean", "s", "Mean gap between the originator's packets.", |flow| {
        side(&flow.originator, mean)
    }),
    number("originator_gap_max", "s", "Longest gap between the originator's packets.", |flow| {
        side(&flow.originator, max)
    }),
    number(
        "originator_gap_deviation",
        "s",
        "Standard deviation of the gaps between the originator's packets.",
        |flow| side(&flow.originator, deviation),
    ),
    number("responder_gap_min", "s", "Shortest gap between the responder's packets.", |flow| {
        side(&flow.responder, min)
    }),
    number("responder_gap_mean", "s", "Mean gap between the responder's packets.", |flow| side(&flow.responder, mean)),
    number("responder_gap_max", "s", "Longest gap between the responder's packets.", |flow| side(&flow.responder, max)),
    number("responder_gap_deviation", "s", "Standard deviation of the gaps between the responder's packets.", |flow| {
        side(&flow.responder, deviation)
    }),
];

fn side(side: &Side, statistic: fn(&Moments) -> f32) -> f32 {
    side.detail.as_ref().map_or(f32::NAN, |detail| statistic(&detail.gaps))
}

fn min(gaps: &Moments) -> f32 {
    or_missing(gaps.min().map(|nanoseconds| nanoseconds as f64 / 1e9))
}

fn max(gaps: &Moments) -> f32 {
    or_missing(gaps.max().map(|nanoseconds| nanoseconds as f64 / 1e9))
}

fn mean(gaps: &Moments) -> f32 {
    or_missing(gaps.mean().map(|nanoseconds| nanoseconds / 1e9))
}

fn deviation(gaps: &Moments) -> f32 {
    or_missing(gaps.deviation().map(|nanoseconds| nanoseconds / 1e9))
}
