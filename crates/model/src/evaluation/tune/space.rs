//! What may be tried.

use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, Method, Plan, Recipe};

/// Settings by their names, as a configuration has them.
pub type Settings = Map<String, Value>;

/// One setting, and what it may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// The setting's name, as in a configuration.
    pub setting: String,
    /// What it may be.
    pub range: Range,
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// The settings of a method that are worth searching, each with its range: settings of one name mean the same in every
/// estimator. A number of a name unknown here is tried from a quarter of its default to four times as much, a switch both
/// ways; words of a name unknown here stay as they are.
pub fn space(method: &Method) -> Vec<Dimension> {
    let Ok(Value::Object(all)) = serde_json::to_value(method) else { return Vec::new() };
    let Some(Value::Object(defaults)) = all.into_iter().next().map(|(_, settings)| settings) else { return Vec::new() };
    let range = |(setting, default): (String, Value)| {
        let range = known(method.name(), &setting).or_else(|| around(&default))?;
        Some(Dimension { setting, range })
    };
    defaults.into_iter().filter(|(setting, _)| !FIXED.contains(&setting.as_str())).filter_map(range).collect()
}

/// The settings of the encoder that are worth searching for a method, each with its range; none for an ensemble, whose
/// parts have each their own.
pub fn encoder_space(method: &Method) -> Vec<Dimension> {
    if matches!(method, Method::Voting(_) | Method::Stacking(_)) {
        return Vec::new();
    }
    let mut categories = vec![json!("ranks"), json!("rarity"), json!("one-hot")];
    if method.is_supervised() {
        categories.push(json!("target"));
    }
    let choices = [
        ("logarithm", vec![json!(false), json!(true)]),
        ("scaling", vec![json!("none"), json!("standard"), json!("robust")]),
        ("categories", categories),
        ("rare", vec![json!(1), json!(5), json!(20)]),
    ];
    let dimension =
        |(setting, values)| Dimension { setting: format!("{ENCODER}{setting}"), range: Range::Choice(values) };
    choices.map(dimension).to_vec()
}

/// This plan with other settings of its method, and, where they begin with `encoder.`, of the encoder; an error where there
/// is no such setting, or its value is refused.
pub fn with(plan: &Plan, settings: &Settings) -> Result<Plan, Error> {
    let name = plan.method.name();
    let refused = |error: serde_json::Error| Error::Setting {
        setting: "settings",
        value: error.to_string(),
        range: format!("settings of {name} or of the encoder"),
    };
    let mut method = serde_json::to_value(&plan.method).map_err(refused)?;
    let mut recipe = serde_json::to_value(plan.recipe.unwrap_or(plan.method.recipe())).map_err(refused)?;
    let mut encodes = plan.recipe.is_some();
    for (setting, value) in settings {
        let (owner, setting) = match setting.strip_prefix(ENCODER) {
            Some(setting) => {
                encodes = true;
                (recipe.as_object_mut(), setting)
            }
            None => (method.get_mut(name).and_then(Value::as_object_mut), setting.as_str()),
        };
        if let Some(owner) = owner {
            owner.insert(setting.to_owned(), value.clone());
        }
    }
    let method: Method = serde_json::from_value(method).map_err(refused)?;
    method.check()?;
    let recipe: Recipe = serde_json::from_value(recipe).map_err(refused)?;
    Ok(Plan { method, recipe: encodes.then_some(recipe), ..plan.clone() })
}

impl Range {
    /// The value at a place 0..=1 of the range.
    fn value(&self, place: f64) -> Value {
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
    pub(super) fn choices(&self) -> Option<usize> {
        match self {
            Range::Choice(values) => Some(values.len()),
            _ => None,
        }
    }
}

/// The settings at places of the dimensions.
pub(super) fn settings(space: &[Dimension], places: &[f64]) -> Settings {
    let values = space.iter().zip(places);
    values.map(|(dimension, &place)| (dimension.setting.clone(), dimension.range.value(place))).collect()
}

/// Places anywhere.
pub(super) fn anywhere(space: &[Dimension], random: &mut impl Rng) -> Vec<f64> {
    space.iter().map(|_| random.random::<f64>()).collect()
}

/// The ranges of settings by name.
fn known(method: &str, setting: &str) -> Option<Range> {
    Some(match setting {
        "trees" => Range::WholeMagnitude(25, 400),
        "max-depth" if method == "gradient-boosting" => Range::Whole(3, 12),
        "max-depth" => Range::Whole(3, 30),
        "num-leaves" => Range::WholeMagnitude(7, 255),
        "min-samples-leaf" => Range::WholeMagnitude(1, 100),
        "min-child-weight" => Range::Magnitude(1e-3, 10.0),
        "min-split-gain" => Range::Magnitude(1e-6, 1.0),
        "max-features" => Range::WholeMagnitude(2, 40),
        "sample" => Range::WholeMagnitude(64, 4096),
        "learning-rate" => Range::Magnitude(0.01, 0.3),
        "reg-alpha" | "reg-lambda" | "l1" | "l2" => Range::Magnitude(1e-6, 100.0),
        "subsample" | "colsample-bytree" => Range::Real(0.4, 1.0),
        "shrinkage" => Range::Magnitude(1e-4, 0.5),
        "neighbours" => Range::WholeMagnitude(1, 50),
        "bins" => Range::WholeMagnitude(8, 255),
        "variance" => Range::Real(0.5, 0.999),
        "support" => Range::Real(0.5, 1.0),
        "least" => Range::WholeMagnitude(1, 100),
        "class-weights" => Range::Choice(vec![json!("equal"), json!("balanced")]),
        "criterion" => Range::Choice(vec![json!("gini"), json!("entropy")]),
        _ => return None,
    })
}

/// What the encoder's settings begin with.
const ENCODER: &str = "encoder.";
/// How exactly to compute, on how many rows, and what to tell beside is no matter of taste.
const FIXED: [&str; 7] =
    ["tolerance", "max-iterations", "rows", "folds", "oob-score", "early-stopping-rounds", "validation-fraction"];

/// A range around a default.
fn around(default: &Value) -> Option<Range> {
    match default {
        Value::Bool(_) => Some(Range::Choice(vec![json!(false), json!(true)])),
        Value::Number(number) => match number.as_u64() {
            Some(whole) if whole > 0 => Some(Range::WholeMagnitude((whole / 4).max(1), whole.saturating_mul(4))),
            Some(_) => None,
            None => number.as_f64().filter(|real| *real > 0.0).map(|real| Range::Magnitude(real / 4.0, real * 4.0)),
        },
        _ => None,
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
        assert_eq!(Range::Choice(vec![json!("a"), json!("b")]).value(0.6), json!("b"));
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let plan = Plan::default();
        let with = |text: &str| with(&plan, &serde_json::from_str::<Settings>(text).unwrap());
        assert_eq!(with(r#"{"trees": 7}"#).unwrap().recipe, None);
        assert!(with(r#"{"encoder.logarithm": true}"#).unwrap().recipe.unwrap().logarithm);
        for refused in [r#"{"leaf": 7}"#, r#"{"trees": 0}"#, r#"{"encoder.trees": 7}"#] {
            assert!(with(refused).is_err(), "{refused}");
        }
    }
}
