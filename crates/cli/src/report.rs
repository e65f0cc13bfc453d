//! `lapwing report`: the alerts that are kept as one page for people.

use std::path::PathBuf;

use alert::page::{self, Account};
use alert::{Alert, Severity};
use anyhow::Result;
use store::Filter;

use crate::kept::{self, When};
use crate::pages;
use crate::scan::{Least, time};
use crate::state::State;

/// Write a report of the alerts that are kept: one HTML page that needs nothing else.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing report --last 7d -o report.html
  lapwing report --since 2026-11-01 --until 2026-12-01 --least medium -o november.html")]
pub(crate) struct Arguments {
    #[command(flatten)]
    when: When,
    /// Leave out less urgent alerts.
    #[arg(long, value_name = "SEVERITY")]
    least: Option<Least>,
    /// The file of the page.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    state: State,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let reader = arguments.state.reader()?;
    let severity = arguments.least.map(Severity::from);
    let filter = Filter { severity, with_hidden: true, ..arguments.when.filter(&reader)? };
    let (shown, hidden): (Vec<_>, Vec<_>) =
        kept::all(&reader, &filter)?.into_iter().partition(|kept| kept.suppressed_by.is_none());
    let alerts: Vec<&Alert> = shown.iter().map(|kept| &kept.alert).collect();
    let mut read = vec![("Store".to_owned(), reader.folder().display().to_string())];
    read.extend(filter.since.map(|since| ("From".to_owned(), time(since))));
    read.extend(filter.until.map(|until| ("To".to_owned(), time(until))));
    if !hidden.is_empty() {
        read.push(("Alerts that suppressions hide".to_owned(), hidden.len().to_string()));
    }
    let account = Account { read, ..Account::default() };
    pages::write(Some(&arguments.output), || page::report("Network report", &alerts, &account))
}
