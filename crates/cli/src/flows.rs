//! `lapwing flows`: the flows of captures and logs as a table, with every feature.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Table, Time, Values, community_id};
use source::{Batch, Source};

use crate::input::Reader;
use crate::{features, output};

/// Write the flows of captures or flow logs as CSV, one row a flow, with every feature.
///
/// A missing value is an empty cell. Rows come in the order in which the flows ended. The features are those of one of
/// four sets; `lapwing features` lists them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing flows capture.pcap -o flows.csv
  lapwing flows monday.pcap.gz tuesday.pcap.gz -o week.csv
  lapwing flows conn.log | head
  lapwing flows capture.pcap --features cic-fixed -o flows.csv")]
pub(crate) struct Arguments {
    /// Captures (pcap, pcapng) or Zeek conn.log files, plain or compressed.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The CSV file to write; stdout where it is not given.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Add a column with each flow's Community ID, under which Zeek, Suricata and Wireshark know it too; other sites'
    /// differ where a seed is given. Empty for ARP.
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    community_id: Option<u16>,
    /// The set of features; that of 2017 also ends flows as the tool did then.
    #[arg(long, value_name = "SET", default_value = Set::Lapwing.name(), value_parser = features::set_parser())]
    features: Set,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let set = FeatureSet::of(arguments.features);
    let identity = IDENTITY.into_iter().chain(arguments.community_id.map(|_| "community_id"));
    let names: Vec<_> = identity.chain(set.features().iter().map(|feature| feature.name)).collect();
    let mut reader = Reader::open_with(&arguments.inputs, features::meter_settings(arguments.features))?;
    let mut writer = output::create(arguments.output.as_deref(), &arguments.inputs)?;
    writeln!(writer, "{}", names.join(","))?;
    let mut rows = Rows { set, seed: arguments.community_id, hosts: Hosts::default(), count: 0, left_out: 0 };
    let mut batch = Batch::default();
    let mut waiting = Waiting::new(arguments.features);
    let mut more = true;
    while more {
        more = reader.read(&mut batch)?;
        if batch.flows.len() >= FLOWS_A_BATCH || !more {
            rows.write(&mut writer, &waiting.pass(std::mem::take(&mut batch.flows), !more))?;
            batch.clear();
            reader.show_progress();
        }
    }
    reader.finish("input", verbose);
    eprintln!("{} flows", rows.count);
    if rows.left_out > 0 {
        eprintln!("{} flows left out, for which {} has no rows", rows.left_out, arguments.features.name());
    }
    if rows.count == 0 {
        bail!("no flow in the input");
    }
    writer.finish()
}

/// What is needed to make rows of flows.
struct Rows {
    set: FeatureSet,
    /// The seed of the Community ID, where there is a column for it.
    seed: Option<u16>,
    hosts: Hosts,
    count: u64,
    left_out: u64,
}

impl Rows {
    fn write(&mut self, writer: &mut impl Write, flows: &[Flow]) -> Result<()> {
        let is_in = |flow: &Flow| self.set.admits(flow);
        if flows.iter().all(is_in) {
            return self.write_all(writer, flows);
        }
        let kept: Vec<_> = flows.iter().filter(|flow| is_in(flow)).cloned().collect();
        self.left_out += (flows.len() - kept.len()) as u64;
        self.write_all(writer, &kept)
    }

    fn write_all(&mut self, writer: &mut impl Write, flows: &[Flow]) -> Result<()> {
        self.count += flows.len() as u64;
        for flows in flows.chunks(FLOWS_A_BATCH) {
            write_rows(writer, flows, &self.set.table(flows, &mut self.hosts), self.seed)?;
        }
        Ok(())
    }
}

/// Puts flows into the order of their ends where the set counts connections of the last 2 s: a meter gives a closed
/// conversation out long before one that fell silent at the same time.
struct Waiting {
    /// By end, and of equal ends in the order in which they came. `None` where the order does not matter.
    flows: Option<BinaryHeap<Reverse<Queued>>>,
    count: u64,
}

