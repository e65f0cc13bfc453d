//! What would have to differ for no alert.

use flow::{Category, Column, Table, Values, printable};
use serde::Serialize;

use super::Explanation;
use super::words::{cell, number};
use crate::{Detector, Error};

/// A change of few columns that makes a row one without an alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counterfactual {
    /// What would have to differ, all of it together.
    pub changes: Vec<Change>,
    /// The score then.
    pub score: f32,
}

/// Another value of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The column.
    pub column: String,
    /// Its value as it is, in words.
    pub from: String,
    /// Its value as it would have to be, in words.
    pub to: String,
    /// Whether any value further away is as good, as far as was looked: the largest or the smallest that is.
    pub bound: Option<Bound>,
}

/// Which values are as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Any down to those that were looked at.
    AtMost,
    /// Any up to those that were looked at.
    AtLeast,
}

/// A value that a column may take.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(f32),
    Name(String),
    Missing,
}

impl Counterfactual {
    /// In words: no alert if ...
    pub fn words(&self) -> String {
        let one = |change: &Change| {
            let bound = match change.bound {
                Some(Bound::AtMost) => "at most ",
                Some(Bound::AtLeast) => "at least ",
                None => "",
            };
            format!("`{}` were {bound}{} instead of {}", printable(&change.column), change.to, change.from)
        };
        format!("no alert if {}", self.changes.iter().map(one).collect::<Vec<_>>().join(" and "))
    }
}

impl Detector {
    /// A change of at most four columns of a row towards values that rows of `normal` have, such that it no longer alarms;
    /// `None` where none was found, or where the row does not alarm. Columns are tried one at a time, the best of
    /// each round is kept (a greedy search, Wachter et al. 2018 for the question); numbers then go back as far as they can,
    /// and columns that turn out not to matter keep their values. It is one such change, not always the smallest.
    ///
    /// The explanation of the row says which columns are worth trying. Panics where there is no such row.
    pub fn counterfactual(
        &self,
        table: &Table,
        row: usize,
        explanation: &Explanation,
        normal: &Table,
    ) -> Result<Option<Counterfactual>, Error> {
        let names: Vec<&str> = self.schema().fields.iter().map(|field| field.name.as_str()).collect();
        let own = table.select(&[row]);
        if !self.judge(&own)?.iter().any(|verdict| verdict.alarm) {
            return Ok(None);
        }
        let pushing = explanation.ranked().into_iter().filter(|&column| explanation.contributions[column] > 0.0);
        let columns: Vec<&str> = pushing.filter_map(|column| names.get(column).copied()).take(COLUMNS).collect();
        let mut changes: Vec<(&str, Value)> = Vec::new();
        let mut found = None;
        while found.is_none() && changes.len() < MOST_CHANGES {
            let mut tried: Vec<Vec<(&str, Value)>> = Vec::new();
            for &name in columns.iter().filter(|name| changes.iter().all(|(changed, _)| changed != *name)) {
                for value in values(normal, name) {
                    tried.push(changes.iter().cloned().chain([(name, value)]).collect());
                }
            }
            let scores = self.scores_with(&own, &tried)?;
            let best = (0..tried.len()).min_by(|&one, &other| scores[one].total_cmp(&scores[other]));
            let Some(best) = best else { break };
            // Columns come by what they add: the first that is enough alone is as good an answer as any.
            let first = (0..tried.len()).find(|&at| scores[at] < self.threshold());
            changes = tried.swap_remove(first.unwrap_or(best));
            found = first;
        }
        if found.is_none() {
            return Ok(None);
        }
        // What was changed on the way may no longer be needed.
        for place in (0..changes.len()).rev() {
            let mut fewer = changes.clone();
            fewer.remove(place);
            if !fewer.is_empty() && self.scores_with(&own, std::slice::from_ref(&fewer))?[0] < self.threshold() {
                changes = fewer;
            }
        }
        let mut bounds = Vec::new();
        for place in 0..changes.len() {
            bounds.push(self.go_back(&own, &mut changes, place)?);
        }
        let score = self.scores_with(&own, std::slice::from_ref(&changes))?[0];
        let change = |((name, value), bound): ((&str, Value), Option<Bound>)| Change {
            column: name.to_owned(),
            from: own.column(name).map_or_else(String::new, |column| cell(column, 0)),
            to: match value {
                Value::Number(value) => number(value),
                Value::Name(name) => printable(&name).to_string(),
                Value::Missing => "missing".into(),
            },
            bound,
        };
        let changes = changes.into_iter().zip(bounds).map(change).collect();
        Ok(Some(Counterfactual { changes, score }))
    }

