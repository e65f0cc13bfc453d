//! From what may be tried to a plan.

use rand::Rng;
use serde_json::{Map, Value, json};

use crate::space::within;
pub use crate::space::{Dimension, Range};
use crate::{Error, Method, Plan, Recipe, Selection};

/// Settings by their names, as a configuration has them.
pub type Settings = Map<String, Value>;

/// The settings of a method that are worth searching, each with its range, by name.
pub fn space(method: &Method) -> Vec<Dimension> {
    let mut space = method.space();
    space.sort_by(|one, other| one.setting.cmp(&other.setting));
    space
}

/// The settings of the encoder that are worth searching for a method, each with its range; none for an ensemble, whose
/// parts have each their own.
pub fn encoder_space(method: &Method) -> Vec<Dimension> {
    if method.is_ensemble() { Vec::new() } else { within(ENCODER, Recipe::space(method.is_supervised())).collect() }
}

/// The ways to choose columns that are worth searching.
pub fn selection_space() -> Vec<Dimension> {
    within(SELECTION, Selection::space()).collect()
}

/// This plan with other settings of its method, and, where they begin with `encoder.` or `selection.`, of the encoder, or
/// with one more selection; an error where there is no such setting, or its value is refused.
pub fn with(plan: &Plan, settings: &Settings) -> Result<Plan, Error> {
    let name = plan.method.name();
    let refused = |what: String| Error::Setting {
        setting: "settings",
        value: what,
        range: format!("settings of {name}, of the encoder or of a selection"),
    };
    let wrong = |error: serde_json::Error| refused(error.to_string());
    let mut method = serde_json::to_value(&plan.method).map_err(wrong)?;
    let mut recipe = serde_json::to_value(plan.recipe.unwrap_or(plan.method.recipe())).map_err(wrong)?;
    let (mut encodes, mut selection) = (plan.recipe.is_some(), Settings::new());
    // A part may be left out only once its settings have found it.
    let (whole, single): (Vec<_>, Vec<_>) = settings.iter().partition(|(setting, _)| is_place(setting));
    for (setting, value) in single.into_iter().chain(whole) {
        match setting.split_once('.') {
            Some((ENCODER, setting)) => {
                encodes = true;
                recipe[setting] = value.clone();
            }
            Some((SELECTION, setting)) => {
                selection.insert(setting.to_owned(), value.clone());
            }
            _ => set(&mut method, setting, value).ok_or_else(|| refused(setting.clone()))?,
        }
    }
    compact(&mut method);
    let method: Method = serde_json::from_value(method).map_err(wrong)?;
    method.check()?;
    let recipe: Recipe = serde_json::from_value(recipe).map_err(wrong)?;
    let mut selections = plan.selections.clone();
    if !selection.is_empty() {
        selections.extend(Selection::searched(Value::Object(selection)).map_err(wrong)?);
    }
    selections.iter().try_for_each(Selection::check)?;
    Ok(Plan { method, recipe: encodes.then_some(recipe), selections, ..plan.clone() })
}

/// Whether it is a part of an ensemble, as in `parts.1`, and not a setting of one.
fn is_place(setting: &str) -> bool {
    setting.rsplit_once("parts.").is_some_and(|(_, place)| place.parse::<usize>().is_ok())
}

/// Sets a setting of a method, or of a part of it; `None` where there is no such part.
fn set(method: &mut Value, setting: &str, value: &Value) -> Option<()> {
    let own = method.as_object_mut()?.values_mut().next()?;
    let Some((owner, rest)) = setting.split_once('.') else {
        own.as_object_mut()?.insert(setting.to_owned(), value.clone());
        return Some(());
    };
    match owner {
        "last" => set(own.get_mut("last")?, rest, value),
        "parts" => {
            let (place, setting) = rest.split_once('.').map_or((rest, None), |(place, setting)| (place, Some(setting)));
            let part = own.get_mut("parts")?.get_mut(place.parse::<usize>().ok()?)?;
            match setting {
                Some(setting) => set(part, setting, value),
                None => {
                    if *value == json!(false) {
                        *part = Value::Null;
                    }
                    Some(())
                }
            }
        }
        "weights" => {
            let parts = own.get("parts")?.as_array()?.len();
            let weights = own.get_mut("weights")?.as_array_mut()?;
            weights.resize(parts, json!(1.0));
            *weights.get_mut(rest.parse::<usize>().ok()?)? = value.clone();
            Some(())
        }
        _ => None,
    }
}

