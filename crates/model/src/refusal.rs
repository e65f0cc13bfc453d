//! Attacks of no known kind.

use flow::Table;
use serde::{Deserialize, Serialize};

use crate::learn::{Lesson, learn};
use crate::{Dataset, Detector, Encoder, Error, Grouping, Method, Model, Probabilities, Schema, Verdict};

/// When a detector of several kinds of attack refuses to name one: the row alarms, and no known kind fits it (open-set
/// recognition, Scheirer et al. 2013). Whether a row alarms does not hang on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refuse {
    /// The share of known attacks that may be refused wrongly, counted on held-back rows that alarm. Default 0.05.
    pub rate: f64,
    /// An anomaly method that learns all attacks of the training rows: a row that is unlike them all is refused, too,
    /// and each of both tests may be wrong with half the rate. Default none: only a kind that is too unlikely is refused.
    pub unlike: Option<Method>,
}

impl Default for Refuse {
    fn default() -> Refuse {
        Refuse { rate: 0.05, unlike: None }
    }
}

/// What a row that alarms is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// An attack of this class.
    Known(&'a str),
    /// An attack of no class that was learned.
    Unknown,
}

impl std::fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Identity::Known(class) => f.write_str(class),
            Identity::Unknown => f.write_str("unknown"),
        }
    }
}

impl Detector {
    /// Whether it tells several kinds of attack apart, so that an alarm can be given a name.
    pub fn names_attacks(&self) -> bool {
        self.model().classes().len() > 2
    }

    /// What each row is that alarms, by its verdict; `None` for one that does not, and of a detector that does not tell
    /// kinds of attack apart.
    pub fn identify(&self, table: &Table, verdicts: &[Verdict]) -> Result<Vec<Option<Identity<'_>>>, Error> {
        if verdicts.len() != table.rows() {
            return Err(Error::Length { what: "verdicts", expected: table.rows(), found: verdicts.len() });
        }
        let mut identities = vec![None; verdicts.len()];
        let alarming: Vec<usize> = (0..verdicts.len()).filter(|&row| verdicts[row].alarm).collect();
        if alarming.is_empty() || !self.names_attacks() {
            return Ok(identities);
        }
        let table = table.select(&alarming);
        let Some(probabilities) = self.model().probabilities(&self.encoder().encode(&table)?)? else {
            return Ok(identities);
        };
        let unlike = match &self.refusal {
            Some(Refusal { unlike: Some(unlike), .. }) => unlike.refuses(&table)?,
            _ => vec![false; alarming.len()],
        };
        let least = self.refusal.as_ref().map_or(0.0, |refusal| refusal.least);
        for ((row, unlike), (class, probability)) in alarming.into_iter().zip(unlike).zip(likeliest(&probabilities)) {
            let known = self.model().classes().get(class).filter(|_| probability >= least && !unlike);
            identities[row] = Some(known.map_or(Identity::Unknown, |class| Identity::Known(class)));
        }
        Ok(identities)
    }
}

/// Where refusing begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The probability that the likeliest kind of attack must have.
    least: f32,
    unlike: Option<Unlike>,
}

/// An anomaly model of all known attacks, and the score above which a row is none of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unlike {
    encoder: Encoder,
    model: Model,
    most: f32,
}

impl Refusal {
    /// By held-back rows that neither model learned from: attacks that alarm, and how likely each is of each class.
    pub(crate) fn calibrate(
        refuse: &Refuse,
        learned: &Dataset,
        attacks: &Dataset,
        probabilities: &Probabilities,
        seed: u64,
    ) -> Result<Refusal, Error> {
        if !(0.0..=1.0).contains(&refuse.rate) {
            let value = refuse.rate.to_string();
            return Err(Error::Setting { setting: "refusal-rate", value, range: "within 0 to 1".into() });
        }
        let rate = if refuse.unlike.is_some() { refuse.rate / 2.0 } else { refuse.rate };
        let mut likely: Vec<f32> = likeliest(probabilities).map(|(_, probability)| probability).collect();
        likely.sort_unstable_by(f32::total_cmp);
        let allowed = (rate * likely.len() as f64).floor() as usize;
        // The highest that is not above the first probability that must pass.
        let least = likely.get(allowed).copied().unwrap_or(0.0);
        let unlike = match &refuse.unlike {
            None => None,
            Some(method) => {
                let mut unlike = Unlike::learn(method, learned, seed)?;
                let mut scores = unlike.scores(attacks.table())?;
                scores.sort_unstable_by(|one, other| other.total_cmp(one));
                unlike.most = scores.get(allowed).copied().unwrap_or(1.0);
                Some(unlike)
            }
        };
        Ok(Refusal { least, unlike })
    }

    /// The same borders, and the anomaly model learned anew from all rows.
    pub(crate) fn refit(self, refuse: &Refuse, learned: &Dataset, seed: u64) -> Result<Refusal, Error> {
        let unlike = match (self.unlike, &refuse.unlike) {
            (Some(old), Some(method)) => Some(Unlike { most: old.most, ..Unlike::learn(method, learned, seed)? }),
            _ => None,
        };
        Ok(Refusal { unlike, ..self })
    }

