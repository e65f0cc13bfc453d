//! `lapwing flows`: the flows of captures and logs as a table, with every feature.

use std::path::PathBuf;

use anyhow::{Result, bail};
use flow::features::FeatureSet;
use flow::features::host::Hosts;
use flow::{Flow, Table, Values};
use source::Source;

use crate::input::Reader;
use crate::output;

/// Write the flows of captures or flow logs as CSV, one row a flow, with every feature.
///
/// A missing value is an empty cell. Rows come in the order in which the flows ended.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing flows capture.pcap -o flows.csv
  lapwing flows monday.pcap.gz tuesday.pcap.gz -o week.csv
  lapwing flows conn.log | head")]
pub(crate) struct Arguments {
    /// Captures (pcap, pcapng) or Zeek conn.log files, plain or compressed.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The CSV file to write; stdout where it is not given.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let set = FeatureSet::lapwing();
    let mut writer = csv::Writer::from_writer(output::create(arguments.output.as_deref())?);
    writer.write_record(IDENTITY.iter().copied().chain(set.features().iter().map(|feature| feature.name)))?;
    let mut reader = Reader::open(&arguments.inputs)?;
    let mut hosts = Hosts::default();
    let mut flows = Vec::new();
    let mut count = 0;
    let mut more = true;
    while more {
        more = reader.read(&mut flows)?;
        if flows.len() >= FLOWS_A_BATCH || !more {
            write_rows(&mut writer, &flows, &set.table(&flows, &mut hosts))?;
            count += flows.len();
            flows.clear();
            reader.show_progress();
        }
    }
    writer.flush()?;
    reader.finish("input", verbose);
    eprintln!("{count} flows");
    if count == 0 {
        bail!("no flow in the input");
    }
    Ok(())
}

fn write_rows(writer: &mut csv::Writer<Box<dyn std::io::Write>>, flows: &[Flow], table: &Table) -> Result<()> {
    let mut cell = String::new();
    for (row, flow) in flows.iter().enumerate() {
        writer.write_field(flow.start.to_string())?;
        writer.write_field(flow.end.to_string())?;
        writer.write_field(flow.key.originator.address.to_string())?;
        writer.write_field(flow.key.responder.address.to_string())?;
        writer.write_field(flow.ended.name())?;
        for column in table.columns() {
            cell.clear();
            match &column.values {
                Values::Numbers(numbers) if numbers[row].is_nan() => {}
                Values::Numbers(numbers) => {
                    use std::fmt::Write;
                    write!(cell, "{}", numbers[row])?;
                }
                Values::Categories(category) => cell.push_str(category.name(row).unwrap_or_default()),
            }
            writer.write_field(&cell)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// The columns before the features.
const IDENTITY: [&str; 5] = ["start", "end", "originator", "responder", "ended"];
/// Flows whose features are computed at a time.
const FLOWS_A_BATCH: usize = 4096;
