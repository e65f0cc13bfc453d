//! A path as a rule that other tools read.

use std::fmt::Write;

use flow::printable;
use sha2::{Digest, Sha256};

use super::path::{Path, Side};
use crate::Detector;

/// A path of a tree as a rule in the layout of Sigma (SigmaHQ specification 2.0): what a flow with these features looks
/// like to this detector. It is one tree's opinion, so its level is low, and medium where that tree is the whole model.
/// `None` where the tree asks for nothing.
///
/// Strings are quoted so that nothing in a name can end them; a `|` in the name of a column, which Sigma has no way to
/// write, becomes `_`.
pub fn rule(detector: &Detector, path: &Path) -> Option<String> {
    let (selections, filters) = sections(path);
    if selections.is_empty() && filters.is_empty() {
        return None;
    }
    let method = detector.provenance.method.name();
    let kinds: Vec<String> = detector.provenance.kinds.iter().map(|kind| printable(kind).to_string()).collect();
    let kinds = if kinds.is_empty() { "no labels".to_owned() } else { kinds.join(", ") };
    let description = format!(
        "A flow that tree {} of {} of a {method} trained on {} rows holds for an attack. The leaf says {:.4}; {:.4} of the \
         training rows of the tree are in it.",
        path.tree, path.trees, detector.provenance.rows, path.worth, path.share
    );
    let mut lines = vec![
        format!("title: {}", quoted(&format!("Lapwing {method}, path of tree {}", path.tree))),
        format!("id: {}", identity(&selections, &filters)),
        "status: experimental".into(),
        format!("description: {}", quoted(&description)),
        format!("author: {}", quoted(concat!("Lapwing ", env!("CARGO_PKG_VERSION")))),
        "logsource:\n  product: lapwing\n  category: network_anomaly\ndetection:".into(),
    ];
    let mut condition = Vec::new();
    for (prefix, negation, sections) in [("selection", "", &selections), ("filter", "not ", &filters)] {
        for (number, section) in (1..).zip(sections) {
            lines.push(format!("  {prefix}_{number}:"));
            lines.extend(section.iter().map(|line| format!("    {line}")));
            condition.push(format!("{negation}{prefix}_{number}"));
        }
    }
    lines.push(format!("  condition: {}", condition.join(" and ")));
    let benign = format!("benign flows that look like this; it was learned from rows of: {kinds}");
    lines.push(format!("falsepositives:\n  - {}", quoted(&benign)));
    lines.push(format!("level: {}", if path.trees == 1 { "medium" } else { "low" }));
    lines.push(format!("tags:\n  - lapwing.{method}\n"));
    Some(lines.join("\n"))
}

/// The lines of the selections, which must hold, and of the filters, which must not. A selection says each field once.
fn sections(path: &Path) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut selections, mut filters): (Vec<Vec<String>>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut said: Vec<&str> = Vec::new();
    for condition in &path.conditions {
        let field = condition.column.replace('|', "_");
        let line = |modifier: &str, value: String| format!("{}: {value}", quoted(&format!("{field}{modifier}")));
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| quoted(&literal(name))).collect();
            line("", format!("[{}]", names.join(", ")))
        };
        let lines = match &condition.side {
            Side::AnyBut(names) if names.is_empty() => continue,
            Side::AnyBut(names) => {
                filters.push(vec![list(names)]);
                continue;
            }
            Side::Present => {
                filters.push(vec![line("", "null".into())]);
                continue;
            }
            Side::AtMost(most) => vec![line("|lte", most.to_string())],
            Side::Above(least) => vec![line("|gt", least.to_string())],
            Side::Within(least, most) => vec![line("|gt", least.to_string()), line("|lte", most.to_string())],
            Side::Among(names) => vec![list(names)],
            Side::Missing => vec![line("", "null".into())],
        };
        match selections.first_mut() {
            Some(first) if !said.contains(&condition.column.as_str()) => first.extend(lines),
            _ => selections.push(lines),
        }
        said.push(&condition.column);
    }
    (selections, filters)
}

/// A name as Sigma matches it: its wildcards, and what escapes them, stand for themselves.
fn literal(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// A string in double quotes, in which all but plain letters is escaped (YAML 1.2 s.5.7).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            letter => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// An identity that is the same for the same detection (RFC 9562 s.5.8).
fn identity(selections: &[Vec<String>], filters: &[Vec<String>]) -> String {
    let mut hasher = Sha256::new();
    for section in selections.iter().chain(filters) {
        section.iter().for_each(|line| hasher.update(line));
        hasher.update([0]);
    }
    let mut digits: Vec<char> = hasher
        .finalize()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| DIGITS[usize::from(half)])
        .collect();
    (digits[12], digits[16]) = ('8', 'a');
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits[range].iter().collect::<String>()).join("-")
}

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

#[cfg(test)]
mod tests {
    use super::super::{Condition, Quantity};
    use super::*;

    fn path(conditions: Vec<(&str, Side)>) -> Path {
        let conditions = conditions.into_iter().map(|(column, side)| Condition { column: column.into(), side });
        let conditions = conditions.collect();
        Path { tree: 1, trees: 1, conditions, steps: Vec::new(), quantity: Quantity::Share, share: 0.5, worth: 1.0 }
    }

    #[test]
    fn names_end_no_string_and_match_only_themselves() {
        let hostile = "a\"\n: *\u{1b}|x".to_owned();
        let (selections, filters) = sections(&path(vec![
            ("bytes", Side::Within(1.0, 2.5)),
            ("a|b\"", Side::Among(vec![hostile.clone()])),
            ("bytes", Side::Missing),
            ("service", Side::AnyBut(vec!["http".into()])),
            ("nothing", Side::AnyBut(Vec::new())),
        ]));
        let expected = [
            vec![r#""bytes|gt": 1"#, r#""bytes|lte": 2.5"#, r#""a_b\"": ["a\"\U0000000A: \\*\U0000001B|x"]"#],
            vec![r#""bytes": null"#],
        ];
        assert_eq!(selections, expected);
        assert_eq!(filters, [[r#""service": ["http"]"#]]);
    }
}
