//! The page of several detectors on the same rows.

use maud::{Markup, html};

use super::chart::{self, Axis, Line};
use super::{count, document, findings, gallery, probability, section, table};
use crate::evaluation::{Comparison, Contender};

/// The page of a comparison.
pub fn comparison(title: &str, comparison: &Comparison) -> String {
    let lead =
        format!("{}; {} rows, {} of them attacks", comparison.test, count(comparison.rows), count(comparison.attacks));
    let body = html! {
        (section("Figures", figures(comparison)))
        (section("Curves", gallery(&curves(comparison))))
        @if !comparison.pairs.is_empty() { (section("Is the difference more than luck?", pairs(comparison))) }
        @if !comparison.findings.is_empty() { (section("What the audit found", findings(&comparison.findings))) }
    };
    document(title, &lead, body)
}

fn figures(comparison: &Comparison) -> Markup {
    let several = comparison.contenders.iter().any(|contender| contender.tests.len() > 1);
    let cell = |contender: &Contender, name: &str| match contender.figure(name) {
        Some((mean, deviation)) if several => format!("{mean:.4} ± {deviation:.4}"),
        Some((mean, _)) => format!("{mean:.5}"),
        None => "–".into(),
    };
    let probabilities = if comparison.calibration.is_some() { &PROBABILITIES[..] } else { &[] };
    let figures = || FIGURES.iter().chain(probabilities);
    let rows: Vec<Vec<String>> = comparison
        .contenders
        .iter()
        .map(|contender| {
            let cells = figures().map(|(_, name)| cell(contender, name));
            std::iter::once(contender.name.clone()).chain(cells).collect()
        })
        .collect();
    let headings: Vec<&str> = std::iter::once("").chain(figures().map(|(words, _)| *words)).collect();
    html! {
        (table(&headings, &rows))
        @if several { p class="hint" { "Mean and standard deviation over the tests." } }
    }
}

fn curves(comparison: &Comparison) -> Vec<Markup> {
    let lines = |of: fn(&Contender) -> &Vec<(f64, f64)>| {
        let able = comparison.contenders.iter().filter(|contender| of(contender).len() > 2);
        able.map(|contender| Line { name: contender.name.clone(), points: of(contender).clone(), marked: false })
            .collect::<Vec<Line>>()
    };
    let (roc, pr) = (lines(|contender| &contender.roc), lines(|contender| &contender.precision_recall));
    let plain = [Axis::share("false-positive rate"), Axis::share("recall")];
    let close = [Axis::logarithmic("false-positive rate", 1e-4, 1.0), Axis::share("recall")];
    let axes = [Axis::share("recall"), Axis::share("precision")];
    vec![
        chart::lines("Receiver operating characteristic", plain, &roc, true),
        chart::lines("The same where alarms are few", close, &roc, true),
        chart::lines("Precision and recall", axes, &pr, false),
    ]
}

fn pairs(comparison: &Comparison) -> Markup {
    let rows: Vec<Vec<String>> = comparison
        .pairs
        .iter()
        .map(|pair| {
            let (areas, p) = pair.delong.map_or_else(
                || ("–".into(), "–".into()),
                |test| {
                    let gap = test.areas[0] - test.areas[1];
                    (format!("{gap:+.5} ({:+.5} to {:+.5})", test.interval[0], test.interval[1]), probability(test.p))
                },
            );
            vec![
                format!("{} against {}", pair.first, pair.second),
                count(pair.mcnemar.first_only),
                count(pair.mcnemar.second_only),
                probability(pair.mcnemar.p),
                probability(pair.adjusted_p),
                areas,
                p,
            ]
        })
        .collect();
    html! {
        (table(
            &["", "Only the first right", "Only the second right", "p (McNemar)", "corrected", "ROC-AUC, first less second", "p (DeLong)"],
            &rows
        ))
        p class="hint" {
            "A small p says that chance alone would hardly make such a difference on these rows; it says nothing of other networks."
        }
    }
}

const FIGURES: [(&str, &str); 11] = [
    ("Recall", "recall"),
    ("False positives", "false_positive_rate"),
    ("Unseen kinds", "unseen_recall"),
    ("Precision", "precision"),
    ("F1", "f1"),
    ("MCC", "mcc"),
    ("Accuracy", "accuracy"),
    ("ROC-AUC", "roc_auc"),
    ("PR-AUC", "pr_auc"),
    ("Recall at 1 %", "recall_at_one_percent"),
    ("Recall at 0.1 %", "recall_at_one_per_mille"),
];
const PROBABILITIES: [(&str, &str); 2] = [("Brier score", "brier"), ("Calibration error", "calibration_error")];
