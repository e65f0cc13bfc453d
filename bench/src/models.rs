//! The estimators in process: how fast they learn and judge on one thread, and how good they are on public tables.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use model::evaluation::split;
use model::{Classes, Dataset, Encoder, Grouping, Matrix, Method, Model};
use nix::sys::resource::{UsageWho, getrusage};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sensor::tables::{Columns, load};

use crate::Row;

/// The parts that can be asked for by name: `lapwing-bench models speed threads nsl-kdd unsw-nb15 cic-ids2017 scale`.
pub(crate) fn rows(shared: &Path, only: &[String]) -> Result<Vec<Row>> {
    let wanted = |part: &str| only.is_empty() || only.iter().any(|name| name == part);
    let mut rows = Vec::new();
    if wanted("speed") {
        rows.extend(part(shared, NSL_KDD, speed)?);
    }
    if wanted("threads") {
        rows.extend(part(shared, NSL_KDD, threads)?);
    }
    if wanted("nsl-kdd") {
        rows.extend(part(shared, NSL_KDD, nsl_kdd)?);
    }
    if wanted("unsw-nb15") {
        rows.extend(part(shared, "unsw-nb15", unsw_nb15)?);
    }
    if wanted("cic-ids2017") {
        rows.extend(part(shared, "cic-ids2017-improved", cic_ids2017)?);
    }
    // Last, because peak memory is the largest so far.
    if wanted("scale") {
        rows.extend(part(shared, NSL_KDD, scale)?);
    }
    Ok(rows)
}

/// A table and what is measured on it, or a row that says that the table is missing.
fn part(shared: &Path, files: &str, measure: fn(&Dataset) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
    let path = shared.join("data").join(files);
    let tables: Vec<PathBuf> = if path.is_dir() {
        let mut tables: Vec<_> = std::fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        tables.retain(|table| table.extension().is_some_and(|extension| extension == "gz"));
        tables.sort();
        tables
    } else {
        vec![path.clone()]
    };
    if tables.is_empty() || !tables.iter().all(|table| table.is_file()) {
        return Ok(vec![Row::new(files, "", format!("not measured: {} is missing", path.display()))]);
    }
    measure(&load(&tables, &Columns::default(), &mut |_, _| {})?.dataset)
}

/// Fit and scoring on all of KDDTrain+.
fn speed(dataset: &Dataset) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, settings) in SPEED {
        let method: Method = serde_json::from_str(settings)?;
        let (matrix, truth) = encoded(dataset, &method)?;
        let mut fits = Vec::new();
        let mut model = None;
        for _ in 0..REPEATS {
            let (seconds, fitted) = on_threads(1, || measured(|| method.fit(&matrix, Some(&truth), 1)))?;
            fits.push(seconds);
            model = Some(fitted?);
        }
        let model = model.context("nothing was fitted")?;
        let mut scorings = Vec::new();
        for _ in 0..REPEATS {
            let (seconds, scores) = on_threads(1, || measured(|| model.scores(&matrix)))?;
            scores?;
            scorings.push(seconds);
        }
        rows.push(Row::new(
            format!("{name}: fit on KDDTrain+ (125,973 x {}), one thread", matrix.width()),
            "",
            format!(
                "{:.3} CPU s; scoring {:.2} million rows a CPU second; one row {:.1} µs",
                median(&mut fits),
                matrix.rows() as f64 / median(&mut scorings) / 1e6,
                single(&model, &matrix)?
            ),
        ));
    }
    Ok(rows)
}

/// Two threads beside one: wall time in turns, and whether models and scores are the same.
fn threads(dataset: &Dataset) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, settings) in SPEED {
        let method: Method = serde_json::from_str(settings)?;
        let (matrix, truth) = encoded(dataset, &method)?;
        let (mut fits, mut scorings) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
        let mut made: Vec<(Vec<u8>, Vec<f32>)> = Vec::new();
        for _ in 0..REPEATS {
            for (place, count) in [1, 2].into_iter().enumerate() {
                let (seconds, model) = on_threads(count, || timed(|| method.fit(&matrix, Some(&truth), 1)))?;
                let model = model?;
                fits[place].push(seconds);
                // Once to lay the trees out, which is part of neither.
                model.scores(&matrix)?;
                let (seconds, scores) = on_threads(count, || timed(|| model.scores(&matrix)))?;
                scorings[place].push(seconds);
                made.push((serde_json::to_vec(&model)?, scores?));
            }
        }
        let same = made.windows(2).all(|pair| pair[0] == pair[1]);
        let [fit, scoring] = [fits, scorings].map(|[mut one, mut two]| median(&mut one) / median(&mut two));
        rows.push(Row::new(
            format!("{name}: two threads beside one, wall time, KDDTrain+"),
            "1.8, same model",
            format!(
                "fit {fit:.2}, scoring {scoring:.2}; {}",
                if same { "same model and scores" } else { "they differ" }
            ),
        ));
    }
    Ok(rows)
}

