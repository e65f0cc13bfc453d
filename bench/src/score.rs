//! A table judged through the program, read to write.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use source::format::rows::Rows;

use crate::Row;
use crate::program::Program;
use crate::speed::median;

/// CPU seconds and memory for a million rows of KDDTest+, over and over, with its 41 columns.
pub(crate) fn rows(program: &Program, shared: &Path, folder: &Path) -> Result<Vec<Row>> {
    let tables = ["KDDTrain+", "KDDTest+"].map(|name| shared.join(format!("data/nsl-kdd/{name}.txt.gz")));
    let [train, test] = &tables;
    if !tables.iter().all(|table| table.is_file()) {
        return Ok(vec![Row::new("score a table", "", format!("not measured: {} is missing", train.display()))]);
    }
    let (few, many) = (table(test, folder, MANY / 10)?, table(test, folder, MANY)?);
    let mut rows = Vec::new();
    for (method, least) in [("gradient-boosting", "1.2 CPU s, 100 MiB"), ("random-forest", "")] {
        let detector = folder.join(method).to_string_lossy().into_owned();
        let training = ["train", &train.to_string_lossy(), "-m", method, "--test-share", "0", "-o", &detector];
        ensure!(program.run(&training)?.output.status.success(), "{method} cannot be trained");
        for (how, arguments) in [("scores alone", &["--scores-only"][..]), ("all columns and scores", &[])] {
            let out = folder.join("scored.csv").to_string_lossy().into_owned();
            let judging = |table: &str| {
                [&["score", &detector, table, "-o", &out], arguments].concat().iter().map(ToString::to_string).collect()
            };
            let judging: [Vec<String>; 2] = [judging(&few), judging(&many)];
            let [judging_few, judging] =
                judging.each_ref().map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
            let mut seconds = Vec::new();
            for _ in 0..REPEATS {
                let run = program.run_on_threads(1, &judging)?;
                ensure!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
                seconds.push(run.cpu_seconds);
            }
            let peak =
                |arguments: &[&str]| Ok::<_, anyhow::Error>(program.feed(arguments, |_| Ok(()))?.peak_bytes >> 20);
            rows.push(Row::new(
                format!("score a CSV of {MANY} x 41 with {method}, {how} written, one thread"),
                least,
                format!(
                    "{:.2} CPU s (median of {REPEATS}), {} MiB; {} MiB with a tenth of the rows",
                    median(&mut seconds),
                    peak(&judging)?,
                    peak(&judging_few)?
                ),
            ));
        }
    }
    Ok(rows)
}

/// A CSV file of so many rows of another table, over and over, label and difficulty left out.
fn table(path: &Path, folder: &Path, count: usize) -> Result<String> {
    let mut rows = Rows::open(path, &[])?;
    let mut text = rows.columns()[..COLUMNS].join(",") + "\n";
    let mut lines = Vec::new();
    while let Some(cells) = rows.next_row()? {
        let cells: Vec<_> = cells.take(COLUMNS).map(String::from_utf8_lossy).collect();
        lines.push(cells.join(","));
    }
    ensure!(!lines.is_empty(), "{} holds no rows", path.display());
    lines.iter().cycle().take(count).try_for_each(|line| writeln!(text, "{line}"))?;
    let path = folder.join(format!("rows-{count}.csv"));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

const MANY: usize = 1_000_000;
const COLUMNS: usize = 41;
const REPEATS: usize = 3;
