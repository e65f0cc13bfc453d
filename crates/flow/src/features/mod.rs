//! Features: named numbers and categories computed from a flow and from what its hosts did lately.
//!
//! A feature is one entry in one of the families below: name, unit, a sentence, and the function that computes it. The
//! same functions serve training and operation.

mod application;
pub mod cic;
mod contacts;
mod flags;
pub mod host;
pub mod kdd;
pub mod ports;
mod recent;
mod rhythm;
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
    /// A column of CICFlowMeter by the rules of a profile; NaN where it is missing.
    Cic(cic::Profile, fn(&cic::View) -> f64),
    /// From the connections that came before, as KDD counts them; NaN where KDD knows no such connections.
    Window(fn(&kdd::Surroundings) -> f32),
}

/// A named list of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    /// Volume, timing, flags, ports and host context: Lapwing's own.
    Lapwing,
    /// The columns of CICFlowMeter, each as it is defined.
    CicFixed,
    /// The columns of CICFlowMeter with the errors of the tables of 2017.
    Cic2017Compat,
    /// The 41 columns of KDD Cup 99 and NSL-KDD.
    Kdd,
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
    set: Set,
    features: Vec<Feature>,
}

impl Set {
    /// Every set, the default first.
    pub const ALL: [Set; 4] = [Set::Lapwing, Set::CicFixed, Set::Cic2017Compat, Set::Kdd];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Set::Lapwing => "lapwing",
            Set::CicFixed => "cic-fixed",
            Set::Cic2017Compat => "cic-2017-compat",
            Set::Kdd => "kdd",
        }
    }

    /// What it is, in one sentence.
    pub const fn what(self) -> &'static str {
        match self {
            Set::Lapwing => {
                "Lapwing's own: volume, timing, flags, ports, what the first payload tells, and host context."
            }
            Set::CicFixed => "The columns of CICFlowMeter, each as it is defined.",
            Set::Cic2017Compat => "The columns of CICFlowMeter with the errors of the tables of 2017.",
            Set::Kdd => "The 41 columns of KDD Cup 99 and NSL-KDD.",
        }
    }

    /// The set of that name.
    pub fn from_name(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }

    /// By which rules a meter must count for it, beside what it counts anyway.
    pub const fn profile(self) -> Option<cic::Profile> {
        match self {
            Set::CicFixed => Some(cic::Profile::Fixed),
            Set::Cic2017Compat => Some(cic::Profile::Compat2017),
            Set::Lapwing | Set::Kdd => None,
        }
    }
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
        FeatureSet { set: Set::Lapwing, features: families.concat() }
    }

    /// The features of a set.
    pub fn of(set: Set) -> FeatureSet {
        match set {
            Set::Lapwing => FeatureSet::lapwing(),
            Set::CicFixed => FeatureSet { set, features: cic::features(cic::Profile::Fixed) },
            Set::Cic2017Compat => FeatureSet { set, features: cic::features(cic::Profile::Compat2017) },
            Set::Kdd => FeatureSet { set, features: kdd::FEATURES.to_vec() },
        }
    }

    /// The table of no flow: its columns are those of every other.
    pub fn empty(&self) -> Table {
        Table::new(self.features.iter().map(Feature::column).collect())
            .unwrap_or_else(|error| unreachable!("features have distinct names: {error}"))
    }

    /// Which set they are of.
    pub fn set(&self) -> Set {
        self.set
    }

    /// Whether tables of this set have a row for such a flow: KDD's know TCP, UDP and ICMP only, CICFlowMeter's of 2017
    /// no flow of one packet. A table has one anyway; its values are missing where the set does not define them.
    pub fn admits(&self, flow: &Flow) -> bool {
        match self.set {
            Set::Lapwing => true,
            Set::CicFixed => cic::admits(cic::Profile::Fixed, flow),
            Set::Cic2017Compat => cic::admits(cic::Profile::Compat2017, flow),
            Set::Kdd => kdd::admits(flow),
        }
    }

    /// This set without the features that identify rather than describe: port numbers change with each conversation and
    /// would be learned by heart.
    pub fn without_identity(mut self) -> FeatureSet {
        self.features
            .retain(|feature| !ports::IDENTITY.contains(&feature.name) && !cic::IDENTITY.contains(&feature.name));
        self
    }

    /// This set without the features whose names are not wanted.
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> FeatureSet {
        self.features.retain(|feature| wanted(feature.name));
        self
    }

    /// The features, in the order of the columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// A table of one row a flow and one column a feature. `hosts` is the memory of what each host did lately: keep one
    /// over all the flows of a source, given in the order in which they ended.
    pub fn table(&self, flows: &[Flow], hosts: &mut Hosts) -> Table {
        let mut table = Table::default();
        self.refill(&mut table, flows, hosts);
        table
    }

    /// Puts these flows into the place of the rows of a table that this set made before, whose memory is used again; any
    /// other table is replaced.
    pub fn refill(&self, table: &mut Table, flows: &[Flow], hosts: &mut Hosts) {
        let suits = |(feature, column): (&Feature, &Column)| feature.suits(column);
        let columns = table.columns();
        if columns.len() != self.features.len() || !self.features.iter().zip(columns).all(suits) {
            *table = self.empty();
        }
        let uses = |is_used: fn(&Value) -> bool| self.features.iter().any(|feature| is_used(&feature.value));
        let mut past = std::mem::take(&mut hosts.past);
        past.contexts.clear();
        past.surroundings.clear();
        if uses(|value| matches!(value, Value::Context(_))) {
            past.contexts.extend(flows.iter().map(|flow| hosts.observe(flow)));
        }
        if uses(|value| matches!(value, Value::Window(_))) {
            past.surroundings.extend(flows.iter().map(|flow| hosts.windows.observe(flow)));
        }
        let columns = table.refill(flows.len());
        self.features.iter().zip(columns).for_each(|(feature, column)| feature.fill(&mut column.values, flows, &past));
        hosts.past = past;
    }
}

