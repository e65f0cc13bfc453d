//! Why rows score as they do, as a page.

use maud::{Markup, html};

use super::{document, section, table};
use crate::{Detector, Explanation, Path};

/// A row and what explains it.
pub struct Explained {
    /// The number of the row, from 1.
    pub row: usize,
    /// What each column adds.
    pub explanation: Explanation,
    /// The row's own values, one a column of the detector's schema, in words.
    pub values: Vec<String>,
    /// Its way through a tree, where the model is made of trees.
    pub path: Option<Path>,
    /// What would have to differ for no alarm, in words, or why nothing is said.
    pub counterfactual: String,
}

/// The page of some rows of a table.
pub fn explanation(name: &str, detector: &Detector, explained: &[Explained]) -> String {
    let lead = format!(
        "What adds to the score of {} of {name}, by a {} that alarms from {:.4} on.",
        if explained.len() == 1 { "a row".into() } else { format!("{} rows", explained.len()) },
        detector.provenance.method.name(),
        detector.threshold()
    );
    let body = html! {
        @if explained.is_empty() { p { "No row alarms." } }
        @for of in explained { (section(&format!("Row {}", of.row), row(detector, of))) }
    };
    document("Explanation", &lead, body)
}

fn row(detector: &Detector, of: &Explained) -> Markup {
    let Explanation { score, alarm, quantity, means, base, total, contributions, fidelity } = &of.explanation;
    let names: Vec<&str> = detector.schema().fields.iter().map(|field| field.name.as_str()).collect();
    let ranked = of.explanation.ranked();
    let cell = |column: usize| {
        let name = names.get(column).copied().unwrap_or_default();
        let value = of.values.get(column).map_or("", String::as_str);
        (name, value, contributions[column])
    };
    let rows: Vec<Vec<String>> = ranked
        .iter()
        .map(|&column| cell(column))
        .map(|(name, value, adds)| vec![name.to_owned(), value.to_owned(), format!("{adds:+.6}")])
        .collect();
    html! {
        p {
            "Score " (format!("{score:.4}")) ": " @if *alarm { "an alarm. " } @else { "no alarm. " }
            "Explained is " (quantity.words()) " by " (means.words()) ": "
            (format!("{base:.4}")) " for " (means.base()) ", "
            (format!("{:+.4}", total - base)) " by its columns, " (format!("{total:.4}")) " in all."
            @if let Some(fidelity) = fidelity {
                " The sum explains " (format!("{:.0}", fidelity * 100.0)) " % of how the model varies near the row."
            }
        }
        (bars(&ranked.iter().take(BARS).map(|&column| cell(column)).collect::<Vec<_>>()))
        p { (of.counterfactual) }
        @if let Some(path) = &of.path { (way(path)) }
        details { summary { "Every column" } (table(&["Column", "Value", "Adds"], &rows)) }
    }
}

/// What columns add, as bars to the right and to the left of a line.
fn bars(columns: &[(&str, &str, f64)]) -> Markup {
    let most = columns.iter().map(|(_, _, adds)| adds.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let height = 22.0 * columns.len() as f64 + 8.0;
    html! {
        figure {
            figcaption { "What columns add" }
            svg viewBox=(format!("0 0 640 {height}")) role="img" {
                title { "What columns add" }
                desc { "The columns that add most, upwards to the right, downwards to the left" }
                path class="grid" d=(format!("M420 0V{height}")) {}
                @for (number, (name, value, adds)) in columns.iter().enumerate() {
                    @let top = 22.0 * number as f64 + 6.0;
                    @let wide = (150.0 * adds.abs() / most).max(0.5);
                    @let left = if *adds < 0.0 { 420.0 - wide } else { 420.0 };
                    text class="label" x="262" y=(format!("{:.1}", top + 12.0)) text-anchor="end" {
                        (cut(name, 24)) " = " (cut(value, 14))
                    }
                    rect class=(if *adds < 0.0 { "bar s0" } else { "bar s1" }) x=(format!("{left:.1}"))
                        y=(format!("{top:.1}")) width=(format!("{wide:.1}")) height="16" {
                        title { (name) " = " (value) ": " (format!("{adds:+.6}")) }
                    }
                    text class="tick" x=(if *adds < 0.0 { "426" } else { "414" }) y=(format!("{:.1}", top + 12.0))
                        text-anchor=(if *adds < 0.0 { "start" } else { "end" }) { (format!("{adds:+.4}")) }
                }
            }
        }
    }
}

/// The way through a tree: a step under the other, and beside each what share of the training rows comes along.
fn way(path: &Path) -> Markup {
    let height = 46.0 * path.steps.len() as f64 + 44.0;
    let title = format!("The way through tree {} of {}", path.tree, path.trees);
    html! {
        figure {
            figcaption { (title) }
            svg viewBox=(format!("0 0 640 {height}")) role="img" {
                title { (title) }
                desc { (path.words()) }
                circle class="mark s0" cx="24" cy="16" r="5" {}
                text class="label" x="40" y="20" { "all training rows of the tree" }
                @for (number, (condition, share, worth)) in path.steps.iter().enumerate() {
                    @let top = 46.0 * number as f64 + 16.0;
                    path class="grid" d=(format!("M24 {:.1}V{:.1}M24 {:.1}h14", top + 5.0, top + 41.0, top + 20.0)) {}
                    text class="label" x="40" y=(format!("{:.1}", top + 28.0)) { (cut(&condition.words(), 84)) }
                    circle class="mark s1" cx="24" cy=(format!("{:.1}", top + 46.0)) r=(format!("{:.1}", 2.0 + 4.0 * share.sqrt())) {
                        title { (format!("{:.4} of the training rows; says {worth:.4}", share)) }
                    }
                    text class="tick" x="40" y=(format!("{:.1}", top + 46.0)) {
                        (format!("{share:.4} of the training rows, of which the tree says {worth:.4}"))
                    }
                }
            }
        }
    }
}

/// The first letters of a name.
fn cut(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars().take(letters - 1).chain(['…']).collect()
}

/// So many columns get a bar.
const BARS: usize = 15;
