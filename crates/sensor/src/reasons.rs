//! A detector judges flows, and says of the strangest ones why they are strange.

use alert::learned::Alarms;
use flow::{Flow, Table, Values, printable};
use model::{Asked, Detector, Explainer, Explaining, Explanation, Identity, brief, cell};

use crate::Error;

/// A detector, ready to judge and to give reasons.
pub(crate) struct Judge {
    explainer: Reasons,
    /// Of each column of the schema: between which values nine of ten rows lay that it learned from, where that is known.
    usual: Vec<Option<(f32, f32)>>,
}

enum Reasons {
    /// What each column adds, exactly.
    Columns(Explainer<Box<Detector>>),
    /// The attacks that it is like.
    Attacks(Box<Detector>),
    /// What it says of columns would be an estimate that takes long.
    None(Box<Detector>),
}

impl Judge {
    /// Makes a detector ready. `learned` is the table that it learned from; where that is gone, an empty one.
    pub(crate) fn new(detector: Detector, learned: &Table) -> Result<Judge, Error> {
        let usual = |name: &str| learned.column(name).and_then(|column| usual(&column.values));
        let usual = detector.schema().fields.iter().map(|field| usual(&field.name)).collect();
        let detector = Box::new(detector);
        let explainer = if detector.provenance.method.is_supervised() {
            Reasons::Attacks(detector)
        } else if Explainer::needs_background(&detector, Asked::Best) {
            Reasons::None(detector)
        } else {
            Reasons::Columns(Explainer::new(detector, &Explaining::default(), None)?)
        };
        Ok(Judge { explainer, usual })
    }

