//! Pages for people: what evaluation found, as one HTML file each, with pictures.
//!
//! A page needs nothing but itself: no script, no font, no picture from elsewhere. It follows the reader's choice of a
//! dark or light display, and every chart's numbers stand in a table too, or in the text of its marks.

mod card;
mod chart;
mod comparison;
mod explanation;
mod outcome;
mod profile;
mod search;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use card::card;
pub use comparison::comparison;
pub use explanation::{Explained, explanation};
pub use outcome::{Site, outcome};
pub use profile::{audit, profile};
pub use search::search;

use crate::Selected;
use crate::evaluation::{Finding, Severity};

/// A whole page; `lead` says in a sentence what it is about.
fn document(title: &str, lead: &str, body: Markup) -> String {
    styled(title, lead, "", body)
}

/// A whole page of something else than models, with what it adds to the style.
pub fn styled(title: &str, lead: &str, style: &'static str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Names of columns and kinds come from files of others: nothing on the page may load or run anything.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) " · Lapwing" }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                header { h1 { (title) } p { (lead) } }
                main { (body) }
                footer { "Lapwing " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    page.into_string()
}

/// A part of a page under its own heading.
pub fn section(title: &str, body: Markup) -> Markup {
    html! { section { h2 { (title) } (body) } }
}

/// A table with headings; the first cell of a row is its heading, all others are numbers or short texts.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Charts side by side, as many as there is room for.
fn gallery(charts: &[Markup]) -> Markup {
    html! { div class="gallery" { @for chart in charts { (chart) } } }
}

/// What a selection says of each column, the best first.
fn selected(selected: &Selected) -> Markup {
    let row = |of: &crate::Scored| {
        let score = if of.score.fract() == 0.0 && of.score >= 0.0 {
            count(of.score as u64)
        } else {
            format!("{:.6}", of.score)
        };
        vec![of.name.clone(), score, if of.kept { "kept" } else { "left out" }.into()]
    };
    let rows: Vec<Vec<String>> = selected.columns.iter().map(row).collect();
    html! {
        p { (selected.words()) "." }
        (table(&["Column", selected.selection.measure(), ""], &rows))
    }
}

/// What an audit found, the worst first.
fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Markup {
    let findings: Vec<&Finding> = findings.into_iter().collect();
    html! {
        @if findings.is_empty() {
            p { "Nothing found." }
        } @else {
            ul class="findings" {
                @for finding in findings {
                    @let (class, word) = match finding.severity {
                        Severity::Error => ("error", "Error"),
                        Severity::Warning => ("warning", "Warning"),
                        Severity::Note => ("note", "Note"),
                    };
                    li class=(class) {
                        strong { (word) } " " code { (finding.check) } " " (finding.sentence)
                        @if !finding.rows.is_empty() {
                            span class="rows" {
                                " Rows " (finding.rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) "."
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A figure with five digits behind the point; a dash where it is unknown.
fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.5}"))
}

/// A whole number with a thin space between thousands.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number in few digits, for the ticks of an axis.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.1e}");
        text.replace(".0e", "e")
    } else if size >= 100.0 || (value - value.round()).abs() < 1e-9 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A probability of a test: small ones by their magnitude.
fn probability(p: f64) -> String {
    if p < 1e-300 {
        "< 1e-300".into()
    } else if p < 1e-3 {
        format!("{p:.1e}")
    } else {
        format!("{p:.3}")
    }
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_file_that_runs_and_loads_nothing() {
        let page = document("<b>Title</b>", "Lead & more", html! { p { "body" } });
        assert!(
            page.starts_with("<!DOCTYPE html>") && page.contains("&lt;b&gt;Title") && page.contains("Lead &amp; more")
        );
        assert!(
            !page.contains("<script")
                && !page.contains("src=\"")
                && !page.contains("http://")
                && !page.contains("url(")
        );
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn numbers_are_short() {
        let shorts = [0.0, 0.25, 3.0, 123.456, 1e9, 0.000_12, -0.5].map(short);
        assert_eq!(shorts, ["0", "0.25", "3", "123", "1e9", "1.2e-4", "-0.5"]);
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!([0.04, 1e-9, 0.0].map(probability), ["0.040", "1.0e-9", "< 1e-300"]);
    }
}
