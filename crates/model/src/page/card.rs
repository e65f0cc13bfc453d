//! The model card of a detector (Mitchell et al. 2019).

use maud::{Markup, html};

use super::{count, document, findings, gallery, outcome, rate, section, selected, table};
use crate::evaluation::{Calibrated, Figures};
use crate::{Continued, Detector};

/// The page that says of a detector what it was trained on, how good it is, what it is for, and what not to expect of it.
pub fn card(title: &str, detector: &Detector) -> String {
    let provenance = &detector.provenance;
    let lead = format!(
        "A {} trained on {} rows of {} columns",
        provenance.method.name(),
        count(provenance.rows),
        detector.schema().fields.len()
    );
    let body = html! {
        (section("What it is for", html! { ul { @for sentence in detector.intended_use() { li { (sentence) } } } }))
        (section("What not to expect of it", html! { ul { @for sentence in detector.limits() { li { (sentence) } } } }))
        (section("Figures", figures(&provenance.figures)))
        @if let Some(Calibrated { before, after }) = &detector.supplement.calibrated {
            (section("Whether a score is a probability", gallery(&[outcome::reliability(Some(before), after)])))
        }
        @if !detector.supplement.refusals.is_empty() {
            (section("Attacks of no known kind", outcome::refusals(&detector.supplement.refusals)))
        }
        @if !detector.supplement.continued.is_empty() {
            (section("What it learned on from", learned_on(&detector.supplement.continued)))
        }
        (section("What the audit found", findings(detector.findings())))
        @if !detector.supplement.overruled.is_empty() {
            p { "Overruled:" }
            ul {
                @for of in &detector.supplement.overruled {
                    li { code { (of.name) } ": " (of.reason.as_deref().unwrap_or("no reason given")) }
                }
            }
        }
        (section("What it was trained on", trained_on(detector)))
        @for of in &detector.supplement.selected { (section("How its columns were chosen", selected(of))) }
    };
    document(title, &lead, body)
}

fn figures(tests: &[(String, Figures)]) -> Markup {
    let rows: Vec<Vec<String>> = tests
        .iter()
        .map(|(test, of)| {
            let mut row = vec![test.clone(), count(of.rows), count(of.attacks)];
            row.extend([of.recall, of.false_positive_rate, of.unseen_recall, of.precision, of.f1].map(rate));
            row.extend([of.roc_auc, of.pr_auc].map(rate));
            row
        })
        .collect();
    let headings = [
        "Test",
        "Rows",
        "Attacks",
        "Recall",
        "False positives",
        "Unseen kinds",
        "Precision",
        "F1",
        "ROC-AUC",
        "PR-AUC",
    ];
    html! {
        @if rows.is_empty() {
            p { "It was not tested on rows that it did not learn from: nothing can be said about how good it is." }
        } @else {
            (table(&headings, &rows))
        }
    }
}

fn learned_on(continued: &[Continued]) -> Markup {
    let row = |of: &Continued| {
        let when = of.span.as_ref().map_or_else(|| "–".into(), |[first, last]| format!("{first} to {last}"));
        let figures = of.figures.as_ref();
        let [recall, false_positives] =
            [figures.and_then(|of| of.recall), figures.and_then(|of| of.false_positive_rate)].map(rate);
        let thresholds = format!("{:.4}, before {:.4}", of.thresholds[1], of.thresholds[0]);
        vec![of.source.clone(), when, count(of.rows), count(of.learned), thresholds, recall, false_positives]
    };
    html! {
        (table(
            &["Tables", "When", "Rows", "Learned from", "Threshold", "Recall", "False positives"],
            &continued.iter().map(row).collect::<Vec<_>>()
        ))
        p class="hint" { "Figures on these rows, each judged before it was learned from." }
    }
}

fn trained_on(detector: &Detector) -> Markup {
    let provenance = &detector.provenance;
    let fields = detector.schema().fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    html! {
        dl {
            dt { "Rows" } dd { (count(provenance.rows)) }
            dt { "Attacks" } dd { (provenance.attacks.map_or_else(|| "unknown".into(), count)) }
            dt { "Label" } dd { (provenance.label.as_deref().unwrap_or("none")) }
            dt { "Kinds" } dd { (provenance.kinds.join(", ")) }
            dt { "SHA-256 of the rows" } dd { code { (provenance.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>()) } }
            dt { "Method" } dd { code { (serde_json::to_string(&provenance.method).unwrap_or_default()) } }
            dt { "Threshold" } dd { (format!("{:.4}", detector.threshold())) ", by " code { (serde_json::to_string(&provenance.rule).unwrap_or_default()) } }
            dt { "Seed" } dd { (provenance.seed) }
            dt { "Columns" } dd { (fields) }
            @for (column, reason) in &provenance.left_out { dt { "Left out" } dd { code { (column) } ": " (reason) } }
            dt { "Trained by" } dd { "Lapwing " (provenance.software) }
        }
    }
}