    /// Moves a changed number as near to its own value as it can go, and tells whether all values between there and where it
    /// came from are as good, as far as was looked.
    fn go_back(&self, own: &Table, changes: &mut [(&str, Value)], place: usize) -> Result<Option<Bound>, Error> {
        let (name, value) = changes[place].clone();
        let (Value::Number(good), Some(Values::Numbers(numbers))) =
            (value, own.column(name).map(|column| &column.values))
        else {
            return Ok(None);
        };
        let bad = numbers[0];
        if bad.is_nan() {
            return Ok(None);
        }
        let with = |values: &[f32]| -> Vec<Vec<(&str, Value)>> {
            let one = |value: &f32| {
                let mut changes = changes.to_vec();
                changes[place].1 = Value::Number(*value);
                changes
            };
            values.iter().map(one).collect()
        };
        let between = |low: f32, high: f32, count: usize| -> Vec<f32> {
            (1..=count)
                .map(|step| {
                    let share = step as f64 / (count + 1) as f64;
                    (f64::from(low) * (1.0 - share) + f64::from(high) * share) as f32
                })
                .collect()
        };
        let (mut good, start, mut bad) = (good, good, bad);
        for _ in 0..ROUNDS {
            let steps = between(good, bad, STEPS);
            let scores = self.scores_with(own, &with(&steps))?;
            let passing = scores.iter().take_while(|score| **score < self.threshold()).count();
            if passing > 0 {
                good = steps[passing - 1];
            }
            if let Some(failing) = steps.get(passing) {
                bad = *failing;
            }
        }
        // A number that a person can read, where that is as good: on the way back from the edge.
        for digits in 1..7 {
            let round = rounded(good, digits, good > bad);
            let within = (round - start) * (round - good) <= 0.0;
            if within && self.scores_with(own, &with(&[round]))?[0] < self.threshold() {
                good = round;
                break;
            }
        }
        let all =
            self.scores_with(own, &with(&between(start, good, STEPS)))?.iter().all(|score| *score < self.threshold());
        let bound = all.then_some(if good > bad { Bound::AtLeast } else { Bound::AtMost });
        changes[place].1 = Value::Number(good);
        Ok(bound)
    }

    /// The score of a row with each of these sets of changes.
    fn scores_with(&self, own: &Table, tried: &[Vec<(&str, Value)>]) -> Result<Vec<f32>, Error> {
        let mut columns: Vec<Column> = own.select(&vec![0; tried.len()]).columns().to_vec();
        for column in &mut columns {
            for (row, changes) in tried.iter().enumerate() {
                if let Some((_, value)) = changes.iter().find(|(name, _)| *name == column.name) {
                    put(&mut column.values, row, value);
                }
            }
        }
        let table = Table::new(columns).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(self.judge(&table)?.into_iter().map(|verdict| verdict.score).collect())
    }
}

/// Sets a value of a column; one of another kind changes nothing.
fn put(values: &mut Values, row: usize, value: &Value) {
    match (values, value) {
        (Values::Numbers(numbers), Value::Number(value)) => numbers[row] = *value,
        (Values::Numbers(numbers), Value::Missing) => numbers[row] = f32::NAN,
        (Values::Categories(category), Value::Name(name)) => {
            let known = category.vocabulary.iter().position(|known| known == name);
            category.codes[row] = known.unwrap_or_else(|| {
                category.vocabulary.push(name.clone());
                category.vocabulary.len() - 1
            }) as u32;
        }
        (Values::Categories(category), Value::Missing) => category.codes[row] = Category::MISSING,
        (Values::Numbers(_), Value::Name(_)) | (Values::Categories(_), Value::Number(_)) => {}
    }
}

/// What rows have in a column: of numbers some that part them evenly, of names the most frequent.
fn values(normal: &Table, name: &str) -> Vec<Value> {
    let Some(column) = normal.column(name) else { return Vec::new() };
    match &column.values {
        Values::Numbers(numbers) => {
            let mut present: Vec<f32> = numbers.iter().copied().filter(|value| value.is_finite()).collect();
            present.sort_unstable_by(f32::total_cmp);
            let last = present.len().saturating_sub(1);
            let mut some: Vec<f32> =
                (0..TRIED).filter_map(|step| present.get(last * step / (TRIED - 1)).copied()).collect();
            some.dedup();
            let missing = (present.len() < numbers.len()).then_some(Value::Missing);
            some.into_iter().map(Value::Number).chain(missing).collect()
        }
        Values::Categories(category) => {
            let mut counts = vec![0usize; category.vocabulary.len()];
            for &code in &category.codes {
                if let Some(count) = counts.get_mut(code as usize) {
                    *count += 1;
                }
            }
            let mut names: Vec<usize> = (0..counts.len()).filter(|&name| counts[name] > 0).collect();
            names.sort_by_key(|&name| std::cmp::Reverse(counts[name]));
            names.into_iter().take(TRIED).map(|name| Value::Name(category.vocabulary[name].clone())).collect()
        }
    }
}

/// The number with so many digits, rounded up or down.
fn rounded(value: f32, digits: i32, up: bool) -> f32 {
    if value == 0.0 {
        return value;
    }
    let unit = 10f64.powi(f64::from(value.abs()).log10().floor() as i32 + 1 - digits);
    let units = f64::from(value) / unit;
    ((if up { units.ceil() } else { units.floor() }) * unit) as f32
}

/// So many columns are tried, those that add most.
const COLUMNS: usize = 24;
/// So many columns may differ.
const MOST_CHANGES: usize = 4;
/// So many values of a column are tried.
const TRIED: usize = 17;
/// Each round looks at so many values between one that is good and one that is not.
const STEPS: usize = 15;
const ROUNDS: usize = 6;
