//! What is saved, versioned and run.

use flow::Table;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::estimator::RandomForest;
use crate::evaluation::{Figures, Finding, Rule, split};
use crate::learn::{Lesson, learn};
use crate::refusal::{Refusal, Refuse};
use crate::selection::{Selected, Selection, select};
use crate::{
    Calibration, Calibrator, Dataset, Encoder, Error, Grouping, Method, Model, Probabilities, Recipe, Schema,
    Supplement,
};

/// Columns, encoder, model, threshold and provenance: judges tables like the one that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    encoder: Encoder,
    model: Model,
    /// What turns the model's scores into probabilities, where the plan asked for it.
    calibrator: Option<Calibrator>,
    threshold: f32,
    pub(crate) refusal: Option<Refusal>,
    /// Where it comes from; changes nothing in what it judges.
    pub provenance: Provenance,
    /// What else is known of it; changes nothing in what it judges either.
    #[serde(skip)]
    pub supplement: Supplement,
}

/// How to train a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The estimator and its settings. Default: a random forest with default settings.
    pub method: Method,
    /// How columns are encoded; ensembles do not look at it. Default: as the method wants.
    pub recipe: Option<Recipe>,
    /// How the columns to learn from are chosen, one selection after the other. Default: all are learned from.
    pub selections: Vec<Selection>,
    /// Which kinds of row a classifier tells apart. Default: benign rows and attacks.
    pub grouping: Grouping,
    /// How scores become probabilities, by the rows that are held back. Default: they stay what the method makes them.
    pub calibration: Option<Calibration>,
    /// How the threshold is chosen from validation rows. Default: the largest F1.
    pub rule: Rule,
    /// When a row that alarms is given no name; looked at where kinds of attack are told apart. Default: where the
    /// likeliest kind is less likely than of 95 % of the known attacks.
    pub refusal: Option<Refuse>,
    /// The share of the rows that is held back to choose the threshold. Default 0.2.
    pub validation_share: f64,
    /// What all random numbers come from. Default 1.
    pub seed: u64,
    /// Columns that a table may carry beside those learned from: the label, and what was dropped. Default none.
    pub ignored: Vec<String>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            method: Method::RandomForest(RandomForest::default()),
            recipe: None,
            selections: Vec::new(),
            grouping: Grouping::Binary,
            calibration: None,
            rule: Rule::F1,
            refusal: Some(Refuse::default()),
            validation_share: 0.2,
            seed: 1,
            ignored: Vec::new(),
        }
    }
}

/// Where a detector comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of the program that trained it.
    pub software: String,
    /// The estimator and its settings.
    pub method: Method,
    /// How the threshold was chosen.
    pub rule: Rule,
    /// What all random numbers came from.
    pub seed: u64,
    /// The rows that were given to learn from, those held back for the threshold included.
    pub rows: u64,
    /// The attacks among them; `None` where the truth was unknown.
    pub attacks: Option<u64>,
    /// The kinds of row among them, in ascending order.
    pub kinds: Vec<String>,
    /// SHA-256 of these rows, see [`Dataset::sha256`].
    pub sha256: [u8; 32],
    /// The column that the labels came from, where there was one.
    pub label: Option<String>,
    /// The columns that were left out, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// What the audit of the table found.
    pub findings: Vec<Finding>,
    /// What it reached on rows that it did not learn from, each with what these rows were.
    pub figures: Vec<(String, Figures)>,
}

/// What a detector says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// 0..=1, higher is worse. What it means is up to the model: a share of attacks, or how early a row stands apart.
    pub score: f32,
    /// Whether the score reaches the detector's threshold.
    pub alarm: bool,
}

