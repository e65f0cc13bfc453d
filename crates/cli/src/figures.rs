//! What the verbs share in showing how good a detector is.

use std::io::{self, Write};

use flow::printable;
use model::evaluation::{Figures, Finding, Severity};
use serde_json::{Value, json};

use crate::output;

/// Prints figures for people: what they stand on, the confusion matrix, the rates, and every kind of row.
pub(crate) fn print(out: &mut impl Write, title: &str, figures: &Figures, flows_a_day: f64) -> io::Result<()> {
    let counts = &figures.confusion;
    writeln!(out, "{title}: {} rows, {} of them attacks", figures.rows, figures.attacks)?;
    if figures.attacks == 0 || figures.attacks == figures.rows {
        let what = if figures.attacks == 0 { "benign" } else { "an attack" };
        writeln!(out, "WARNING: every row of this test is {what}: most figures below mean nothing")?;
    }
    let mut confusion = output::table(&["", "alarm", "no alarm"]);
    confusion.add_row(["attack", &counts.true_positives.to_string(), &counts.false_negatives.to_string()]);
    confusion.add_row(["benign", &counts.false_positives.to_string(), &counts.true_negatives.to_string()]);
    writeln!(out, "{confusion}")?;
    let mut rates = output::table(&["figure", "value"]);
    let majority =
        format!("accuracy ({} errors; always the same answer: {})", counts.errors(), rate(figures.majority_accuracy));
    let quiet = format!("false alarms a day at {flows_a_day} benign flows a day");
    let alarms = figures.alarms_a_day(flows_a_day).map_or_else(|| "-".into(), |alarms| format!("{alarms:.0}"));
    for (name, value) in [
        (majority.as_str(), rate(figures.accuracy)),
        ("precision", rate(figures.precision)),
        ("recall", rate(figures.recall)),
        ("F1", rate(figures.f1)),
        ("false-positive rate", rate(figures.false_positive_rate)),
        ("ROC-AUC", rate(figures.roc_auc)),
        ("PR-AUC", rate(figures.pr_auc)),
        ("recall at 1 % false positives", rate(figures.recall_at_one_percent)),
        ("recall on attack kinds unseen in training", rate(figures.unseen_recall)),
        (quiet.as_str(), alarms),
    ] {
        rates.add_row([name, &value]);
    }
    writeln!(out, "{rates}")?;
    let mut kinds = output::table(&["kind", "rows", "alarms", "share", ""]);
    for kind in &figures.kinds {
        let share = format!("{:.4}", kind.alarms as f64 / kind.rows.max(1) as f64);
        let remark = if kind.attack && !kind.seen {
            "unseen in training"
        } else if kind.attack {
            ""
        } else {
            "benign"
        };
        kinds.add_row([&*printable(&kind.kind), &kind.rows.to_string(), &kind.alarms.to_string(), &share, remark]);
    }
    writeln!(out, "{kinds}")
}

/// Prints the mean and the standard deviation over folds.
pub(crate) fn print_folds(out: &mut impl Write, folds: &[Figures]) -> io::Result<()> {
    writeln!(out, "cross-validation of {} folds, mean and standard deviation", folds.len())?;
    let mut table = output::table(&["figure", "mean", "deviation"]);
    for (name, of) in FOLD_FIGURES {
        let values: Vec<f64> = folds.iter().filter_map(of).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
        let show = |value: f64| rate(value.is_finite().then_some(value));
        table.add_row([name, &show(mean), &show(variance.sqrt())]);
    }
    writeln!(out, "{table}")
}

/// Prints what a reader of the figures must know, the worst first.
pub(crate) fn print_findings(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        let word = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Note => "note",
        };
        writeln!(out, "{word}: {}", finding.sentence)?;
    }
    Ok(())
}

/// Figures as JSON, with the alarms of a quiet day.
pub(crate) fn json(figures: &Figures, flows_a_day: f64) -> Value {
    let mut value = json!(figures);
    value["flows_a_day"] = json!(flows_a_day);
    value["false_alarms_a_day"] = json!(figures.alarms_a_day(flows_a_day));
    value
}

fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.5}"))
}

type Of = fn(&Figures) -> Option<f64>;

const FOLD_FIGURES: [(&str, Of); 7] = [
    ("accuracy", |figures| figures.accuracy),
    ("precision", |figures| figures.precision),
    ("recall", |figures| figures.recall),
    ("F1", |figures| figures.f1),
    ("false-positive rate", |figures| figures.false_positive_rate),
    ("ROC-AUC", |figures| figures.roc_auc),
    ("PR-AUC", |figures| figures.pr_auc),
];

/// What the alarms of a day are reckoned for, unless told otherwise: a site of a few hundred hosts.
pub(crate) const FLOWS_A_DAY: f64 = 1_000_000.0;
