//! The page of one detector on one test.

use maud::{Markup, html};

use super::chart::{self, Axis, Line};
use super::{count, document, gallery, rate, section, table};
use crate::evaluation::{ClassFigures, Latency, Outcome, Refusals, Refused, Reliability};

/// What figures are held against at the site where the detector runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// The flows of a day.
    pub flows_a_day: f64,
    /// The share of them that are attacks.
    pub base_rate: f64,
}

/// The page of a test: `title` says what was tested, `lead` on what, `threshold` is the score from which on a row alarms.
pub fn outcome(title: &str, lead: &str, outcome: &Outcome, threshold: f32, site: Site) -> String {
    let body = html! {
        (section("Figures", figures(outcome, site)))
        (section("Curves", gallery(&curves(outcome))))
        (section("Scores", gallery(&scores(outcome, threshold))))
        (section("Kinds of row", kinds(outcome)))
        @if let Some(classes) = &outcome.classes { (section("Classes", by_class(classes, outcome.unknown_class_rows))) }
        @if let Some(refusals) = outcome.refusals {
            (section("Attacks of no known kind", self::refusals(&[(String::new(), refusals)])))
        }
        @if let Some(latency) = &outcome.latency { (section("Latency of detection", delays(latency))) }
    };
    document(title, lead, body)
}

/// Figures with their intervals.
pub(super) fn figures(outcome: &Outcome, site: Site) -> Markup {
    let (figures, counts) = (&outcome.figures, &outcome.figures.confusion);
    let row = |words: &str, name: &str, value: Option<f64>| {
        let interval = outcome.interval(name);
        let interval = interval.map_or_else(String::new, |of| format!("{:.5} to {:.5}", of.low, of.high));
        vec![words.to_owned(), rate(value), interval]
    };
    let mut rows = vec![
        row("Recall", "recall", figures.recall),
        row("False-positive rate", "false_positive_rate", figures.false_positive_rate),
        row("Recall on attack kinds unseen in training", "", figures.unseen_recall),
        row("Precision", "precision", figures.precision),
        row("F1", "f1", figures.f1),
        row("F2", "f2", figures.f2),
        row("Accuracy", "accuracy", figures.accuracy),
        row("Accuracy of always the same answer", "", figures.majority_accuracy),
        row("Balanced accuracy", "balanced_accuracy", figures.balanced_accuracy),
        row("Matthews' correlation", "mcc", figures.mcc),
        row("ROC-AUC", "roc_auc", figures.roc_auc),
        row("PR-AUC", "pr_auc", figures.pr_auc),
        row("Recall at 1 % false positives", "recall_at_one_percent", figures.recall_at_one_percent),
        row("Recall at 0.1 % false positives", "recall_at_one_per_mille", figures.recall_at_one_per_mille),
    ];
    if outcome.reliability.is_some() {
        rows.push(row("Brier score", "", figures.brier));
        rows.push(row("Calibration error", "", figures.calibration_error));
    }
    let alarms =
        figures.alarms_a_day(site.flows_a_day).map_or_else(|| "–".into(), |alarms| count(alarms.round() as u64));
    let sides = |name: &str, cells: [u64; 2]| vec![name.to_owned(), count(cells[0]), count(cells[1])];
    html! {
        div class="gallery" {
            div {
                (table(&["Figure", "Value", "95 % interval"], &rows))
            }
            div {
                (table(&["", "Alarm", "No alarm"], &[
                    sides("Attack", [counts.true_positives, counts.false_negatives]),
                    sides("Benign", [counts.false_positives, counts.true_negatives]),
                ]))
                h3 { "At a site of " (count(site.flows_a_day as u64)) " flows a day" }
                dl {
                    dt { "False alarms a day" } dd { (alarms) }
                    dt { "Attacks among the flows" } dd { (format!("{} %", site.base_rate * 100.0)) }
                    dt { "Precision there" } dd { (rate(counts.precision_at(site.base_rate))) }
                }
                p class="hint" {
                    "The precision of the test is that of its own share of attacks, which no site has. "
                    "Intervals tell the luck of these test rows, not that of another network."
                }
            }
        }
    }
}

fn curves(outcome: &Outcome) -> Vec<Markup> {
    let line = |name: &str, points: &[(f64, f64)]| Line { name: name.into(), points: points.to_vec(), marked: false };
    let mut charts = Vec::new();
    if !outcome.roc.is_empty() {
        let name = format!("ROC-AUC {}", rate(outcome.figures.roc_auc));
        let plain = [Axis::share("false-positive rate"), Axis::share("recall")];
        charts.push(chart::lines("Receiver operating characteristic", plain, &[line(&name, &outcome.roc)], true));
        let close = [Axis::logarithmic("false-positive rate", 1e-4, 1.0), Axis::share("recall")];
        charts.push(chart::lines("The same where alarms are few", close, &[line(&name, &outcome.roc)], true));
    }
    if !outcome.precision_recall.is_empty() {
        let name = format!("PR-AUC {}", rate(outcome.figures.pr_auc));
        let axes = [Axis::share("recall"), Axis::share("precision")];
        charts.push(chart::lines("Precision and recall", axes, &[line(&name, &outcome.precision_recall)], false));
    }
    if let Some(reliability) = &outcome.reliability {
        charts.push(self::reliability(outcome.uncalibrated.as_ref(), reliability));
    }
    charts
}