struct Queued {
    end: Time,
    number: u64,
    flow: Flow,
}

impl Waiting {
    fn new(set: Set) -> Waiting {
        Waiting { flows: (set == Set::Kdd).then(BinaryHeap::new), count: 0 }
    }

    /// Takes flows in and gives out those whose turn it is: at the end all, otherwise those beyond the most that wait.
    fn pass(&mut self, flows: Vec<Flow>, is_end: bool) -> Vec<Flow> {
        let Some(heap) = &mut self.flows else { return flows };
        for flow in flows {
            heap.push(Reverse(Queued { end: flow.end, number: self.count, flow }));
            self.count += 1;
        }
        let most = if is_end { 0 } else { MOST_WAITING };
        let due = heap.len().saturating_sub(most);
        (0..due).filter_map(|_| heap.pop()).map(|Reverse(queued)| queued.flow).collect()
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Queued) -> std::cmp::Ordering {
        (self.end, self.number).cmp(&(other.end, other.number))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}

/// Writes a row a flow, with the Community ID where there is a seed for it. No cell needs quotes: all are times,
/// addresses, numbers and fixed names.
fn write_rows(writer: &mut impl Write, flows: &[Flow], table: &Table, seed: Option<u16>) -> Result<()> {
    let mut line = Vec::new();
    for (row, flow) in flows.iter().enumerate() {
        line.clear();
        let [originator, responder] = [flow.key.originator.address, flow.key.responder.address];
        write!(line, "{},{},{originator},{responder},{}", flow.start, flow.end, flow.ended.name())?;
        if let Some(seed) = seed {
            write!(line, ",{}", community_id(&flow.key, seed).unwrap_or_default())?;
        }
        for column in table.columns() {
            line.push(b',');
            match &column.values {
                Values::Numbers(numbers) => write_number(&mut line, numbers[row])?,
                Values::Categories(category) => {
                    line.extend_from_slice(category.name(row).unwrap_or_default().as_bytes());
                }
            }
        }
        line.push(b'\n');
        writer.write_all(&line)?;
    }
    Ok(())
}

/// Writes the shortest decimal that reads as this number, byte for byte as `Display` does but in a third of its time;
/// nothing for NaN.
fn write_number(line: &mut Vec<u8>, number: f32) -> Result<()> {
    if number.is_nan() {
        return Ok(());
    }
    let whole = number as u32;
    if whole as f32 == number && whole < 1 << f32::MANTISSA_DIGITS && number.is_sign_positive() {
        line.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return Ok(());
    }
    let mut buffer = zmij::Buffer::new();
    let decimal = buffer.format(number);
    let decimals = decimal.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    // Where two shortest decimals are equally near, `Display` takes the larger one and the library the even one.
    let is_tie = (f64::from(number) * 10f64.powi(decimals as i32)).fract().abs() == 0.5;
    if number.is_infinite() || is_tie || decimal.contains('e') {
        write!(line, "{number}")?;
    } else {
        line.extend_from_slice(decimal.strip_suffix(".0").unwrap_or(decimal).as_bytes());
    }
    Ok(())
}

/// The columns before the features.
const IDENTITY: [&str; 5] = ["start", "end", "originator", "responder", "ended"];
/// The most flows that wait for their turn: of a flood two seconds and more, some 150 MiB.
const MOST_WAITING: usize = 1 << 17;
/// Flows whose features are computed at a time.
const FLOWS_A_BATCH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_display_writes_them() {
        let chosen = [
            0.0,
            -0.0,
            1.0,
            0.5,
            0.1,
            1e-7,
            1.5e-5,
            16_777_216.0,
            123_456_789.0,
            1e10,
            3e38,
            -2.5,
            1_107_117.0 / 8.0,
            f32::INFINITY,
        ];
        let any = (0..100_000u32).map(|number| f32::from_bits(number.wrapping_mul(2_654_435_761)));
        for number in chosen.into_iter().chain(any).filter(|number| !number.is_nan()) {
            let mut written = Vec::new();
            write_number(&mut written, number).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), number.to_string());
        }
    }
}
