//! `lapwing flows`: the flows of captures and logs as a table, with every feature.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, bail};
use flow::features::Set;
use source::{Batch, Source};

use crate::columns::{Column, Columns};
use crate::input::{Live, Reader, Reading, hint};
use crate::rows::{Format, Rows};
use crate::{features, output, pipeline};

/// Write the flows of captures or flow logs as CSV or Parquet, one row a flow, with every feature.
///
/// A missing value is an empty cell, in Parquet a null. Rows come in the order in which the flows ended. The features are those of one of
/// four sets; `lapwing features` lists them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing flows capture.pcap -o flows.csv
  lapwing flows monday.pcap.gz tuesday.pcap.gz -o week.csv
  lapwing flows conn.log | head
  lapwing flows conn.log -o flows.parquet
  lapwing flows conn.log dns.log http.log ssl.log -o flows.csv   # joined by uid, in any order
  lapwing flows eve.json.gz --features kdd -o kdd.csv
  lapwing flows sessions.csv --config site.toml -o flows.csv      # its [mapping] names the columns
  lapwing flows capture.pcap --features cic-fixed -o flows.csv
  lapwing flows capture.pcap --columns history,vlan,server-name -o flows.csv
  lapwing flows -i eth0 --filter 'not port 22' --duration 15m -o quarter.csv
  lapwing flows --follow /var/spool/captures")]
pub(crate) struct Arguments {
    /// Captures (pcap, pcapng) or flow logs (Zeek, Suricata EVE, VPC Flow Logs, NetFlow and IPFIX, nfdump, Argus, tables
    /// of known columns), plain or compressed, or folders of them, - for stdin; read as one stream in the order of time.
    #[arg(required_unless_present_any = ["interface", "listen"])]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    live: Live,
    /// The file to write; stdout where it is not given.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// What to write; where it is not given, Parquet for an output whose name ends in `.parquet`, else CSV.
    #[arg(long)]
    format: Option<Format>,
    /// Columns to add before the features; empty cells where a flow has no such thing.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<Column>,
    /// The seed of the Community ID; other sites' differ where one is given.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    community_id_seed: u16,
    /// The set of features; that of 2017 also ends flows as the tool did then.
    #[arg(long, value_name = "SET", default_value = Set::Lapwing.name(), value_parser = features::set_parser())]
    features: Set,
    /// Threads that share the work; as many as the machine has cores where it is not given. The output is the same.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let set = arguments.features;
    let config = arguments.reading.config()?;
    let settings = arguments.reading.settings(&config, set)?;
    let reader = Reader::open_live(&arguments.inputs, &arguments.live, settings)?;
    let columns = Columns::new(&arguments.columns, arguments.community_id_seed);
    let output = output::create(arguments.output.as_deref(), &arguments.inputs)?;
    let format = arguments.format.unwrap_or_else(|| Format::of(arguments.output.as_deref()));
    let rows = Rows::begin(set, config.hosts_bytes(), columns, format, output)?;
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    let (reader, rows) = if reader.goes_on() { follow(reader, rows)? } else { pipeline::run(threads, reader, rows)? };
    let (left_out, goes_on) = (rows.left_out, reader.goes_on());
    let (output, count) = rows.finish()?;
    let report = reader.finish("input", verbose);
    eprintln!("{count} flows");
    if left_out > 0 {
        eprintln!("{left_out} flows left out, for which {} has no rows", set.name());
    }
    if count == 0 && !goes_on {
        bail!("no flow in the input{}", hint(&report, verbose));
    }
    output.finish()
}

/// Writes the flows of an input that goes on as soon as they end.
fn follow(mut reader: Reader, mut rows: Rows) -> Result<(Reader, Rows)> {
    let mut batch = Batch::default();
    let mut more = true;
    while more {
        more = reader.read(&mut batch)?;
        batch.flows = rows.write(std::mem::take(&mut batch.flows))?;
        batch.clear();
        if reader.is_current() {
            rows.flush()?;
        }
        reader.show_progress();
    }
    Ok((reader, rows))
}
