//! What the verbs share in showing how good a detector is.

use std::io::{self, Write};

use flow::printable;
use model::evaluation::{
    Calibrated, ClassFigures, Figures, Finding, Outcome, Refusals, Refused, Reliability, Severity, tune,
};
use model::page::Site;
use model::{Detector, Selected, Selection, Supplement};
use serde_json::{Value, json};

use crate::output;

/// Prints all that a test tells, for people: what it stands on, the confusion matrix, the rates with their intervals, every
/// kind of row, and classes and latency where they are known.
pub(crate) fn print(out: &mut impl Write, title: &str, outcome: &Outcome, site: Site) -> io::Result<()> {
    let (figures, counts) = (&outcome.figures, &outcome.figures.confusion);
    writeln!(out, "{title}: {} rows, {} of them attacks", figures.rows, figures.attacks)?;
    if figures.attacks == 0 || figures.attacks == figures.rows {
        let what = if figures.attacks == 0 { "benign" } else { "an attack" };
        writeln!(out, "WARNING: every row of this test is {what}: most figures below mean nothing")?;
    }
    let mut confusion = output::table(&["", "alarm", "no alarm"]);
    confusion.add_row(["attack", &counts.true_positives.to_string(), &counts.false_negatives.to_string()]);
    confusion.add_row(["benign", &counts.false_positives.to_string(), &counts.true_negatives.to_string()]);
    writeln!(out, "{confusion}")?;
    let mut rates = output::table(&["figure", "value", "95 % interval"]);
    let majority =
        format!("accuracy ({} errors; always the same answer: {})", counts.errors(), rate(figures.majority_accuracy));
    let quiet = format!("false alarms a day at {} benign flows a day", site.flows_a_day);
    let alarms = figures.alarms_a_day(site.flows_a_day).map_or_else(|| "-".into(), |alarms| format!("{alarms:.0}"));
    let there = format!("precision where {} % of the flows are attacks", 100.0 * site.base_rate);
    let is_probability = outcome.reliability.is_some();
    let interval =
        |name: &str| outcome.interval(name).map_or_else(String::new, |of| format!("{:.5} to {:.5}", of.low, of.high));
    let mut rows = vec![
        ("recall", rate(figures.recall), interval("recall")),
        ("false-positive rate", rate(figures.false_positive_rate), interval("false_positive_rate")),
        ("recall on attack kinds unseen in training", rate(figures.unseen_recall), String::new()),
        (quiet.as_str(), alarms, String::new()),
        (there.as_str(), rate(counts.precision_at(site.base_rate)), String::new()),
        ("precision", rate(figures.precision), interval("precision")),
        ("F1", rate(figures.f1), interval("f1")),
        ("F2", rate(figures.f2), interval("f2")),
        (majority.as_str(), rate(figures.accuracy), interval("accuracy")),
        ("balanced accuracy", rate(figures.balanced_accuracy), interval("balanced_accuracy")),
        ("Matthews' correlation", rate(figures.mcc), interval("mcc")),
        ("ROC-AUC", rate(figures.roc_auc), interval("roc_auc")),
        ("PR-AUC", rate(figures.pr_auc), interval("pr_auc")),
        ("recall at 1 % false positives", rate(figures.recall_at_one_percent), interval("recall_at_one_percent")),
        ("recall at 0.1 % false positives", rate(figures.recall_at_one_per_mille), interval("recall_at_one_per_mille")),
    ];
    if is_probability {
        rows.push(("Brier score", rate(figures.brier), String::new()));
        rows.push(("calibration error", rate(figures.calibration_error), String::new()));
    }
    for (name, value, interval) in rows {
        rates.add_row([name, &value, &interval]);
    }
    writeln!(out, "{rates}")?;
    let mut kinds = output::table(&["kind", "rows", "alarms", "share", ""]);
    for kind in &figures.kinds {
        let share = format!("{:.4}", kind.alarms as f64 / kind.rows.max(1) as f64);
        let remark = match (kind.attack, kind.seen) {
            (false, _) => "benign",
            (true, true) => "",
            (true, false) => "unseen in training",
        };
        kinds.add_row([&*printable(&kind.kind), &kind.rows.to_string(), &kind.alarms.to_string(), &share, remark]);
    }
    writeln!(out, "{kinds}")?;
    if let Some(classes) = &outcome.classes {
        print_classes(out, classes, outcome.unknown_class_rows)?;
    }
    if let (Some(before), Some(after)) = (&outcome.uncalibrated, &outcome.reliability) {
        print_calibrated(out, before, after)?;
    }
    if let Some(refusals) = outcome.refusals {
        print_refusals(out, &[(title.to_owned(), refusals)])?;
    }
    if let Some(latency) = &outcome.latency {
        let seconds = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.3} s"));
        writeln!(
            out,
            "\nlatency: {} of {} attacks (a kind in a group each) raise an alarm, half of these within {}, nine of ten \
             within {}, the longest within {}",
            latency.detected,
            latency.attacks,
            seconds(latency.median_seconds),
            seconds(latency.ninth_decile_seconds),
            seconds(latency.longest_seconds)
        )?;
    }
    Ok(())
}

