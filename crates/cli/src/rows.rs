//! Flows and their features as lines of CSV. Most of the time that `lapwing flows` takes beside reading goes here, so
//! numbers, times and addresses are written without the formatting machinery.

use std::io::{self, Write};
use std::net::IpAddr;

use anyhow::Result;
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Table, Time, Values, community_id};

use crate::output::Output;
use crate::waiting::Waiting;

/// Writes flows with their features as they come.
pub(crate) struct Rows {
    set: FeatureSet,
    hosts: Hosts,
    waiting: Waiting,
    /// The seed of the Community ID, where there is a column for it.
    seed: Option<u16>,
    text: Vec<u8>,
    output: Output,
    count: u64,
    /// Flows for which the set has no row.
    pub(crate) left_out: u64,
}

impl Rows {
    /// Writes the names of the columns.
    pub(crate) fn begin(set: Set, hosts_bytes: usize, seed: Option<u16>, mut output: Output) -> Result<Rows> {
        let (features, waiting) = (FeatureSet::of(set), Waiting::new(set));
        let identity = IDENTITY.into_iter().chain(seed.map(|_| "community_id"));
        let names: Vec<_> = identity.chain(features.features().iter().map(|feature| feature.name)).collect();
        writeln!(output, "{}", names.join(","))?;
        let (hosts, text) = (Hosts::with_budget(hosts_bytes), Vec::new());
        Ok(Rows { set: features, hosts, waiting, seed, text, output, count: 0, left_out: 0 })
    }

    /// Writes flows, those that must wait for others later.
    pub(crate) fn write(&mut self, flows: Vec<Flow>) -> Result<()> {
        let flows = self.waiting.pass(flows, false);
        self.write_all(flows)
    }

    /// Lets go of what was written so far.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.output.flush()?)
    }

    /// Writes what still waits; the output, and the rows in it.
    pub(crate) fn finish(mut self) -> Result<(Output, u64)> {
        let flows = self.waiting.pass(Vec::new(), true);
        self.write_all(flows)?;
        Ok((self.output, self.count))
    }

    fn write_all(&mut self, mut flows: Vec<Flow>) -> Result<()> {
        let all = flows.len();
        flows.retain(|flow| self.set.admits(flow));
        self.left_out += (all - flows.len()) as u64;
        self.count += flows.len() as u64;
        for flows in flows.chunks(FLOWS_A_TABLE) {
            self.text.clear();
            write(&mut self.text, flows, &self.set.table(flows, &mut self.hosts), self.seed)?;
            self.output.write_all(&self.text)?;
        }
        Ok(())
    }
}

/// Appends a row a flow. No cell needs quotes: all are times, addresses, numbers and fixed names.
fn write(text: &mut Vec<u8>, flows: &[Flow], table: &Table, seed: Option<u16>) -> io::Result<()> {
    let mut clock = Clock::default();
    for (row, flow) in flows.iter().enumerate() {
        // Room for a row, so that most cells need not ask for more.
        text.reserve(1024);
        clock.write(text, flow.start)?;
        text.push(b',');
        clock.write(text, flow.end)?;
        text.push(b',');
        write_address(text, flow.key.originator.address)?;
        text.push(b',');
        write_address(text, flow.key.responder.address)?;
        text.push(b',');
        text.extend_from_slice(flow.ended.name().as_bytes());
        if let Some(seed) = seed {
            write!(text, ",{}", community_id(&flow.key, seed).unwrap_or_default())?;
        }
        for column in table.columns() {
            text.push(b',');
            match &column.values {
                Values::Numbers(numbers) => write_number(text, numbers[row])?,
                Values::Categories(category) => {
                    text.extend_from_slice(category.name(row).unwrap_or_default().as_bytes());
                }
            }
        }
        text.push(b'\n');
    }
    Ok(())
}

/// Writes times, and remembers the day of the last one, whose name takes most of the work.
#[derive(Default)]
struct Clock {
    day: Option<i64>,
    name: Vec<u8>,
}

impl Clock {
    /// Writes the time byte for byte as `Display` does: `2023-11-14T22:13:20.000000000Z`.
    fn write(&mut self, text: &mut Vec<u8>, time: Time) -> io::Result<()> {
        let day = time.nanoseconds().div_euclid(DAY);
        if self.day != Some(day) {
            self.name.clear();
            write!(self.name, "{time}")?;
            self.name.truncate(DAY_NAME_BYTES);
            self.day = Some(day);
        }
        let rest = time.nanoseconds().rem_euclid(DAY) as u64;
        let (seconds, mut nanoseconds) = (rest / 1_000_000_000, rest % 1_000_000_000);
        let mut clock = *b"00:00:00.000000000Z";
        for (at, value) in [(0, seconds / 3600), (3, seconds / 60 % 60), (6, seconds % 60)] {
            clock[at] += (value / 10) as u8;
            clock[at + 1] += (value % 10) as u8;
        }
        for digit in clock[9..18].iter_mut().rev() {
            *digit += (nanoseconds % 10) as u8;
            nanoseconds /= 10;
        }
        text.extend_from_slice(&self.name);
        text.extend_from_slice(&clock);
        Ok(())
    }
}

