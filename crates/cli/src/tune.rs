//! `lapwing tune`: good settings, found by trying, and tested once on rows that the search never saw.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use model::evaluation::Figures;
use model::evaluation::tune::{Experiment, Nested, Objective, Strategy, best};
use model::page;
use sensor::search::{self, Budget, Search};
use serde_json::json;

use crate::settings::{Choosing, Estimator, Overruling, Refusing, Splitting, Tables, check_labels};
use crate::{figures, output, pages, saved};

/// Search for good settings of a method by cross-validation, within a number of trials or a time, and test the best once on
/// rows that the search never saw.
///
/// Every trial is a line in the file of experiments, with the hash of the data, settings, seed, figures and duration; a
/// search that was broken off goes on from that file. The figure of the best trial is optimistic, because it is the best
/// of many. With --cv the whole search is repeated inside every fold and what it chose is judged on the fold's own rows (nested
/// cross-validation), then once more on all rows for the detector: the figures then are those of searching, and stand beside
/// what the best trial promises.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing tune sessions.csv --trials 50 --experiments sessions.jsonl -o best.lapwing
  lapwing tune KDDTrain+.txt.gz -m random-forest --strategy halving --seconds 600 --objective recall-at-one-percent
  lapwing tune flows.csv --cv 5 --trials 20 -o best.lapwing       # nested cross-validation
  lapwing tune flows.csv -m voting --columns                      # parts, how they vote, which columns")]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    estimator: Estimator,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    splitting: Splitting,
    #[command(flatten)]
    refusing: Refusing,
    #[command(flatten)]
    overruling: Overruling,
    /// How many settings are tried, those in the file of experiments included.
    #[arg(long, default_value_t = 30)]
    trials: usize,
    /// Begin no further trial after so many seconds; each fold of --cv and the search on all rows get an equal part.
    #[arg(long)]
    seconds: Option<u64>,
    /// How the next settings are chosen: at random, where good ones are dense (tpe), or many on few rows and the best of
    /// them on all (halving).
    #[arg(long, value_enum, default_value_t = Choice::Tpe)]
    strategy: Choice,
    /// What is made as good as can be.
    #[arg(long, value_enum, default_value_t = Goal::PrAuc)]
    objective: Goal,
    /// The folds that each trial is tested on.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=100))]
    folds: u64,
    /// Search the encoder's settings too: logarithm, scaling, what becomes of names, rare names; not those of an ensemble's
    /// parts.
    #[arg(long)]
    encoder: bool,
    /// Search, too, which columns are learned from: all, or a share of them by mutual information or permutation.
    #[arg(long)]
    columns: bool,
    /// The file of experiments, one JSON object a line: read where it is there, and added to.
    #[arg(long, value_name = "FILE")]
    experiments: Option<PathBuf>,
    /// The detector file to write, with the best settings; nothing is saved where it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a page with pictures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Random,
    Tpe,
    Halving,
}