    /// Judges flows, whose features are in the table, and gives the alarms their reasons: of a host and hour those of the
    /// strongest flow so far, since more would be read by nobody.
    pub(crate) fn judge(&self, alarms: &mut Alarms, flows: &[Flow], table: &Table) -> Result<(), Error> {
        if flows.is_empty() {
            return Ok(());
        }
        let detector = self.detector();
        let mut verdicts = detector.judge(table)?;
        alarms.decide(flows, &mut verdicts);
        if let Reasons::Attacks(detector) = &self.explainer {
            let identities = detector.identify(table, &verdicts)?;
            for ((flow, verdict), identity) in flows.iter().zip(verdicts).zip(identities) {
                let words = |identity| match identity {
                    Identity::Known(attack) => printable(attack).to_string(),
                    Identity::Unknown => "no known kind".to_owned(),
                };
                alarms.observe(flow, verdict, || identity.map(words).into_iter().collect());
            }
            return Ok(());
        }
        for (row, (flow, verdict)) in flows.iter().zip(verdicts).enumerate() {
            let mut failed = None;
            alarms.observe(flow, verdict, || {
                self.reasons(&table.select(&[row])).unwrap_or_else(|error| {
                    failed = Some(error);
                    Vec::new()
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn detector(&self) -> &Detector {
        match &self.explainer {
            Reasons::Columns(explainer) => explainer.detector(),
            Reasons::Attacks(detector) | Reasons::None(detector) => detector,
        }
    }

    /// The columns that make the only row of a table stranger than others, those that add most first, in words.
    fn reasons(&self, row: &Table) -> Result<Vec<String>, Error> {
        let Reasons::Columns(explainer) = &self.explainer else { return Ok(Vec::new()) };
        let explanations = explainer.explain(row)?;
        let Some(explanation) = explanations.first() else { return Ok(Vec::new()) };
        let adding = strongest(explanation);
        let fields = &explainer.detector().schema().fields;
        let columns = adding.filter_map(|at| row.column(&fields.get(at)?.name).map(|column| (at, column)));
        let words = columns.map(|(at, column)| {
            let usual = match self.usual.get(at).copied().flatten() {
                // It is not the value that is odd, but that it comes with the others.
                Some((low, high)) if number(&column.values).is_some_and(|own| (low..=high).contains(&own)) => {
                    String::new()
                }
                None => String::new(),
                Some((low, high)) if low == high => format!(", usually {}", brief(low)),
                Some((low, high)) => format!(", usually {} to {}", brief(low), brief(high)),
            };
            let value = match (&column.values, number(&column.values)) {
                (_, Some(number)) => brief(number),
                (Values::Numbers(_), None) => "missing".to_owned(),
                (Values::Categories(_), None) => cell(column, 0),
            };
            format!("{} {value}{usual}", printable(&column.name))
        });
        Ok(words.collect())
    }
}

/// The few columns that add most to an anomaly, as long as one adds something worth a word.
fn strongest(explanation: &Explanation) -> impl Iterator<Item = usize> {
    let added: f64 = explanation.contributions.iter().filter(|adds| **adds > 0.0).sum();
    let adds = explanation.contributions.clone();
    explanation.ranked().into_iter().filter(move |&at| adds[at] > 0.0 && adds[at] >= added * LEAST_SHARE).take(MOST)
}

/// The number in the only row, where there is one.
fn number(values: &Values) -> Option<f32> {
    let Values::Numbers(numbers) = values else { return None };
    numbers.first().copied().filter(|number| number.is_finite())
}

/// Between which values nine of ten numbers lie; `None` where they are no numbers or all are missing.
fn usual(values: &Values) -> Option<(f32, f32)> {
    let Values::Numbers(numbers) = values else { return None };
    let mut numbers: Vec<f32> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    let (low, high) = (numbers.len() / 20, numbers.len().checked_sub(1)? - numbers.len() / 20);
    let mut at = |place: usize| *numbers.select_nth_unstable_by(place, f32::total_cmp).1;
    Some((at(low), at(high)))
}

/// Columns told of a flow.
const MOST: usize = 3;
/// Of all that columns add; what adds less is no reason.
const LEAST_SHARE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use flow::Column;
    use model::Dataset;

    use super::*;

    /// 1,000 rows of which `bytes` are from 100 to 299 and `port` is always 443.
    fn table() -> Table {
        let bytes = (0..1000).map(|row| (100 + row * 7 % 200) as f32).collect();
        let noise = (0..1000).map(|row| (row * 13 % 997) as f32).collect();
        let columns = [("bytes", bytes), ("noise", noise), ("port", vec![443.0; 1000])];
        Table::new(columns.map(|(name, values)| Column::numbers(name, values)).into()).unwrap()
    }

    #[test]
    fn the_column_that_makes_a_row_strange_is_named_with_its_value_and_what_is_usual() {
        let plan = model::Plan {
            method: model::Method::IsolationForest(model::estimator::IsolationForest::default()),
            rule: model::evaluation::Rule::Contamination(0.01),
            ..model::Plan::default()
        };
        let detector = Detector::train(&Dataset::unlabelled(table()), &plan).unwrap();
        let judge = Judge::new(detector, &table()).unwrap();
        let row = [("bytes", 88_210.0), ("noise", 400.0), ("port", 443.0)];
        let row = Table::new(row.map(|(name, value)| Column::numbers(name, vec![value])).into()).unwrap();
        let reasons = judge.reasons(&row).unwrap();
        assert_eq!(reasons.first().map(String::as_str), Some("bytes 88,210, usually 110 to 289"), "{reasons:?}");
        assert!(reasons.iter().all(|reason| !reason.starts_with("port")), "{reasons:?}");
    }

    #[test]
    fn what_is_usual_leaves_out_the_rare_ends_and_what_is_missing() {
        let mut numbers: Vec<f32> = (0..100).map(|number| number as f32).collect();
        numbers.extend([f32::NAN; 50]);
        assert_eq!(usual(&Values::Numbers(numbers)), Some((5.0, 94.0)));
        assert_eq!(usual(&Values::Numbers(vec![f32::NAN])), None);
    }
}
