//! The page of a search for settings.

use maud::{Markup, html};

use super::chart::{self, Axis};
use super::{count, document, gallery, rate, section, table};
use crate::evaluation::tune::{Experiment, Nested, Settings, best};

/// The page of a search: every trial, and the best so far; with nested cross-validation what the search promises, and what
/// it keeps.
pub fn search(title: &str, lead: &str, history: &[Experiment], nested: Option<&Nested>) -> String {
    let values: Vec<(usize, f64)> =
        history.iter().enumerate().filter_map(|(turn, of)| Some((turn + 1, of.value?))).collect();
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
    let margin = ((high - low) * 0.05).max(1e-6);
    let axes =
        || [Axis::new("trial", 0.0, history.len() as f64 + 1.0), Axis::new("value", low - margin, high + margin)];
    let points: Vec<(f64, f64, String)> = values
        .iter()
        .map(|&(turn, value)| {
            (turn as f64, value, format!("trial {turn}: {value:.6}, {}", words(&history[turn - 1].trial.settings)))
        })
        .collect();
    let mut leading = Vec::new();
    for turn in 1..=history.len() {
        if let Some(value) = best(&history[..turn]).and_then(|of| of.value) {
            leading.push((turn as f64, value));
        }
    }
    let mut order: Vec<(usize, &Experiment)> = history.iter().enumerate().collect();
    let merit = |of: &Experiment| of.merit().unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|one, other| merit(other.1).total_cmp(&merit(one.1)));
    let rows: Vec<Vec<String>> = order
        .iter()
        .map(|(turn, of)| {
            let deviation = of.figures.iter().find(|figure| figure.0 == of.objective.name()).map(|figure| figure.2);
            vec![
                words(&of.trial.settings),
                of.value.map_or_else(|| "failed".into(), |value| format!("{value:.6}")),
                deviation.map_or_else(|| "–".into(), |deviation| format!("{deviation:.6}")),
                format!("{:.2}", of.trial.share),
                format!("{:.1} s", of.seconds),
                count(*turn as u64 + 1),
            ]
        })
        .collect();
    let objective = history.first().map_or("", |of| of.objective.name());
    let body = html! {
        @if let Some(nested) = nested { (section("What the search promises, and what it keeps", outer(nested))) }
        @if !values.is_empty() {
            (section("Course", gallery(&[chart::points(&format!("{objective} of every trial, and the best so far"), axes(), &points, &leading)])))
        }
        (section("Trials, the best first", table(&["Settings", objective, "deviation", "share of rows", "time", "trial"], &rows)))
    };
    document(title, lead, body)
}

/// The outer tests, and all rows.
fn outer(nested: &Nested) -> Markup {
    let mut rows: Vec<Vec<String>> = nested
        .folds
        .iter()
        .map(|fold| vec![fold.test.clone(), rate(fold.optimistic), rate(fold.honest), words(&fold.settings)])
        .collect();
    let honest = match nested.deviation {
        Some(deviation) => format!("{} ± {deviation:.5}", rate(nested.honest)),
        None => rate(nested.honest),
    };
    rows.push(vec!["all rows".into(), rate(nested.optimistic), honest, String::new()]);
    html! {
        p {
            "The best of many trials is the best by luck too. In every fold the whole search was repeated on the other rows, "
            "and what it chose was judged on the fold."
        }
        (table(&["Test", "best trial (optimistic)", "rows that the search did not see", "settings"], &rows))
    }
}

fn words(settings: &Settings) -> String {
    let settings = settings.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    settings.collect::<Vec<_>>().join(" ")
}
