//! Explanations of trees: rows a CPU second on one thread, beside LightGBM's own and the shap package on the same rows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use model::{Detector, Encoder, Explainer, Explaining, Method, Plan, evaluation::Rule};
use sensor::tables::{Columns, load};
use serde_json::Value;

use crate::Row;
use crate::models::{measured, median, on_threads};
use crate::parity::python::{environment, names};

/// Models of KDDTrain+ explain rows of KDDTest+; alone, without the others.
pub(crate) fn rows(shared: &Path, folder: &Path, alone: bool) -> Result<Vec<Row>> {
    let paths = ["KDDTrain+.txt.gz", "KDDTest+.txt.gz"].map(|name| shared.join("data/nsl-kdd").join(name));
    if let Some(missing) = paths.iter().find(|path| !path.is_file()) {
        return Ok(vec![Row::new("explanations", "", format!("not measured: {} is missing", missing.display()))]);
    }
    let tables = paths.map(|path| load(&[path], &Columns::default(), &mut |_, _| {}));
    let [train, test] = tables.map(|loaded| loaded.map(|loaded| loaded.dataset));
    let (train, test) = (train?, test?);
    let theirs = if alone { Err("they were not asked".into()) } else { theirs(&train, &test, folder)? };
    let mut rows = Vec::new();
    for (name, settings, count) in MODELS {
        let method: Method = serde_json::from_str(settings)?;
        let plan = Plan { method, rule: Rule::Fixed(0.5), ..Plan::default() };
        let detector = Detector::train(&train, &plan)?;
        let some = test.table().select(&(0..*count).collect::<Vec<_>>());
        let alone: Vec<_> = (0..SINGLES).map(|row| test.table().select(&[row * 7])).collect();
        let (preparing, explainer) =
            on_threads(1, || measured(|| Explainer::new(&detector, &Explaining::default(), None)))?;
        let explainer = explainer?;
        let (mut seconds, mut off) = (Vec::new(), 0.0f64);
        for _ in 0..REPEATS {
            let (taken, explained) = on_threads(1, || measured(|| explainer.explain(&some)))?;
            seconds.push(taken);
            for explanation in explained? {
                let said = if matches!(explanation.quantity, model::Quantity::LogOdds(_)) {
                    1.0 / (1.0 + (-explanation.total).exp())
                } else {
                    explanation.total
                };
                off = off.max((said - f64::from(explanation.score)).abs());
            }
        }
        let (taken, ended) =
            on_threads(1, || measured(|| alone.iter().try_for_each(|row| explainer.explain(row).map(|_| ()))))?;
        ended?;
        if let Ok(theirs) = &theirs {
            eprintln!("{name}: {theirs}");
        }
        let rate = *count as f64 / median(&mut seconds);
        let beside = theirs.as_ref().map_or_else(
            |todo| format!("others not measured: {todo}"),
            |theirs| {
                let ratio = |(name, theirs): (&str, f64)| format!("{:.1} × {name} ({theirs:.0})", rate / theirs);
                told(name, theirs).into_iter().map(ratio).collect::<Vec<_>>().join(", ")
            },
        );
        rows.push(Row::new(
            format!("{name}: path-dependent Shapley values, KDDTrain+ explains {count} rows of KDDTest+, one thread"),
            "10 × for boosting, 40 × for the forest; one row under 1 ms",
            format!(
                "{rate:.0} rows a CPU second, {beside}; one row {:.0} µs, preparing {:.0} ms; sums off the score by {off:.1e} at \
                 most",
                taken / SINGLES as f64 * 1e6,
                preparing * 1e3,
            ),
        ));
    }
    Ok(rows)
}

/// What the script of the others tells of them, for one of the models.
fn told(name: &str, theirs: &Value) -> Vec<(&'static str, f64)> {
    let rate = |key: &str| theirs[key].as_f64().unwrap_or(f64::NAN);
    if name.starts_with("boosting") {
        return vec![("LightGBM", rate("lightgbm")), ("shap", rate("shap_boosting"))];
    }
    vec![("shap", rate("shap_forest"))]
}

/// What others do with the same numbers, or why they were not asked.
fn theirs(train: &model::Dataset, test: &model::Dataset, folder: &Path) -> Result<Result<Value, String>> {
    let program = match environment("explain", PACKAGES) {
        Ok(program) => program,
        Err(todo) => return Ok(Err(todo)),
    };
    eprintln!("{} explain", names(PACKAGES));
    let folder = folder.join("explain");
    std::fs::create_dir_all(&folder)?;
    let method: Method = serde_json::from_str(r#"{"random-forest": {}}"#)?;
    let encoder = Encoder::fit(train.table(), train.attacks(), method.recipe())?;
    for (name, dataset) in [("train.f32", train), ("test.f32", test)] {
        let bytes: Vec<u8> =
            encoder.encode(dataset.table())?.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.join(name), bytes)?;
    }
    let attacks = train.attacks().context("the table has labels")?;
    std::fs::write(folder.join("labels.u8"), attacks.iter().map(|attack| u8::from(*attack)).collect::<Vec<u8>>())?;
    let output = Command::new(&program)
        .args(["-c", SCRIPT])
        .arg(&folder)
        .arg(encoder.width().to_string())
        .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONWARNINGS", "ignore")])
        .output()
        .context("the Python of the virtual environment does not start")?;
    ensure!(output.status.success(), "the script of the others failed: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(&folder)?;
    Ok(Ok(serde_json::from_slice(&output.stdout)?))
}

const MODELS: &[(&str, &str, usize)] = &[
    (
        "boosting, 100 x 31 leaves",
        r#"{"gradient-boosting": {"trees": 100, "num-leaves": 31, "colsample-bytree": 1.0}}"#,
        20_000,
    ),
    ("random forest of 100, fully grown", r#"{"random-forest": {"max-features": 6}}"#, 4_000),
];
const SCRIPT: &str = include_str!("../explain.py");
const PACKAGES: &[(&str, &str)] =
    &[("numpy", "2.4.6"), ("scipy", "1.17.1"), ("scikit-learn", "1.9.1"), ("lightgbm", "4.7.0"), ("shap", "0.51.0")];
const REPEATS: usize = 3;
const SINGLES: usize = 200;