#[derive(Clone, Copy, ValueEnum)]
enum Goal {
    PrAuc,
    RocAuc,
    RecallAtOnePercent,
    RecallAtOnePerMille,
    F1,
    Mcc,
    Accuracy,
    Brier,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let mut settings = arguments.splitting.settings(arguments.estimator.method()?)?;
    settings.recipe = arguments.estimator.recipe()?;
    settings.selections = arguments.choosing.selections()?;
    settings.refusal = arguments.refusing.refusal(&settings)?;
    let loaded = arguments.tables.load(verbose)?;
    check_labels(&settings.method, &loaded)?;
    arguments.splitting.check(&loaded)?;
    let past = arguments.experiments.as_deref().map(read).transpose()?.unwrap_or_default();
    let started = Instant::now();
    let (mut history, mut tests, mut outer) = (Vec::new(), Vec::new(), Vec::new());
    let mut detector = None;
    let ground = search::ground(&loaded, &settings)?;
    let overruled = arguments.overruling.of(ground.findings.iter())?;
    for (place, part) in ground.parts.iter().enumerate() {
        let mut search = Search::new(&loaded, part.train(&ground), &settings, arguments.budget(), past.clone())?;
        arguments.search(&mut search, started, [place + 1, ground.parts.len()])?;
        let mut trained = search.finish()?;
        if let Some((name, test)) = part.test(&ground) {
            let (figures, test) = search.test(&mut trained, name, &test)?;
            tests.push((name.to_owned(), figures));
            outer.push(test);
        }
        history = search.history;
        detector = Some(trained);
    }
    let mut detector = detector.context("there is nothing to search on")?;
    let nested = settings.folds.map(|_| Nested::of(arguments.budget().objective, &history, outer));
    detector.provenance.label = loaded.label.clone();
    detector.provenance.left_out = loaded.left_out.clone();
    if nested.is_some() {
        detector.provenance.figures = tests.clone();
    }
    detector.provenance.findings = ground.findings;
    detector.supplement.overruled = overruled;
    let saved = arguments.output.as_deref().map(|path| Ok::<_, anyhow::Error>((path, saved::save(&detector, path)?)));
    let saved = saved.transpose()?;
    let title = format!("Search for settings of {} on {}", settings.method.name(), arguments.tables.words());
    let lead = lead(&history, &tests, nested.as_ref());
    pages::write(arguments.html.as_deref(), || page::search(&title, &lead, &history, nested.as_ref()))?;
    let mut out = output::create(None, &[])?;
    if arguments.json {
        let tests = tests.iter().map(|(name, figures)| {
            let mut value = json!(figures);
            value["test"] = json!(name);
            value
        });
        let value = json!({
            "trials": history.len(),
            "best": best(&history),
            "method": detector.provenance.method,
            "selections": detector.supplement.selected,
            "tests": tests.collect::<Vec<_>>(),
            "nested": nested,
            "findings": detector.provenance.findings,
            "calibrated": detector.supplement.calibrated,
            "refusals": figures::refusals(&detector.supplement.refusals),
        });
        serde_json::to_writer(&mut out, &value)?;
        writeln!(out)?;
    } else {
        figures::print_findings(&mut out, &detector.provenance.findings)?;
        writeln!(out, "{lead}\n")?;
        print(&mut out, &history)?;
        if let Some(best) = best(&history) {
            writeln!(out, "\nbest: {}", serde_json::to_string(&best.trial.settings)?)?;
        }
        match tests.as_slice() {
            [] => {}
            [(name, figures)] => {
                figures::print_line(&mut out, &format!("tested once, {name}"), figures)?;
            }
            several => figures::print_tests(&mut out, several)?,
        }
        if let Some(nested) = &nested {
            print_nested(&mut out, nested)?;
        }
        figures::print_supplement(&mut out, &detector.supplement)?;
        if let Some((path, bytes)) = saved {
            writeln!(out, "\nsaved {} ({bytes} bytes)", path.display())?;
            figures::print_forbidding(&mut out, &detector)?;
        }
    }
    out.flush()?;
    Ok(())
}

impl Arguments {
    fn budget(&self) -> Budget {
        Budget {
            strategy: match self.strategy {
                Choice::Random => Strategy::Random,
                Choice::Tpe => Strategy::Tpe,
                Choice::Halving => Strategy::Halving,
            },
            objective: match self.objective {
                Goal::PrAuc => Objective::PrAuc,
                Goal::RocAuc => Objective::RocAuc,
                Goal::RecallAtOnePercent => Objective::RecallAtOnePercent,
                Goal::RecallAtOnePerMille => Objective::RecallAtOnePerMille,
                Goal::F1 => Objective::F1,
                Goal::Mcc => Objective::Mcc,
                Goal::Accuracy => Objective::Accuracy,
                Goal::Brier => Objective::Brier,
            },
            trials: self.trials,
            folds: self.folds as usize,
            encoder: self.encoder,
            selection: self.columns,
        }
    }

    /// Tries until trials or time run out; every trial is written down before the next one begins. `turn` tells which of
    /// how many searches it is: each may begin trials until its equal part of the time is over.
    fn search(&self, search: &mut Search, started: Instant, turn: [usize; 2]) -> Result<()> {
        if search.space().is_empty() {
            bail!("this method has no setting to search");
        }
        if !search.history.is_empty() {
            eprintln!("{} trials of this search are known from before", search.history.len());
        }
        let mut file = self.experiments.as_deref().map(append).transpose()?;
        let status = output::status();
        let [number, searches] = turn;
        let due = number as f64 / searches as f64;
        let is_early = |most: u64| started.elapsed() < Duration::from_secs(most).mul_f64(due);
        let which = if searches > 1 { format!("search {number} of {searches}, ") } else { String::new() };
        while !search.is_over() && self.seconds.is_none_or(is_early) {
            let leading = best(&search.history).and_then(|best| best.value);
            let words = leading.map_or_else(String::new, |value| format!(", best so far {value:.6}"));
            status.set_message(format!("{which}trial {} of {}{words}", search.history.len() + 1, self.trials));
            let began = Instant::now();
            let experiment = search.step(|| began.elapsed().as_secs_f64())?;
            if let Some((file, path)) = &mut file {
                let mut line = serde_json::to_vec(experiment)?;
                line.push(b'\n');
                file.write_all(&line).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        status.finish_and_clear();
        Ok(())
    }
}

/// The experiments in a file; none where there is no file yet.
fn read(path: &Path) -> Result<Vec<Experiment>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut experiments = Vec::new();
    let mut lines = BufReader::new(file.take(MAX_BYTES));
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // A last line without its end was cut off when the search was broken off.
        if line.ends_with(b"\n") {
            let experiment = serde_json::from_slice(&line);
            let what = || format!("{}, line {number}: not an experiment; choose another file", path.display());
            experiments.push(experiment.with_context(what)?);
        }
    }
    Ok(experiments)
}

