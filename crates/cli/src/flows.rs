//! `lapwing flows`: the flows of captures and logs as a table, with every feature.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use flow::features::FeatureSet;
use flow::features::host::Hosts;
use flow::{Flow, Table, Values};
use source::{Batch, Source};

use crate::input::{Live, Reader};
use crate::output;

/// Write the flows of captures or flow logs as CSV, one row a flow, with every feature.
///
/// A missing value is an empty cell. Rows come in the order in which the flows ended.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing flows capture.pcap -o flows.csv
  lapwing flows monday.pcap.gz tuesday.pcap.gz -o week.csv
  lapwing flows conn.log | head
  lapwing flows -i eth0 --filter 'not port 22' --duration 15m -o quarter.csv
  lapwing flows --follow /var/spool/captures")]
pub(crate) struct Arguments {
    /// Captures (pcap, pcapng) or Zeek conn.log files, plain or compressed, or folders of them.
    #[arg(required_unless_present = "interface")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    live: Live,
    /// The CSV file to write; stdout where it is not given.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let set = FeatureSet::lapwing();
    let names: Vec<_> = IDENTITY.into_iter().chain(set.features().iter().map(|feature| feature.name)).collect();
    let mut reader = Reader::open_live(&arguments.inputs, &arguments.live)?;
    let mut writer = output::create(arguments.output.as_deref(), &arguments.inputs)?;
    writeln!(writer, "{}", names.join(","))?;
    let mut hosts = Hosts::default();
    let mut batch = Batch::default();
    let mut count = 0;
    let mut more = true;
    while more {
        more = reader.read(&mut batch)?;
        let is_current = reader.is_current();
        if batch.flows.len() >= FLOWS_A_BATCH || !more || is_current {
            write_rows(&mut writer, &batch.flows, &set.table(&batch.flows, &mut hosts))?;
            count += batch.flows.len();
            batch.clear();
            if is_current {
                writer.flush()?;
            }
            reader.show_progress();
        }
    }
    reader.finish("input", verbose);
    eprintln!("{count} flows");
    if count == 0 && !reader.goes_on() {
        bail!("no flow in the input");
    }
    writer.finish()
}

/// Writes a row a flow. No cell needs quotes: all are times, addresses, numbers and fixed names.
fn write_rows(writer: &mut impl Write, flows: &[Flow], table: &Table) -> Result<()> {
    let mut line = Vec::new();
    for (row, flow) in flows.iter().enumerate() {
        line.clear();
        let [originator, responder] = [flow.key.originator.address, flow.key.responder.address];
        write!(line, "{},{},{originator},{responder},{}", flow.start, flow.end, flow.ended.name())?;
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
