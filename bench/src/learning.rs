//! Figures on NSL-KDD: random split, official test, unsupervised.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Row;
use crate::program::Program;

pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let [train, test] = ["KDDTrain+.txt.gz", "KDDTest+.txt.gz"].map(|file| shared.join("data/nsl-kdd").join(file));
    if !train.is_file() || !test.is_file() {
        return Ok(vec![Row::new("NSL-KDD", "", format!("not measured: {} is missing", train.display()))]);
    }
    let [train, test] = [train, test].map(|path| path.display().to_string());
    let file = |name: &str| folder.join(name).display().to_string();

    let mut errors = Vec::new();
    let (mut official, mut unsupervised) = (Vec::new(), Vec::new());
    for seed in 1..=SEEDS {
        let seed = seed.to_string();
        let outcome = program.json(&[
            "train",
            &train,
            "--label",
            "label",
            "--method",
            "random-forest",
            "--seed",
            &seed,
            "--json",
        ])?;
        let confusion = &outcome[0]["tests"][0]["confusion"];
        errors.push(count(confusion, "false_positives")? + count(confusion, "false_negatives")?);

        let forest = file("forest.lapwing");
        learn(program, &train, "random-forest", &seed, &forest)?;
        official.push(program.json(&["evaluate", &forest, &test, "--json"])?.remove(0));
        let isolation = file("isolation.lapwing");
        learn(program, &train, "isolation-forest", &seed, &isolation)?;
        unsupervised.push(program.json(&["evaluate", &isolation, &test, "--json"])?.remove(0));
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let errors: Vec<String> = errors.iter().map(f64::to_string).collect();
    Ok(vec![
        Row::new(
            "NSL-KDD, random 80/20 of KDDTrain+, duplicates dropped, seeds 1 to 5, random forest of 100 without `difficulty`: errors of 25,193 (an easy split)",
            "at most 25 on average",
            format!("{mean:.1} ({})", errors.join(", ")),
        ),
        Row::new(
            "KDDTrain+ → KDDTest+, the same forest, binary, seeds 1 to 5 (the honest figure)",
            "printed beside",
            format!(
                "accuracy {}, recall {}, false-positive rate {}, ROC-AUC {}, recall on attack kinds unseen in training {}",
                spread(&official, "accuracy")?,
                spread(&official, "recall")?,
                spread(&official, "false_positive_rate")?,
                spread(&official, "roc_auc")?,
                spread(&official, "unseen_recall")?,
            ),
        ),
        Row::new(
            "unsupervised: isolation forest on the normal rows of KDDTrain+ → KDDTest+, seeds 1 to 5",
            "ROC-AUC 0.95",
            format!("ROC-AUC {}, PR-AUC {}", spread(&unsupervised, "roc_auc")?, spread(&unsupervised, "pr_auc")?),
        ),
    ])
}

/// Learns from the whole table and saves the detector.
fn learn(program: &Program, table: &str, method: &str, seed: &str, detector: &str) -> Result<()> {
    let arguments = ["train", table, "--method", method, "--seed", seed, "--test-share", "0", "-o", detector, "--json"];
    program.json(&arguments).map(|_| ())
}

fn count(confusion: &Value, name: &str) -> Result<f64> {
    confusion[name].as_f64().with_context(|| format!("no count of {name}"))
}

/// Mean, smallest and largest of a figure over the seeds.
fn spread(figures: &[Value], name: &str) -> Result<String> {
    let values: Option<Vec<f64>> = figures.iter().map(|figures| figures[name].as_f64()).collect();
    let values = values.with_context(|| format!("no figure {name}"))?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (least, most) =
        (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max));
    Ok(format!("{mean:.4} ({least:.4} to {most:.4})"))
}

const SEEDS: u32 = 5;