fn write_address(text: &mut Vec<u8>, address: IpAddr) -> io::Result<()> {
    let IpAddr::V4(address) = address else { return write!(text, "{address}") };
    for (position, octet) in address.octets().into_iter().enumerate() {
        if position > 0 {
            text.push(b'.');
        }
        write_whole(text, octet.into());
    }
    Ok(())
}

/// Writes the shortest decimal that reads as this number, byte for byte as `Display` does but in a third of its time;
/// nothing for NaN.
#[inline]
fn write_number(text: &mut Vec<u8>, number: f32) -> io::Result<()> {
    if number.is_nan() {
        return Ok(());
    }
    let whole = number as u32;
    if whole as f32 == number && whole < 1 << f32::MANTISSA_DIGITS && number.is_sign_positive() {
        write_whole(text, whole);
        return Ok(());
    }
    let mut buffer = zmij::Buffer::new();
    let decimal = buffer.format(number).as_bytes();
    let point = decimal.iter().position(|&byte| byte == b'.').unwrap_or(decimal.len());
    let decimals = decimal.len().saturating_sub(point + 1);
    // Where two shortest decimals are equally near, `Display` takes the larger one and the library the even one. The
    // number lies between two decimals only if its own has one digit more.
    if number.is_infinite() || decimals + 1 == fraction_bits(number) || decimal.contains(&b'e') {
        return write!(text, "{number}");
    }
    text.extend_from_slice(decimal.strip_suffix(b".0").unwrap_or(decimal));
    Ok(())
}

/// Writes a whole number of at most eight digits: all eight at once, and cuts off what is too much, because copies of a
/// fixed length need no loop.
#[inline]
fn write_whole(text: &mut Vec<u8>, number: u32) {
    if number < 10 {
        text.push(b'0' + number as u8);
        return;
    }
    // Each step splits the fields in two: four digits, two digits, one digit, the first one in the lowest byte.
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((twos - tens * 10) << 8);
    let leading = digits.trailing_zeros() / 8;
    let ascii = (digits | 0x3030_3030_3030_3030) >> (leading * 8);
    text.extend_from_slice(&ascii.to_le_bytes());
    text.truncate(text.len() - leading as usize);
}

/// How many binary digits stand behind the point, which is also how many decimal ones do.
fn fraction_bits(number: f32) -> usize {
    let bits = number.to_bits();
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let mantissa = bits & 0x7f_ffff | 1 << 23;
    (23 - exponent - mantissa.trailing_zeros() as i32).max(0) as usize
}

/// The columns before the features.
const IDENTITY: [&str; 5] = ["start", "end", "originator", "responder", "ended"];
/// Flows whose features are computed at a time: they fit into the second-level cache.
const FLOWS_A_TABLE: usize = 512;
const DAY: i64 = 86_400_000_000_000;
/// `2023-11-14T`: every time that can be expressed has a year of four digits.
const DAY_NAME_BYTES: usize = 11;

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
        let dyadic = (0..100_000u32).map(|number| (number * 167 % (1 << 24)) as f32 / f32::from(1u16 << (number % 16)));
        for number in chosen.into_iter().chain(any).chain(dyadic).filter(|number| !number.is_nan()) {
            let mut written = Vec::new();
            write_number(&mut written, number).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), number.to_string());
        }
    }

    #[test]
    fn whole_numbers_are_written_digit_by_digit() {
        for number in (0..10_000).chain((0..100_000).map(|number| number * 997)).chain([99_999_999, 16_777_215]) {
            let mut written = Vec::new();
            write_whole(&mut written, number);
            assert_eq!(String::from_utf8(written).unwrap(), number.to_string());
        }
    }

    #[test]
    fn times_and_addresses_are_written_as_display_writes_them() {
        let mut clock = Clock::default();
        for nanoseconds in [0, 1_700_000_000_123_456_789, -1, i64::MIN, i64::MAX, 1_700_000_000_000_000_000] {
            let (time, mut written) = (Time::from_nanoseconds(nanoseconds), Vec::new());
            clock.write(&mut written, time).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), time.to_string());
        }
        for address in ["0.0.0.0", "255.10.0.1", "2001:db8::1"] {
            let mut written = Vec::new();
            write_address(&mut written, address.parse().unwrap()).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), address);
        }
    }
}