/// Takes the parts away that were left out, with what they weigh.
fn compact(method: &mut Value) {
    let Some(own) = method.as_object_mut().and_then(|method| method.values_mut().next()) else { return };
    if let Some(last) = own.get_mut("last") {
        compact(last);
    }
    let Some(parts) = own.get_mut("parts").and_then(Value::as_array_mut) else { return };
    let stays: Vec<bool> = parts.iter().map(|part| !part.is_null()).collect();
    parts.retain(|part| !part.is_null());
    parts.iter_mut().for_each(compact);
    if let Some(weights) = own.get_mut("weights").and_then(Value::as_array_mut) {
        let mut stays = stays.iter();
        weights.retain(|_| stays.next() != Some(&false));
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

/// What the encoder's settings begin with.
const ENCODER: &str = "encoder";
/// What the settings of a selection begin with.
const SELECTION: &str = "selection";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::{Stacking, Voting};

    fn settings(text: &str) -> Settings {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let plan = Plan::default();
        let with = |text: &str| with(&plan, &settings(text));
        assert_eq!(with(r#"{"trees": 7}"#).unwrap().recipe, None);
        assert!(with(r#"{"encoder.logarithm": true}"#).unwrap().recipe.unwrap().logarithm);
        let few = with(r#"{"selection.by": "mutual-information", "selection.share": 0.5}"#).unwrap();
        assert_eq!(few.selections[0].to_string(), "mutual-information=50%");
        assert!(with(r#"{"selection.by": "none", "selection.share": 0.5}"#).unwrap().selections.is_empty());
        let refused = [
            r#"{"leaf": 7}"#,
            r#"{"trees": 0}"#,
            r#"{"encoder.trees": 7}"#,
            r#"{"selection.trees": 7}"#,
            r#"{"selection.by": "permutation", "selection.share": 0.0}"#,
            r#"{"parts.0.trees": 7}"#,
            r#"{"part.0.trees": 7}"#,
        ];
        for refused in refused {
            assert!(with(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn parts_of_an_ensemble_are_set_weighed_and_left_out() {
        let plan = |method| Plan { method, ..Plan::default() };
        let voting = plan(Method::Voting(Voting::default()));
        let all =
            r#"{"parts.0.trees": 7, "parts.0": true, "parts.1": false, "parts.1.support": 0.7, "weights.0": 3.0}"#;
        let Method::Voting(found) = with(&voting, &settings(all)).unwrap().method else { panic!("no voting") };
        let Method::RandomForest(forest) = &found.parts[0] else { panic!("no forest") };
        assert_eq!((found.parts.len(), forest.trees, found.weights), (1, 7, vec![3.0]));
        assert!(with(&voting, &settings(r#"{"parts.0": false, "parts.1": false}"#)).is_err(), "no part is left");
        assert!(with(&voting, &settings(r#"{"parts.2.trees": 7}"#)).is_err());
        let stacking = plan(Method::Stacking(Stacking::default()));
        let Method::Stacking(found) =
            with(&stacking, &settings(r#"{"last.l2": 9.0, "parts.1": false}"#)).unwrap().method
        else {
            panic!("no stacking")
        };
        assert_eq!(found.parts.iter().map(Method::name).collect::<Vec<_>>(), ["random-forest", "mahalanobis"]);
    }
}
