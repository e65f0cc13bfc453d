//! Flows with their features as rows of a table on its way out.

mod csv;
mod parquet;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Table};

use crate::columns::Columns;
use crate::output::Output;
use crate::waiting::Waiting;

/// What rows are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated text with a line of names
    Csv,
    /// Apache Parquet, by columns, for data frames and query engines
    Parquet,
}

/// Writes flows with their features as they come.
pub(crate) struct Rows {
    set: FeatureSet,
    hosts: Hosts,
    /// Of the flows written last; kept for its memory.
    table: Table,
    waiting: Waiting,
    writer: Writer,
    count: u64,
    /// Flows for which the set has no row.
    pub(crate) left_out: u64,
}

enum Writer {
    Csv(csv::Writer),
    Parquet(Box<parquet::Writer>),
}

impl Format {
    /// That of a file of this name.
    pub(crate) fn of(name: Option<&Path>) -> Format {
        let is_parquet = |ending: &std::ffi::OsStr| ending.eq_ignore_ascii_case("parquet");
        if name.and_then(Path::extension).is_some_and(is_parquet) { Format::Parquet } else { Format::Csv }
    }
}

impl Rows {
    /// Writes what comes before the first row.
    pub(crate) fn begin(
        set: Set,
        hosts_bytes: usize,
        columns: Columns,
        format: Format,
        output: Output,
    ) -> Result<Rows> {
        let (features, waiting) = (FeatureSet::of(set), Waiting::new(set));
        let names: Vec<&str> = features.features().iter().map(|feature| feature.name).collect();
        let writer = match format {
            Format::Csv => Writer::Csv(csv::Writer::begin(&names, columns, output)?),
            Format::Parquet => Writer::Parquet(Box::new(parquet::Writer::begin(&features, columns, output)?)),
        };
        let (hosts, table) = (Hosts::with_budget(hosts_bytes), Table::default());
        Ok(Rows { set: features, hosts, table, waiting, writer, count: 0, left_out: 0 })
    }

    /// Writes flows, those that must wait for others later. Gives back the memory in which they came.
    pub(crate) fn write(&mut self, flows: Vec<Flow>) -> Result<Vec<Flow>> {
        let mut flows = self.waiting.pass(flows, false);
        self.write_all(&mut flows)?;
        flows.clear();
        Ok(flows)
    }

    /// Lets go of what was written so far, as far as the format allows.
    pub(crate) fn flush(&mut self) -> Result<()> {
        match &mut self.writer {
            Writer::Csv(writer) => writer.flush(),
            // Its rows come in groups, and nobody can read them before the end.
            Writer::Parquet(_) => Ok(()),
        }
    }

    /// Writes what still waits; the output, and the rows in it.
    pub(crate) fn finish(mut self) -> Result<(Output, u64)> {
        let mut flows = self.waiting.pass(Vec::new(), true);
        self.write_all(&mut flows)?;
        let output = match self.writer {
            Writer::Csv(writer) => writer.finish(),
            Writer::Parquet(writer) => writer.finish()?,
        };
        Ok((output, self.count))
    }

    fn write_all(&mut self, flows: &mut Vec<Flow>) -> Result<()> {
        let all = flows.len();
        flows.retain(|flow| self.set.admits(flow));
        self.left_out += (all - flows.len()) as u64;
        self.count += flows.len() as u64;
        for flows in flows.chunks(FLOWS_A_TABLE) {
            self.set.refill(&mut self.table, flows, &mut self.hosts);
            match &mut self.writer {
                Writer::Csv(writer) => writer.write(flows, &self.table)?,
                Writer::Parquet(writer) => writer.write(flows, &self.table)?,
            }
        }
        Ok(())
    }
}

/// The columns before the features.
const IDENTITY: [&str; 5] = ["start", "end", "originator", "responder", "ended"];
/// Flows whose features are computed at a time: few, because each feature goes over all of them, and they shall stay in
/// the first-level cache.
const FLOWS_A_TABLE: usize = 64;
