//! The pages of a table: what it holds, and what is wrong with it.

use maud::{Markup, html};

use super::chart::{self, Quartiles};
use super::{count, document, findings, gallery, probability, rate, section, selected, short, table};
use crate::Selected;
use crate::evaluation::{ColumnProfile, Difference, Figures, Finding, Numbers, Profile, Summary};

/// The page of a table's profile, with what selections say of its columns.
pub fn profile(title: &str, profile: &Profile, selections: &[Selected]) -> String {
    let attacks = profile.attacks.map_or_else(String::new, |attacks| format!(", {} of them attacks", count(attacks)));
    let lead = format!("{} rows{attacks}, {} columns", count(profile.rows), profile.columns.len());
    let body = html! {
        @if !profile.kinds.is_empty() { (section("Kinds of row", kinds(profile))) }
        @if !profile.differences.is_empty() { (section("How attacks differ from benign rows", differences(profile))) }
        (section("Columns", html! { @for column in &profile.columns { (one_column(column, profile)) } }))
        @for of in selections { (section("Which columns a selection keeps", selected(of))) }
        @if !profile.associations.is_empty() { (section("Columns that go together", associations(profile))) }
    };
    document(title, &lead, body)
}

/// The page of an audit. `left_out` are columns that are not learned from, each with the reason; `figures` are figures of
/// careless and of honest tests, side by side, each with what it is.
pub fn audit(
    title: &str,
    lead: &str,
    found: &[Finding],
    left_out: &[(String, String)],
    figures: &[(String, Figures)],
) -> String {
    let rows: Vec<Vec<String>> = FIGURES
        .iter()
        .map(|(words, name)| {
            let of = |figures: &Figures| figures.numbers().into_iter().find(|number| number.0 == *name);
            let cells = figures.iter().map(|(_, figures)| rate(of(figures).and_then(|number| number.1)));
            std::iter::once((*words).to_owned()).chain(cells).collect()
        })
        .collect();
    let headings: Vec<&str> = std::iter::once("").chain(figures.iter().map(|(words, _)| words.as_str())).collect();
    let body = html! {
        (section("Findings", findings(found)))
        @if !figures.is_empty() {
            (section("The careless figure and the honest one", html! {
                (table(&headings, &rows))
                p class="hint" { "The same estimator with the same settings; what differs is the data and the split alone." }
            }))
        }
        @if !left_out.is_empty() {
            (section("Columns that are not learned from", html! {
                dl { @for (column, reason) in left_out { dt { code { (column) } } dd { (reason) } } }
            }))
        }
    };
    document(title, lead, body)
}

fn kinds(profile: &Profile) -> Markup {
    let share = |rows: u64| format!("{:.3} %", 100.0 * rows as f64 / profile.rows.max(1) as f64);
    let rows: Vec<Vec<String>> =
        profile.kinds.iter().map(|(kind, rows)| vec![kind.clone(), count(*rows), share(*rows)]).collect();
    table(&["Kind", "Rows", "Share"], &rows)
}

fn differences(profile: &Profile) -> Markup {
    let row = |difference: &Difference| {
        let test = difference.mann_whitney.or(difference.chi_square);
        let welch = difference.welch;
        vec![
            difference.column.clone(),
            format!("{:.3}", difference.effect()),
            if difference.mann_whitney.is_some() { "rank-biserial" } else { "Cramér's V" }.into(),
            test.map_or_else(|| "–".into(), |test| probability(test.p)),
            probability(difference.adjusted_p),
            welch.map_or_else(|| "–".into(), |test| short(test.statistic)),
            welch.map_or_else(|| "–".into(), |test| probability(test.p)),
            welch.map_or_else(|| "–".into(), |test| short(test.effect)),
        ]
    };
    let rows: Vec<Vec<String>> = profile.differences.iter().map(row).collect();
    html! {
        (table(&["Column", "Effect", "", "p", "corrected", "Welch's t", "p", "Cohen's d"], &rows))
        p class="hint" {
            "Of many rows every p is small: read the effect, 0 to 1. p is that of the Mann-Whitney or chi-square test, "
            "corrected for many columns after Benjamini and Hochberg."
        }
    }
}