    /// Refuses what no training can have made: bytes from outside.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_share = |value: f32| (0.0..=1.0 + f32::EPSILON).contains(&value);
        if let Some(Unlike { encoder, model, most }) = &self.unlike {
            encoder.check()?;
            model.check(encoder.width())?;
            if !is_share(*most) || encoder.keeps_missing() && !model.takes_missing() {
                return Err(Error::Damaged("it refuses rows by a model that does not fit".into()));
            }
        }
        if is_share(self.least) { Ok(()) } else { Err(Error::Damaged("it refuses beyond all probability".into())) }
    }
}

impl Unlike {
    /// From all attacks of the data set, whatever their kind.
    fn learn(method: &Method, dataset: &Dataset, seed: u64) -> Result<Unlike, Error> {
        let attacks = dataset.attacks().unwrap_or_default();
        let rows: Vec<usize> = (0..attacks.len()).filter(|&row| attacks[row]).collect();
        let attacks = &Dataset::unlabelled(dataset.table().select(&rows));
        let schema = &Schema::of(dataset.table());
        let lesson = Lesson { dataset: attacks, schema, grouping: Grouping::Binary, recipe: None, seed };
        let (encoder, model) = learn(method, &lesson)?;
        Ok(Unlike { encoder, model, most: 1.0 })
    }

    fn scores(&self, table: &Table) -> Result<Vec<f32>, Error> {
        self.model.scores(&self.encoder.encode(table)?)
    }

    fn refuses(&self, table: &Table) -> Result<Vec<bool>, Error> {
        Ok(self.scores(table)?.into_iter().map(|score| score > self.most).collect())
    }
}

/// Of each row the likeliest class that is an attack, and how likely it is.
fn likeliest(probabilities: &Probabilities) -> impl Iterator<Item = (usize, f32)> {
    (0..probabilities.rows()).map(|row| {
        let attacks = probabilities.row(row).iter().copied().enumerate().skip(1);
        attacks.fold((0, -1.0), |best, next| if next.1 > best.1 { next } else { best })
    })
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label};

    use super::*;
    use crate::Plan;

    /// Benign rows around 0, scans around 10, floods around 20 of two columns.
    fn dataset() -> Dataset {
        let place = |row: usize| [0.0, 0.0, 10.0, 20.0][row % 4];
        let column = |step: f32| (0..800).map(|row| place(row) + (row as f32 * step).sin()).collect();
        let table = Table::new(vec![Column::numbers("bytes", column(0.7)), Column::numbers("packets", column(1.3))]);
        let labels: Vec<Label> =
            (0..800).map(|row| Label::new(["normal", "normal", "scan", "flood"][row % 4])).collect();
        Dataset::labelled(table.unwrap(), &labels).unwrap()
    }

    fn table(rows: &[[f32; 2]]) -> Table {
        let column = |at: usize| rows.iter().map(|row| row[at]).collect();
        Table::new(vec![Column::numbers("bytes", column(0)), Column::numbers("packets", column(1))]).unwrap()
    }

    fn train(unlike: Option<&str>) -> Detector {
        let unlike = unlike.map(|settings| serde_json::from_str(settings).unwrap());
        let refusal = Some(Refuse { unlike, ..Refuse::default() });
        Detector::train(&dataset(), &Plan { grouping: Grouping::Kinds, refusal, ..Plan::default() }).unwrap()
    }

    #[test]
    fn alarms_are_named_and_rows_that_do_not_alarm_are_not() {
        let (detector, table) = (train(None), table(&[[0.0, 0.0], [10.0, 10.0], [20.0, 20.0]]));
        let verdicts = detector.judge(&table).unwrap();
        let identities = detector.identify(&table, &verdicts).unwrap();
        assert_eq!(identities, [None, Some(Identity::Known("scan")), Some(Identity::Known("flood"))]);
    }

    #[test]
    fn an_attack_unlike_all_known_ones_is_refused() {
        let detector = train(Some(r#"{"neighbour-distance": {}}"#));
        let detector = Detector::from_bytes(&detector.to_bytes().unwrap()).unwrap();
        let table = table(&[[10.0, 10.0], [400.0, 10.0]]);
        let verdicts = detector.judge(&table).unwrap();
        assert!(verdicts[1].alarm);
        let identities = detector.identify(&table, &verdicts).unwrap();
        assert_eq!(identities, [Some(Identity::Known("scan")), Some(Identity::Unknown)]);
    }

    #[test]
    fn no_more_known_attacks_are_refused_than_allowed() {
        let values = (0..100).flat_map(|row| [0.1, 0.9 - row as f32 / 200.0, row as f32 / 200.0]);
        let attacks = dataset().select(&(0..100).collect::<Vec<usize>>());
        let probabilities = Probabilities::new(3, values.collect());
        let refusal = Refusal::calibrate(&Refuse::default(), &dataset(), &attacks, &probabilities, 1).unwrap();
        let refused = likeliest(&probabilities).filter(|(_, probability)| *probability < refusal.least).count();
        assert!((4..=5).contains(&refused), "{refused}");
    }

    #[test]
    fn a_detector_of_two_classes_names_nothing() {
        let detector = Detector::train(&dataset(), &Plan::default()).unwrap();
        let table = table(&[[10.0, 10.0]]);
        assert_eq!(detector.identify(&table, &detector.judge(&table).unwrap()), Ok(vec![None]));
    }
}