/// What came before each flow: empty where no feature asks for it.
#[derive(Clone, Debug, Default)]
struct Past {
    contexts: Vec<Context>,
    surroundings: Vec<Option<kdd::Surroundings>>,
}

impl Feature {
    /// Its column without rows.
    fn column(&self) -> Column {
        let values = match self.value {
            Value::Category(vocabulary, _) => {
                Values::Categories(Category { codes: Vec::new(), vocabulary: vocabulary() })
            }
            _ => Values::Numbers(Vec::new()),
        };
        Column { name: self.name.to_owned(), values }
    }

    /// Whether the column is one that it made.
    fn suits(&self, column: &Column) -> bool {
        let is_category = matches!(self.value, Value::Category(..));
        is_category == matches!(column.values, Values::Categories(_)) && column.name == self.name
    }

    /// Puts a value a flow into the place of what the column has.
    fn fill(&self, values: &mut Values, flows: &[Flow], past: &Past) {
        match values {
            Values::Numbers(numbers) => {
                numbers.clear();
                match self.value {
                    Value::Number(number) => numbers.extend(flows.iter().map(number)),
                    Value::Context(number) => numbers.extend(past.contexts.iter().map(number)),
                    Value::Cic(profile, number) => {
                        numbers.extend(flows.iter().map(|flow| number(&cic::View::new(flow, profile)) as f32));
                    }
                    Value::Window(number) => {
                        let around = past.surroundings.iter();
                        numbers.extend(around.map(|around| around.as_ref().map_or(f32::NAN, number)));
                    }
                    Value::Category(..) => {}
                }
            }
            Values::Categories(category) => {
                category.codes.clear();
                if let Value::Category(_, position) = self.value {
                    let codes = flows.iter().map(|flow| position(flow).map_or(Category::MISSING, |code| code as u32));
                    category.codes.extend(codes);
                }
            }
        }
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