fn print_classes(out: &mut impl Write, figures: &ClassFigures, unknown: u64) -> io::Result<()> {
    writeln!(
        out,
        "\nclasses: macro F1 {}, accuracy {}, balanced accuracy {}, Matthews' correlation {}, macro ROC-AUC {}",
        rate(figures.macro_f1),
        rate(figures.accuracy),
        rate(figures.balanced_accuracy),
        rate(figures.mcc),
        rate(figures.macro_roc_auc)
    )?;
    let mut table = output::table(&["class", "rows", "given", "precision", "recall", "F1", "most often taken for"]);
    for (place, class) in figures.classes.iter().enumerate() {
        let others = figures.counts[place].iter().enumerate().filter(|(other, count)| *other != place && **count > 0);
        let confused = others.max_by_key(|(_, count)| **count);
        let confused = confused.map_or_else(String::new, |(other, count)| {
            format!("{} ({count})", printable(&figures.classes[other].name))
        });
        table.add_row([
            &*printable(&class.name),
            &class.rows.to_string(),
            &class.given.to_string(),
            &rate(class.precision),
            &rate(class.recall),
            &rate(class.f1),
            &confused,
        ]);
    }
    writeln!(out, "{table}")?;
    if unknown > 0 {
        writeln!(out, "{unknown} rows are of kinds that no class stands for, and are not among these")?;
    }
    Ok(())
}

/// Prints what is known of a detector beside its figures: what its calibration did, and what it called unknown.
pub(crate) fn print_supplement(out: &mut impl Write, supplement: &Supplement) -> io::Result<()> {
    if let Some(Calibrated { before, after }) = &supplement.calibrated {
        print_calibrated(out, before, after)?;
    }
    if supplement.refusals.is_empty() { Ok(()) } else { print_refusals(out, &supplement.refusals) }
}

/// Prints whether scores are probabilities, before and after they were calibrated.
fn print_calibrated(out: &mut impl Write, before: &Reliability, after: &Reliability) -> io::Result<()> {
    let errors = [before, after].map(|of| (rate(of.calibration_error()), rate(of.brier)));
    let [(error, brier), (now, brier_now)] = errors;
    writeln!(
        out,
        "\ncalibration error {error} before calibration, {now} after; Brier score {brier} before, {brier_now} after"
    )?;
    let mut table = output::table(&["score", "rows before", "attacks among them", "rows after", "attacks among them"]);
    for tenth in 0..10u8 {
        let (low, high) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
        let cells = [before, after].map(|of| {
            let bin = of.bins.iter().find(|bin| bin.score >= low && (bin.score < high || tenth == 9));
            bin.map_or_else(Default::default, |bin| [bin.rows.to_string(), format!("{:.1} %", 100.0 * bin.attacks)])
        });
        let [[rows, attacks], [rows_now, attacks_now]]: [[String; 2]; 2] = cells;
        table.add_row([format!("{low:.1} to {high:.1}"), rows, attacks, rows_now, attacks_now]);
    }
    writeln!(out, "{table}")
}

/// Prints how many alarms were called an attack of no known kind, test by test.
fn print_refusals(out: &mut impl Write, tests: &[(String, Refusals)]) -> io::Result<()> {
    writeln!(out, "\nalarms called an attack of no known kind (`unknown`):")?;
    let headings = ["test", "kinds of the training (wrongly)", "kinds never seen (rightly)", "benign rows"];
    let mut table = output::table(&headings);
    let cell = |of: Refused| match of.share() {
        Some(share) => format!("{} of {} ({:.1} %)", of.refused, of.alarms, 100.0 * share),
        None => "-".into(),
    };
    let mut all = Refusals::default();
    for (name, of) in tests {
        all += *of;
        table.add_row([name.clone(), cell(of.known), cell(of.unseen), cell(of.benign)]);
    }
    if tests.len() > 1 {
        table.add_row(["all tests".into(), cell(all.known), cell(all.unseen), cell(all.benign)]);
    }
    writeln!(out, "{table}")
}

/// What was called unknown, test by test, as JSON.
pub(crate) fn refusals(tests: &[(String, Refusals)]) -> Value {
    let test = |(name, of): &(String, Refusals)| {
        let mut value = json!({"test": name});
        for (kinds, of) in [("known", of.known), ("unseen", of.unseen), ("benign", of.benign)] {
            value[kinds] = json!({"alarms": of.alarms, "refused": of.refused, "share": of.share()});
        }
        value
    };
    tests.iter().map(test).collect()
}

/// Prints the figures that matter most of another test, in a line.
pub(crate) fn print_line(out: &mut impl Write, title: &str, figures: &Figures) -> io::Result<()> {
    writeln!(
        out,
        "\n{title}: {} rows; recall {}, false-positive rate {}, precision {}, F1 {}, ROC-AUC {}",
        figures.rows,
        rate(figures.recall),
        rate(figures.false_positive_rate),
        rate(figures.precision),
        rate(figures.f1),
        rate(figures.roc_auc)
    )
}