/// Errors on a random fifth of KDDTrain+, repeated rows dropped, over five seeds.
fn nsl_kdd(dataset: &Dataset) -> Result<Vec<Row>> {
    let distinct = dataset.select(&dataset.distinct_rows());
    let mut rows = Vec::new();
    for (name, settings) in QUALITY {
        let method: Method = serde_json::from_str(settings)?;
        let mut errors = Vec::new();
        let mut areas = Vec::new();
        for seed in 1..=SEEDS {
            let split = split::stratified(&distinct, 0.2, seed)?;
            let (train, test) = (distinct.select(&split.train), distinct.select(&split.test));
            let (encoder, model) = fit(&train, &method, Grouping::Binary, seed)?;
            let scores = model.scores(&encoder.encode(test.table())?)?;
            let attacks = test.attacks().context("the table has labels")?;
            errors
                .push(scores.iter().zip(attacks).filter(|(score, attack)| (**score >= 0.5) != **attack).count() as f64);
            areas.push(area(&scores, attacks));
        }
        let each: Vec<String> = errors.iter().map(f64::to_string).collect();
        rows.push(Row::new(
            format!("{name}: random 80/20 of KDDTrain+, duplicates dropped, seeds 1 to 5, threshold 0.5"),
            "",
            format!(
                "{:.1} errors of 25,191 on average ({}), ROC-AUC {:.6}",
                mean(&errors),
                each.join(", "),
                mean(&areas)
            ),
        ));
    }
    Ok(rows)
}

/// Accuracy and ROC-AUC of boosting on the rows of UNSW-NB15 that repeat no other, by five folds.
fn unsw_nb15(dataset: &Dataset) -> Result<Vec<Row>> {
    let distinct = dataset.select(&dataset.distinct_rows());
    let mut rows = Vec::new();
    for (name, settings) in BOOSTED {
        let method: Method = serde_json::from_str(settings)?;
        let (mut accuracies, mut areas) = (Vec::new(), Vec::new());
        for (number, fold) in (1..).zip(split::folds(&distinct, 5, 1)?) {
            let (train, test) = (distinct.select(&fold.train), distinct.select(&fold.test));
            let (encoder, model) = fit(&train, &method, Grouping::Binary, number)?;
            let scores = model.scores(&encoder.encode(test.table())?)?;
            let attacks = test.attacks().context("the table has labels")?;
            let right = scores.iter().zip(attacks).filter(|(score, attack)| (**score >= 0.5) == **attack).count();
            accuracies.push(right as f64 / scores.len() as f64);
            areas.push(area(&scores, attacks));
        }
        rows.push(Row::new(
            format!("{name}: UNSW-NB15, {} distinct rows, five folds, seed 1", distinct.rows()),
            "accuracy 0.968, ROC-AUC 0.9945",
            format!("accuracy {:.4}, ROC-AUC {:.4}", mean(&accuracies), mean(&areas)),
        ));
    }
    Ok(rows)
}

/// Macro-F1 of boosting over the classes of the corrected CIC-IDS2017, by five folds, addresses and ports left out.
fn cic_ids2017(dataset: &Dataset) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, settings) in BOOSTED {
        let method: Method = serde_json::from_str(settings)?;
        let truth = Classes::of(dataset, Grouping::Kinds).context("the table has labels")?;
        let mut said = vec![0; dataset.rows()];
        for (number, fold) in (1..).zip(split::folds(dataset, 5, 1)?) {
            let (train, test) = (dataset.select(&fold.train), dataset.select(&fold.test));
            let (encoder, model) = fit(&train, &method, Grouping::Kinds, number)?;
            let probabilities =
                model.probabilities(&encoder.encode(test.table())?)?.context("it tells classes apart")?;
            // A fold may lack a class, so that names decide.
            let places: Vec<Option<usize>> =
                model.classes().iter().map(|class| truth.names().iter().position(|name| name == class)).collect();
            for (&row, class) in fold.test.iter().zip(probabilities.likeliest()) {
                said[row] = places[class as usize].context("a class without a name")? as u32;
            }
        }
        let each: Vec<f64> = (0..truth.count() as u32).map(|class| f1(&said, truth.codes(), class)).collect();
        rows.push(Row::new(
            format!(
                "{name}: corrected CIC-IDS2017, {} rows, {} classes, five folds, seed 1",
                dataset.rows(),
                truth.count()
            ),
            "",
            format!("macro-F1 {:.4}, least {:.3}", mean(&each), each.iter().copied().fold(1.0, f64::min)),
        ));
    }
    Ok(rows)
}

/// Boosting on five million rows: those of KDDTrain+ over and over, each number times 1 and some noise.
fn scale(dataset: &Dataset) -> Result<Vec<Row>> {
    let method: Method = serde_json::from_str(PEERS)?;
    let (matrix, truth) = {
        let (matrix, truth) = encoded(dataset, &method)?;
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let (mut values, mut codes) = (Vec::with_capacity(MANY * matrix.width()), Vec::with_capacity(MANY));
        for _ in 0..MANY {
            let row = random.random_range(0..matrix.rows());
            values.extend(matrix.row(row).iter().map(|value| value * (0.95 + 0.1 * random.random::<f32>())));
            codes.push(truth.codes()[row]);
        }
        (Matrix::new(matrix.width(), values)?, Classes::new(codes, truth.names().to_vec())?)
    };
    let (seconds, model) = on_threads(1, || measured(|| method.fit(&matrix, Some(&truth), 1)))?;
    model?;
    let peak = getrusage(UsageWho::RUSAGE_SELF)?.max_rss();
    Ok(vec![Row::new(
        format!("boosting, 100 x 31 leaves: fit on {MANY} x {} rows, one thread", matrix.width()),
        "60 CPU s, 1.2 GiB with the rows (0.78)",
        format!("{seconds:.1} CPU s, {:.2} GiB", peak as f64 / f64::from(1 << 20)),
    )])
}