impl Detector {
    /// Trains a detector: a part of the rows is held back to choose the threshold, then the model is fitted anew on all.
    ///
    /// A method that learns from labels needs rows of both sides. Any other learns from the benign rows, or from all
    /// where the truth is unknown, and its threshold is chosen on rows of the same sort; [`Rule::F1`] on all.
    pub fn train(dataset: &Dataset, plan: &Plan) -> Result<Detector, Error> {
        if dataset.rows() < 2 {
            return Err(Error::Empty("two rows"));
        }
        let (calibrator, threshold, refusal) = match (plan.rule, plan.calibration) {
            (Rule::Fixed(_), None) if plan.grouping == Grouping::Binary => (None, plan.rule.choose(&[], None)?, None),
            _ => calibrate(dataset, plan)?,
        };
        let (chosen, selected) = select(dataset, plan)?;
        let (mut encoder, model) = fit(&chosen, plan)?;
        let refusal = match (refusal, &plan.refusal) {
            (Some(refusal), Some(refuse)) => Some(refusal.refit(refuse, &chosen, plan.seed)?),
            _ => None,
        };
        let unneeded = selected.iter().flat_map(Selected::left_out).map(str::to_owned);
        encoder.schema_mut().ignored = plan.ignored.iter().cloned().chain(unneeded).collect();
        let mut kinds = dataset.kinds().map(|kinds| kinds.vocabulary.clone()).unwrap_or_default();
        if let Some(column) = dataset.kinds() {
            let used: std::collections::HashSet<u32> = column.codes.iter().copied().collect();
            kinds = (0..).zip(kinds).filter(|(code, _)| used.contains(code)).map(|(_, name)| name).collect();
            kinds.sort_unstable();
        }
        let provenance = Provenance {
            software: env!("CARGO_PKG_VERSION").into(),
            method: plan.method.clone(),
            rule: plan.rule,
            seed: plan.seed,
            rows: dataset.rows() as u64,
            attacks: dataset.attacks().map(|attacks| attacks.iter().filter(|attack| **attack).count() as u64),
            kinds,
            sha256: dataset.sha256(),
            label: None,
            left_out: Vec::new(),
            findings: Vec::new(),
            figures: Vec::new(),
        };
        let refusal_rate = plan.refusal.as_ref().filter(|_| refusal.is_some()).map(|refuse| refuse.rate);
        let supplement = Supplement { refusal_rate, selected, ..Supplement::default() };
        Ok(Detector { encoder, model, calibrator, threshold, refusal, provenance, supplement })
    }

    /// The verdict on each row. The table must have the columns that the detector was trained on, in any order.
    pub fn judge(&self, table: &Table) -> Result<Vec<Verdict>, Error> {
        Ok(self.verdicts(self.model.scores(&self.encoder.encode(table)?)?))
    }

    /// The scores as the model gives them and, where it tells kinds of attack apart, how likely each row is of each class.
    pub(crate) fn look(&self, table: &Table) -> Result<(Vec<f32>, Option<Probabilities>), Error> {
        let matrix = self.encoder.encode(table)?;
        if self.model.classes().len() > 2 { self.model.judge(&matrix) } else { Ok((self.model.scores(&matrix)?, None)) }
    }

    pub(crate) fn verdicts(&self, scores: Vec<f32>) -> Vec<Verdict> {
        let scores = calibrated(scores, self.calibrator.as_ref());
        scores.into_iter().map(|score| Verdict { score, alarm: score >= self.threshold }).collect()
    }

    /// How likely each row is of each of the model's classes; `None` where the model does not tell classes apart.
    pub fn probabilities(&self, table: &Table) -> Result<Option<Probabilities>, Error> {
        self.model.probabilities(&self.encoder.encode(table)?)
    }

    /// The columns that a table must have.
    pub fn schema(&self) -> &Schema {
        self.encoder.schema()
    }

    /// What turns a table into numbers.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// What scores the numbers.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What turns the model's scores into probabilities, where the plan asked for it.
    pub fn calibrator(&self) -> Option<&Calibrator> {
        self.calibrator.as_ref()
    }

    /// The score from which on a row alarms.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// This detector with another threshold, chosen on rows that it did not learn from.
    pub fn with_threshold(self, threshold: f32) -> Detector {
        Detector { threshold, ..self }
    }

    /// This detector with another model of the same method and classes, and what was learned of its scores.
    pub(crate) fn with_model(self, model: Model, calibrator: Option<Calibrator>, threshold: f32) -> Detector {
        Detector { model, calibrator, threshold, ..self }
    }

