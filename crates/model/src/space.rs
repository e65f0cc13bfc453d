//! What settings may be when good ones are searched. Every estimator says beside its settings which are worth it.

use serde_json::{Value, json};

/// One setting, and what it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The setting's name, as in a configuration; of a part of an ensemble behind its place, as in `parts.0.trees`.
    pub setting: String,
    /// What it may be.
    pub range: Range,
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// A number between these, both included.
    Real(f64, f64),
    /// A number between these, every order of magnitude as likely.
    Magnitude(f64, f64),
    /// A whole number between these, both included.
    Whole(u64, u64),
    /// A whole number between these, every order of magnitude as likely.
    WholeMagnitude(u64, u64),
    /// One of these.
    Choice(Vec<Value>),
}

/// Settings, each with its range.
pub(crate) fn space<const SETTINGS: usize>(ranges: [(&str, Range); SETTINGS]) -> Vec<Dimension> {
    ranges.map(|(setting, range)| Dimension { setting: setting.to_owned(), range }).to_vec()
}

/// The settings of a part, named as those of the whole.
pub(crate) fn within(owner: &str, space: Vec<Dimension>) -> impl Iterator<Item = Dimension> {
    space.into_iter().map(move |of| Dimension { setting: format!("{owner}.{}", of.setting), ..of })
}

impl Range {
    /// One of these words.
    pub(crate) fn words(words: &[&str]) -> Range {
        Range::Choice(words.iter().map(|word| json!(word)).collect())
    }

    /// On or off.
    pub(crate) fn switch() -> Range {
        Range::Choice(vec![json!(false), json!(true)])
    }

    /// What rows of each class weigh.
    pub(crate) fn class_weights() -> Range {
        Range::words(&["equal", "balanced"])
    }

    /// The value at a place 0..=1 of the range.
    pub(crate) fn value(&self, place: f64) -> Value {
        let place = place.clamp(0.0, 1.0);
        let between = |low: f64, high: f64| low + place * (high - low);
        let magnitude = |low: f64, high: f64| (between(low.ln(), high.ln())).exp().clamp(low, high);
        match self {
            Range::Real(low, high) => json!(significant(between(*low, *high))),
            Range::Magnitude(low, high) => json!(significant(magnitude(*low, *high))),
            // Every whole number has a part of the same width.
            Range::Whole(low, high) => json!((*low + (place * (high - low + 1) as f64) as u64).min(*high)),
            Range::WholeMagnitude(low, high) => json!(magnitude(*low as f64, *high as f64).round() as u64),
            Range::Choice(values) => {
                let chosen = ((place * values.len() as f64) as usize).min(values.len().saturating_sub(1));
                values.get(chosen).cloned().unwrap_or(Value::Null)
            }
        }
    }

    /// The number of choices; `None` of a range of numbers.
    pub(crate) fn choices(&self) -> Option<usize> {
        match self {
            Range::Choice(values) => Some(values.len()),
            _ => None,
        }
    }
}

/// The number in four significant digits: settings that people can read and type.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_range_is_within_it_and_its_ends_are_reached() {
        let whole = Range::Whole(3, 5);
        assert_eq!([0.0, 0.4, 0.99, 1.0].map(|place| whole.value(place)), [json!(3), json!(4), json!(5), json!(5)]);
        let magnitude = Range::WholeMagnitude(1, 100);
        assert_eq!([0.0, 0.5, 1.0].map(|place| magnitude.value(place)), [json!(1), json!(10), json!(100)]);
        assert_eq!(Range::Magnitude(0.01, 1.0).value(0.5), json!(0.1));
        assert_eq!(Range::words(&["a", "b"]).value(0.6), json!("b"));
    }
}