/// The harmonic mean of precision and recall of one class.
fn f1(said: &[u32], truth: &[u32], class: u32) -> f64 {
    let both = said.iter().zip(truth).filter(|(said, is)| **said == class && **is == class).count() as f64;
    let either = [said, truth].map(|codes| codes.iter().filter(|code| **code == class).count() as f64);
    if both > 0.0 { 2.0 * both / (either[0] + either[1]) } else { 0.0 }
}

fn fit(train: &Dataset, method: &Method, grouping: Grouping, seed: u64) -> Result<(Encoder, Model)> {
    let rows = if method.is_supervised() { None } else { Some(train.select(&train.benign_rows())) };
    let rows = rows.as_ref().unwrap_or(train);
    let encoder = Encoder::fit(rows.table(), rows.attacks(), method.recipe())?;
    let truth = Classes::of(rows, grouping);
    let model = method.fit(&encoder.encode(rows.table())?, truth.as_ref(), seed)?;
    Ok((encoder, model))
}

fn encoded(dataset: &Dataset, method: &Method) -> Result<(Matrix, Classes)> {
    let encoder = Encoder::fit(dataset.table(), dataset.attacks(), method.recipe())?;
    let truth = Classes::of(dataset, Grouping::Binary).context("the table has labels")?;
    Ok((encoder.encode(dataset.table())?, truth))
}

/// Microseconds for one row at a time, rows drawn at random.
fn single(model: &Model, matrix: &Matrix) -> Result<f64> {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let ones: Result<Vec<Matrix>, _> = (0..SINGLES)
        .map(|_| Matrix::new(matrix.width(), matrix.row(random.random_range(0..matrix.rows())).to_vec()))
        .collect();
    let ones = ones?;
    let (seconds, judged) =
        on_threads(1, || measured(|| ones.iter().try_for_each(|one| model.scores(one).map(|_| ()))))?;
    judged?;
    Ok(seconds / f64::from(SINGLES) * 1e6)
}

/// The area under the ROC curve by ranks, ties counted half.
fn area(scores: &[f32], attacks: &[bool]) -> f64 {
    let mut rows: Vec<(f32, bool)> = scores.iter().copied().zip(attacks.iter().copied()).collect();
    rows.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut wins, mut attack_rows) = (0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|one, other| one.0 == other.0) {
        let attacks = tied.iter().filter(|row| row.1).count() as f64;
        let benign = tied.len() as f64 - attacks;
        wins += attacks * (below + benign / 2.0);
        below += benign;
        attack_rows += attacks;
    }
    wins / (below * attack_rows)
}

pub(crate) fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> Result<T> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(run))
}

/// The CPU seconds that a task takes, user and system, over all threads.
pub(crate) fn measured<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let seconds = || {
        getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
            [usage.user_time(), usage.system_time()]
                .iter()
                .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
                .sum()
        })
    };
    let before = seconds();
    let result = run();
    (seconds() - before, result)
}

/// The wall time that a task takes, in seconds.
fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = run();
    (start.elapsed().as_secs_f64(), result)
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

const NSL_KDD: &str = "nsl-kdd/KDDTrain+.txt.gz";
const SEEDS: u64 = 5;
const REPEATS: usize = 5;
const SINGLES: u32 = 2000;
const MANY: usize = 5_000_000;
const SPEED: &[(&str, &str)] = &[
    ("random forest of 100", r#"{"random-forest": {}}"#),
    ("random forest of 100, 6 features a split as scikit-learn has it", r#"{"random-forest": {"max-features": 6}}"#),
    ("boosting, 100 x 31 leaves", PEERS),
    ("logistic regression", r#"{"logistic-regression": {}}"#),
    ("isolation forest of 100 on 256 rows each", r#"{"isolation-forest": {"trees": 100, "sample": 256}}"#),
];
/// As LightGBM is by default.
const PEERS: &str = r#"{"gradient-boosting": {"trees": 100, "num-leaves": 31, "colsample-bytree": 1.0}}"#;
const BOOSTED: &[(&str, &str)] =
    &[("boosting, defaults", r#"{"gradient-boosting": {}}"#), ("boosting, 100 x 31 leaves, all columns", PEERS)];
const QUALITY: &[(&str, &str)] = &[
    ("random forest of 100", r#"{"random-forest": {}}"#),
    ("boosting, defaults", r#"{"gradient-boosting": {}}"#),
    ("boosting, 100 x 31 leaves, all columns", PEERS),
];