    /// The bytes of a detector file: magic, format version, length, payload, and the SHA-256 of all that.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut payload = postcard::to_stdvec(self).map_err(|error| Error::Damaged(error.to_string()))?;
        if self.supplement != Supplement::default() {
            serde_json::to_writer(&mut payload, &self.supplement).map_err(|error| Error::Damaged(error.to_string()))?;
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::Damaged(format!("{} bytes are more than one may have", payload.len())));
        }
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        Ok(bytes)
    }

    /// The detector that these bytes hold. Whatever the bytes, this neither panics nor takes more memory than some
    /// multiple of their number, and what it returns can judge any table.
    pub fn from_bytes(bytes: &[u8]) -> Result<Detector, Error> {
        let damaged = |why: &str| Error::Damaged(why.into());
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| damaged("it does not begin like one"))?;
        let (format, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut short"))?;
        let format = u16::from_le_bytes(*format);
        if format != FORMAT {
            return Err(Error::Format { expected: FORMAT, found: format });
        }
        let (length, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut short"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(damaged("it claims an impossible length"));
        }
        match rest.len().cmp(&(length + CHECKSUM)) {
            std::cmp::Ordering::Less => return Err(damaged("it is cut short")),
            std::cmp::Ordering::Greater => return Err(damaged("there is something behind its end")),
            std::cmp::Ordering::Equal => {}
        }
        let (payload, checksum) = rest.split_at(length);
        if Sha256::digest(&bytes[..HEADER + length]).as_slice() != checksum {
            return Err(damaged("its checksum does not match: it was changed or damaged after it was saved"));
        }
        let (mut detector, rest): (Detector, _) =
            postcard::take_from_bytes(payload).map_err(|error| Error::Damaged(error.to_string()))?;
        if !rest.is_empty() {
            let supplement = serde_json::from_slice(rest);
            detector.supplement = supplement.map_err(|error| Error::Damaged(format!("its supplement: {error}")))?;
        }
        detector.check()?;
        Ok(detector)
    }

    fn check(&self) -> Result<(), Error> {
        self.encoder.check()?;
        self.model.check(self.encoder.width())?;
        self.calibrator.as_ref().map_or(Ok(()), Calibrator::check)?;
        if self.encoder.keeps_missing() && !self.model.takes_missing() {
            return Err(Error::Damaged("its encoder leaves missing values to a model that takes none".into()));
        }
        if let Some(refusal) = &self.refusal {
            refusal.check()?;
        }
        self.supplement.selected.iter().try_for_each(Selected::check)?;
        if !(0.0..=1.0 + f32::EPSILON).contains(&self.threshold) {
            return Err(Error::Damaged("its threshold is out of range".into()));
        }
        Ok(())
    }
}

/// Calibration, threshold, and from where on alarms get no name, by the plan, on rows that the fitted model did not see.
fn calibrate(dataset: &Dataset, plan: &Plan) -> Result<(Option<Calibrator>, f32, Option<Refusal>), Error> {
    let split = split::stratified(dataset, plan.validation_share, plan.seed)?;
    // Of a handful of rows none may be left to hold back.
    let validation = if split.test.is_empty() { &split.train } else { &split.test };
    let learned = dataset.select(&split.train);
    let (learned, selected) = select(&learned, plan)?;
    let mut validation = dataset.select(validation);
    for name in selected.iter().flat_map(Selected::left_out) {
        validation.take(name);
    }
    let (encoder, model) = fit(&learned, plan)?;
    let scores = |rows: &Dataset| model.scores(&encoder.encode(rows.table())?);
    let calibrator = match plan.calibration {
        None => None,
        Some(calibration) => {
            let attacks = validation.attacks().ok_or(Error::Unlabelled("calibration"))?;
            Some(calibration.fit(&scores(&validation)?, attacks)?)
        }
    };
    let validation = match plan.rule {
        Rule::Contamination(_) if !plan.method.is_supervised() => validation.select(&validation.benign_rows()),
        _ => validation,
    };
    let scores = calibrated(scores(&validation)?, calibrator.as_ref());
    let threshold = plan.rule.choose(&scores, validation.attacks())?;
    let (Some(refuse), Some(truth)) = (&plan.refusal, validation.attacks()) else {
        return Ok((calibrator, threshold, None));
    };
    if model.classes().len() <= 2 {
        return Ok((calibrator, threshold, None));
    }
    let found: Vec<usize> = (0..truth.len()).filter(|&row| truth[row] && scores[row] >= threshold).collect();
    let attacks = validation.select(&found);
    let refusal = match model.probabilities(&encoder.encode(attacks.table())?)? {
        Some(probabilities) => Some(Refusal::calibrate(refuse, &learned, &attacks, &probabilities, plan.seed)?),
        None => None,
    };
    Ok((calibrator, threshold, refusal))
}

/// What scores become.
pub(crate) fn calibrated(mut scores: Vec<f32>, calibrator: Option<&Calibrator>) -> Vec<f32> {
    if let Some(calibrator) = calibrator {
        scores.iter_mut().for_each(|score| *score = calibrator.apply(*score));
    }
    scores
}

/// An encoder and a model by the plan.
fn fit(dataset: &Dataset, plan: &Plan) -> Result<(Encoder, Model), Error> {
    let schema = &Schema::of(dataset.table());
    learn(&plan.method, &Lesson { dataset, schema, grouping: plan.grouping, recipe: plan.recipe, seed: plan.seed })
}

const MAGIC: [u8; 8] = *b"LAPWING\0";
/// Raised whenever an older program could not read what is written, or would read it wrongly.
const FORMAT: u16 = 3;
const HEADER: usize = MAGIC.len() + size_of::<u16>() + size_of::<u64>();
const CHECKSUM: usize = 32;
/// A forest of ten thousand trees has some 250 MB.
const MAX_PAYLOAD: usize = 1 << 28;