/// The reliability curve, and that before a calibration.
pub(super) fn reliability(before: Option<&Reliability>, after: &Reliability) -> Markup {
    let line = |name: &str, of: &Reliability| {
        let error = rate(of.calibration_error());
        let points = of.bins.iter().map(|bin| (bin.score, bin.attacks)).collect();
        Line { name: format!("{name}, calibration error {error}"), points, marked: true }
    };
    let mut lines = vec![line(if before.is_some() { "calibrated" } else { "share of attacks" }, after)];
    lines.extend(before.map(|before| line("as the model gives it", before)));
    let axes = [Axis::share("mean score"), Axis::share("share of attacks")];
    chart::lines("Reliability: whether a score is a probability", axes, &lines, true)
}

/// What of the alarms got no name, test by test.
pub(super) fn refusals(tests: &[(String, Refusals)]) -> Markup {
    let cell = |of: Refused| match of.share() {
        Some(share) => format!("{} of {} ({:.1} %)", count(of.refused), count(of.alarms), 100.0 * share),
        None => "–".into(),
    };
    let rows = tests.iter().map(|(name, of)| vec![name.clone(), cell(of.known), cell(of.unseen), cell(of.benign)]);
    html! {
        (table(
            &["Test", "Alarms of kinds of the training", "Alarms of kinds never seen", "False alarms"],
            &rows.collect::<Vec<_>>()
        ))
        p class="hint" {
            "How many alarms were called an attack of no known kind: a mistake where training saw the kind, right where it did not."
        }
    }
}

fn scores(outcome: &Outcome, threshold: f32) -> Vec<Markup> {
    let bins = outcome.scores.len().max(1);
    let edges: Vec<f64> = (0..=bins).map(|bin| bin as f64 / bins as f64).collect();
    let title = format!("Rows by score, on a logarithmic scale; alarm from {threshold:.4} on");
    let counts = &outcome.figures.confusion;
    let names = ["benign", "attack"].map(String::from);
    let cells = [[counts.true_negatives, counts.false_positives], [counts.false_negatives, counts.true_positives]];
    let answers = ["no alarm", "alarm"].map(String::from);
    vec![
        chart::histogram(&title, "score", &edges, &outcome.scores, ["benign", "attack"], true),
        chart::heat_map("Confusion matrix", &names, &answers, |row, column| {
            let own: u64 = cells[row].iter().sum();
            let cell = cells[row][column];
            (own > 0).then(|| (cell as f64 / own as f64, count(cell)))
        }),
    ]
}

/// What became of each kind of row.
pub(super) fn kinds(outcome: &Outcome) -> Markup {
    let rows: Vec<Vec<String>> = outcome
        .figures
        .kinds
        .iter()
        .map(|kind| {
            let remark = match (kind.attack, kind.seen) {
                (false, _) => "benign",
                (true, true) => "",
                (true, false) => "unseen in training",
            };
            let share = kind.alarms as f64 / kind.rows.max(1) as f64;
            vec![kind.kind.clone(), count(kind.rows), count(kind.alarms), format!("{share:.4}"), remark.into()]
        })
        .collect();
    table(&["Kind", "Rows", "Alarms", "Share", ""], &rows)
}

fn by_class(figures: &ClassFigures, unknown: u64) -> Markup {
    let names: Vec<String> = figures.classes.iter().map(|class| class.name.clone()).collect();
    let rows: Vec<Vec<String>> = figures
        .classes
        .iter()
        .map(|class| {
            let mut row = vec![class.name.clone(), count(class.rows), count(class.given)];
            row.extend([class.precision, class.recall, class.f1, class.roc_auc, class.pr_auc].map(rate));
            row
        })
        .collect();
    let all = [
        ("Accuracy", figures.accuracy),
        ("Balanced accuracy", figures.balanced_accuracy),
        ("Macro precision", figures.macro_precision),
        ("Macro recall", figures.macro_recall),
        ("Macro F1", figures.macro_f1),
        ("Weighted F1", figures.weighted_f1),
        ("Matthews' correlation", figures.mcc),
        ("Macro ROC-AUC", figures.macro_roc_auc),
        ("Brier score", figures.brier),
    ];
    let all = all.map(|(name, value)| vec![name.to_owned(), rate(value)]);
    html! {
        (table(&["Class", "Rows", "Given", "Precision", "Recall", "F1", "ROC-AUC", "PR-AUC"], &rows))
        @if unknown > 0 {
            p class="hint" { (count(unknown)) " rows are of kinds that no class stands for, and are not among these." }
        }
        div class="gallery" {
            (table(&["All classes", "Value"], &all))
            (chart::heat_map("True class (row) and given class (column)", &names, &names, |row, column| {
                let own: u64 = figures.counts[row].iter().sum();
                let cell = figures.counts[row][column];
                (own > 0).then(|| (cell as f64 / own as f64, count(cell)))
            }))
        }
    }
}

fn delays(latency: &Latency) -> Markup {
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.3} s"));
    html! {
        dl {
            dt { "Attacks, a kind in a group each" } dd { (count(latency.attacks)) }
            dt { "Detected at some time" } dd { (count(latency.detected)) }
            dt { "Half of these within" } dd { (seconds(latency.median_seconds)) }
            dt { "Nine of ten within" } dd { (seconds(latency.ninth_decile_seconds)) }
            dt { "The longest" } dd { (seconds(latency.longest_seconds)) }
        }
    }
}