/// The file of experiments, to be added to; a last line that was cut off is taken away.
fn append(path: &Path) -> Result<(File, &Path)> {
    let context = || format!("cannot write {}", path.display());
    if path.exists() {
        let text = fs::read(path).with_context(context)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(whole as u64))
                .with_context(context)?;
        }
    }
    let file = OpenOptions::new().create(true).append(true).open(path).with_context(context)?;
    Ok((file, path))
}

fn lead(history: &[Experiment], tests: &[(String, Figures)], nested: Option<&Nested>) -> String {
    let failed = history.iter().filter(|of| of.failure.is_some()).count();
    let seconds: f64 = history.iter().map(|of| of.seconds).sum();
    let tested = match (nested, tests) {
        (Some(nested), _) => format!(
            "the best trial has {} {}, which is optimistic; in nested cross-validation of {} folds the search keeps {}",
            nested.objective.name(),
            figures::rate(nested.optimistic),
            nested.folds.len(),
            figures::rate(nested.honest)
        ),
        (None, [(name, figures)]) => {
            format!(
                "the best, tested once ({name}): ROC-AUC {}, PR-AUC {}, F1 {}",
                figures::rate(figures.roc_auc),
                figures::rate(figures.pr_auc),
                figures::rate(figures.f1)
            )
        }
        (None, []) => "nothing was set apart to test the best on, so its figure is optimistic".to_owned(),
        (None, several) => format!("the best of each search, tested {} times", several.len()),
    };
    format!("{} trials in {seconds:.0} s, {failed} failed; {tested}", history.len())
}

/// What the search promises in every fold and on all rows, beside what it keeps.
fn print_nested(out: &mut impl Write, nested: &Nested) -> Result<()> {
    let objective = nested.objective.name();
    let [promised, kept] = ["of the best trial", "on unseen rows"].map(|what| format!("{objective} {what}"));
    let mut table = output::table(&["", &promised, &kept, "settings"]);
    for fold in &nested.folds {
        let settings = serde_json::to_string(&fold.settings)?;
        table.add_row([fold.test.clone(), figures::rate(fold.optimistic), figures::rate(fold.honest), settings]);
    }
    let honest = match nested.deviation {
        Some(deviation) => format!("{} ± {deviation:.5}", figures::rate(nested.honest)),
        None => figures::rate(nested.honest),
    };
    table.add_row(["all rows".into(), figures::rate(nested.optimistic), honest, String::new()]);
    writeln!(out, "\nnested cross-validation: the best of many trials is the best by luck too\n{table}")?;
    Ok(())
}

fn print(out: &mut impl Write, history: &[Experiment]) -> Result<()> {
    let mut order: Vec<&Experiment> = history.iter().collect();
    let merit = |of: &Experiment| of.merit().unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|one, other| merit(other).total_cmp(&merit(one)));
    let objective = history.first().map_or("value", |of| of.objective.name());
    let mut table = output::table(&[objective, "deviation", "rows", "seconds", "settings"]);
    for of in order.iter().take(SHOWN) {
        let deviation = of.figures.iter().find(|figure| figure.0 == of.objective.name());
        table.add_row([
            figures::rate(of.value),
            figures::rate(deviation.map(|figure| figure.2)),
            format!("{:.0} %", 100.0 * of.trial.share),
            format!("{:.1}", of.seconds),
            serde_json::to_string(&of.trial.settings)?,
        ]);
    }
    writeln!(out, "{table}")?;
    if let Some(of) = history.iter().find(|of| of.failure.is_some()) {
        writeln!(out, "a trial failed: {}", of.failure.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

const SHOWN: usize = 10;
const MAX_BYTES: u64 = 1 << 30;