/// Prints several tests: each by itself, then mean and standard deviation.
pub(crate) fn print_tests(out: &mut impl Write, tests: &[(String, Figures)]) -> io::Result<()> {
    let mut table =
        output::table(&["test", "rows", "recall", "false positives", "precision", "F1", "ROC-AUC", "PR-AUC"]);
    for (name, of) in tests {
        let mut row = vec![name.clone(), of.rows.to_string()];
        row.extend([of.recall, of.false_positive_rate, of.precision, of.f1, of.roc_auc, of.pr_auc].map(rate));
        table.add_row(row);
    }
    writeln!(out, "\n{table}")?;
    let all: Vec<Figures> = tests.iter().map(|(_, figures)| figures.clone()).collect();
    writeln!(out, "\n{} tests, mean and standard deviation", tests.len())?;
    let mut table = output::table(&["figure", "mean", "deviation"]);
    for (name, mean, deviation) in tune::spread(&all) {
        table.add_row([name.replace('_', " "), format!("{mean:.5}"), format!("{deviation:.5}")]);
    }
    writeln!(out, "{table}")
}

/// Prints what a selection says of each column, the best first.
pub(crate) fn print_selected(out: &mut impl Write, selected: &Selected) -> io::Result<()> {
    let mut table = output::table(&["column", selected.selection.measure(), ""]);
    for column in &selected.columns {
        let score = match selected.selection {
            Selection::Recursive { .. } => column.score.to_string(),
            _ => short(column.score),
        };
        table.add_row([&*printable(&column.name), &score, if column.kept { "kept" } else { "left out" }]);
    }
    writeln!(out, "{table}")
}

/// Prints what a reader of the figures must know, the worst first.
pub(crate) fn print_findings<'a>(
    out: &mut impl Write,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> io::Result<()> {
    for finding in findings {
        let word = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Note => "note",
        };
        let rows: Vec<String> = finding.rows.iter().map(u64::to_string).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("; rows {}", rows.join(", ")) };
        let name = match finding.severity {
            Severity::Error => finding.name(),
            Severity::Warning | Severity::Note => finding.check.clone(),
        };
        writeln!(out, "{word} ({}): {}{rows}", printable(&name), finding.sentence)?;
    }
    Ok(())
}

/// Says which errors of its audit forbid to run a detector, and what to do.
pub(crate) fn print_forbidding(out: &mut impl Write, detector: &Detector) -> io::Result<()> {
    let mut names: Vec<String> =
        detector.forbidding(&[]).iter().map(|finding| printable(&finding.name()).to_string()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "not fit to be run: `lapwing activate` refuses it for {}; leave the column out with --drop, or overrule the error \
         with --allow",
        names.join(", ")
    )
}

/// Prints what a detector learned on from since its training, and which errors of its audits were overruled.
pub(crate) fn print_history(out: &mut impl Write, supplement: &Supplement) -> io::Result<()> {
    for of in &supplement.continued {
        let when = of.span.as_ref().map_or_else(String::new, |[first, last]| format!(", {first} to {last}"));
        writeln!(
            out,
            "\nlearned on from {} of {} rows of {}{when}; threshold {:.4}, before {:.4}",
            of.learned,
            of.rows,
            printable(&of.source),
            of.thresholds[1],
            of.thresholds[0]
        )?;
        if of.unknown > 0 {
            writeln!(
                out,
                "  {} attacks are of kinds that it has no class for; train it again to teach them",
                of.unknown
            )?;
        }
        if let Some(why) = &of.kept {
            writeln!(out, "  the threshold was kept: {why}")?;
        }
        if let Some(figures) = &of.figures {
            print_line(out, "each row judged before it was learned from", figures)?;
        }
    }
    for of in &supplement.overruled {
        let reason = of.reason.as_deref().unwrap_or("no reason given");
        writeln!(out, "\noverruled: {}: {}", printable(&of.name), printable(reason))?;
    }
    Ok(())
}

/// Adds to figures as JSON what they mean at a site.
pub(crate) fn add_site(value: &mut Value, figures: &Figures, site: Site) {
    value["flows_a_day"] = json!(site.flows_a_day);
    value["false_alarms_a_day"] = json!(figures.alarms_a_day(site.flows_a_day));
    value["base_rate"] = json!(site.base_rate);
    value["precision_at_base_rate"] = json!(figures.confusion.precision_at(site.base_rate));
}

/// A figure with five digits behind the point; a dash where it is unknown.
pub(crate) fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.5}"))
}

/// A number in few digits.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || ((value - value.round()).abs() < 1e-9 && (0.5..1e7).contains(&size)) {
        format!("{value:.0}")
    } else if (1e-3..1e7).contains(&size) {
        format!("{value:.3}")
    } else {
        format!("{value:.2e}")
    }
}

/// The probability of a test; small ones by their magnitude.
pub(crate) fn probability(p: f64) -> String {
    match p {
        p if p < 1e-300 => "below 1e-300".into(),
        p if p < 1e-3 => format!("{p:.1e}"),
        p => format!("{p:.3}"),
    }
}