fn one_column(column: &ColumnProfile, profile: &Profile) -> Markup {
    let missing = if column.missing > 0 { format!(", {} missing", count(column.missing)) } else { String::new() };
    let difference = profile.differences.iter().find(|difference| difference.column == column.name);
    let effect = difference.map_or_else(String::new, |of| format!(", effect {:.3}", of.effect()));
    let kind = match &column.summary {
        Summary::Numbers(_) => "numbers",
        Summary::Names(_) => "names",
    };
    html! {
        details {
            summary {
                code { (column.name) }
                span class="hint" { (kind) ", " (count(column.distinct)) " different" (missing) (effect) }
            }
            @match &column.summary {
                Summary::Numbers(numbers) => (of_numbers(column, numbers)),
                Summary::Names(names) => (of_names(names)),
            }
        }
    }
}

fn of_numbers(column: &ColumnProfile, numbers: &Numbers) -> Markup {
    let scale = if numbers.logarithmic { "value, bins of equal ratio" } else { "value" };
    let sides = ["benign", "attack"];
    let mut charts = Vec::new();
    if !numbers.histogram.is_empty() {
        charts.push(chart::histogram("Rows by value", scale, &numbers.edges, &numbers.histogram, sides, false));
        let boxes: Vec<Quartiles<'_>> = sides
            .iter()
            .zip(&numbers.boxes)
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| Quartiles { name, values })
            .collect();
        charts.push(chart::boxes(&format!("{}: quartiles, whiskers at 5 and 95 %", column.name), &boxes));
    }
    let moments = numbers.moments;
    let quantiles = ["Least", "1 %", "25 %", "Median", "75 %", "99 %", "Most"].iter().zip(&numbers.quantiles);
    let rows: Vec<Vec<String>> = quantiles.map(|(name, value)| vec![(*name).to_owned(), short(*value)]).collect();
    html! {
        (gallery(&charts))
        div class="gallery" {
            (table(&["Quantile", "Value"], &rows))
            dl {
                @if let Some(moments) = moments {
                    dt { "Mean" } dd { (short(moments.mean)) }
                    dt { "Deviation" } dd { (short(moments.deviation)) }
                    dt { "Skewness" } dd { (short(moments.skewness)) }
                }
                dt { "Zeros" } dd { (count(numbers.zeros)) }
                dt { "Outliers" } dd { (count(numbers.outliers)) }
            }
        }
    }
}

fn of_names(names: &[(String, [u64; 2])]) -> Markup {
    let rows: Vec<Vec<String>> =
        names.iter().map(|(name, counts)| vec![name.clone(), count(counts[0]), count(counts[1])]).collect();
    table(&["Name", "Benign", "Attack"], &rows)
}

fn associations(profile: &Profile) -> Markup {
    // The columns that go together most, in the order of the table.
    let mut used: Vec<&str> = Vec::new();
    for pair in &profile.associations {
        for column in &pair.columns {
            if used.len() < MAPPED && pair.pearson.is_some() && !used.contains(&column.as_str()) {
                used.push(column);
            }
        }
    }
    let columns = profile.columns.iter().map(|column| column.name.clone());
    let columns: Vec<String> = columns.filter(|column| used.contains(&column.as_str())).collect();
    let found = |row: usize, column: usize| {
        if row == column {
            return Some((1.0, "1".into()));
        }
        let is_pair = |pair: &[String; 2]| {
            (pair[0] == columns[row] && pair[1] == columns[column])
                || (pair[1] == columns[row] && pair[0] == columns[column])
        };
        let pair = profile.associations.iter().find(|of| is_pair(&of.columns))?;
        pair.spearman.map(|spearman| (spearman, format!("{spearman:.2}")))
    };
    let rows: Vec<Vec<String>> = profile
        .associations
        .iter()
        .take(SHOWN)
        .map(|pair| {
            let cell = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
            vec![
                format!("{}, {}", pair.columns[0], pair.columns[1]),
                cell(pair.spearman),
                cell(pair.pearson),
                cell(pair.cramers_v),
            ]
        })
        .collect();
    html! {
        @if columns.len() > 1 { (chart::heat_map("Spearman's correlation", &columns, &columns, found)) }
        (table(&["Columns", "Spearman", "Pearson", "Cramér's V"], &rows))
    }
}

const FIGURES: [(&str, &str); 9] = [
    ("Recall", "recall"),
    ("False-positive rate", "false_positive_rate"),
    ("Recall on unseen kinds", "unseen_recall"),
    ("Precision", "precision"),
    ("F1", "f1"),
    ("Accuracy", "accuracy"),
    ("Matthews' correlation", "mcc"),
    ("ROC-AUC", "roc_auc"),
    ("PR-AUC", "pr_auc"),
];
/// The most columns of the heat map.
const MAPPED: usize = 30;
/// The most pairs of the table.
const SHOWN: usize = 30;
