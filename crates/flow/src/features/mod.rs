//! Features: named numbers and categories computed from a flow and from what its hosts did lately.
//!
//! A feature is one entry in one of the families below: name, unit, a sentence, and the function that computes it. The
//! same functions serve training and operation.

mod application;
mod flags;
pub mod host;
pub mod ports;
mod timing;
mod volume;

use crate::{Category, Column, Flow, Protocol, Table, Values};
use host::{Context, Hosts};

/// One named property of a flow.
#[derive(Clone, Copy)]
pub struct Feature {
    /// The name: lower case, words joined by `_`.
    pub name: &'static str,
    /// The unit, or `count`, `share`, `category`.
    pub unit: &'static str,
    /// What it is, in one sentence.
    pub meaning: &'static str,
    value: Value,
}

/// How a feature is computed.
#[derive(Clone, Copy)]
enum Value {
    /// From the flow alone; NaN where it is missing.
    Number(fn(&Flow) -> f32),
    /// From what the flow's hosts did lately; NaN where it is missing.
    Context(fn(&Context) -> f32),
    /// One of a fixed list of names, by its position; `None` where it is missing.
    Category(fn() -> Vec<String>, fn(&Flow) -> Option<usize>),
}

/// An ordered list of features, which turns flows into a table.
///
/// ```
/// use flow::features::{FeatureSet, host::Hosts};
/// let set = FeatureSet::lapwing();
/// let table = set.table(&[], &mut Hosts::default());
/// assert_eq!(table.columns().len(), set.features().len());
/// ```
#[derive(Clone)]
pub struct FeatureSet {
    features: Vec<Feature>,
}

impl FeatureSet {
    /// The default set: volume, timing, flags, ports, what the first payload tells, and host context.
    pub fn lapwing() -> FeatureSet {
        let families = [
            volume::FEATURES,
            timing::FEATURES,
            flags::FEATURES,
            ports::FEATURES,
            application::FEATURES,
            host::FEATURES,
        ];
        FeatureSet { features: families.concat() }
    }

    /// This set without the features that identify rather than describe: port numbers change with each conversation and
    /// would be learned by heart.
    pub fn without_identity(mut self) -> FeatureSet {
        self.features.retain(|feature| !ports::IDENTITY.contains(&feature.name));
        self
    }

    /// The features, in the order of the columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// A table of one row a flow and one column a feature. `hosts` is the memory of what each host did lately: keep one
    /// over all the flows of a source, given in the order in which they ended.
    pub fn table(&self, flows: &[Flow], hosts: &mut Hosts) -> Table {
        let contexts: Vec<Context> = flows.iter().map(|flow| hosts.observe(flow)).collect();
        let columns = self.features.iter().map(|feature| feature.column(flows, &contexts)).collect();
        Table::new(columns)
            .unwrap_or_else(|error| unreachable!("features have distinct names and one row a flow: {error}"))
    }
}

impl Feature {
    fn column(&self, flows: &[Flow], contexts: &[Context]) -> Column {
        let values = match self.value {
            Value::Number(number) => Values::Numbers(flows.iter().map(number).collect()),
            Value::Context(number) => Values::Numbers(contexts.iter().map(number).collect()),
            Value::Category(vocabulary, position) => Values::Categories(Category {
                codes: flows
                    .iter()
                    .map(|flow| position(flow).map_or(Category::MISSING, |position| position as u32))
                    .collect(),
                vocabulary: vocabulary(),
            }),
        };
        Column { name: self.name.to_owned(), values }
    }
}

/// A feature that is a number of the flow alone.
const fn number(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&Flow) -> f32) -> Feature {
    Feature { name, unit, meaning, value: Value::Number(value) }
}

/// `numerator / denominator`, missing where the denominator is 0.
fn ratio(numerator: f64, denominator: f64) -> f32 {
    if denominator > 0.0 { (numerator / denominator) as f32 } else { f32::NAN }
}

/// The number, or NaN where there is none.
fn or_missing(value: Option<f64>) -> f32 {
    value.map_or(f32::NAN, |value| value as f32)
}

/// Whether the flow's protocol is TCP and a meter saw its packets: the condition of every TCP feature.
fn is_metered_tcp(flow: &Flow) -> bool {
    flow.key.protocol == Protocol::Tcp && flow.originator.detail.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_feature_has_its_own_name_a_unit_and_a_sentence() {
        let set = FeatureSet::lapwing();
        let names: HashSet<_> = set.features().iter().map(|feature| feature.name).collect();
        assert_eq!(names.len(), set.features().len());
        for feature in set.features() {
            assert!(!feature.unit.is_empty(), "{} has no unit", feature.name);
            assert!(feature.meaning.ends_with('.'), "{} has no sentence", feature.name);
        }
    }

    #[test]
    fn identity_is_left_out_when_asked() {
        let set = FeatureSet::lapwing();
        assert_eq!(set.features().len() - ports::IDENTITY.len(), set.without_identity().features().len());
    }
}
