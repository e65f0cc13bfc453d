//! Flows and their features as lines of CSV. Much of the time that `lapwing flows` takes beside reading goes here, so
//! numbers, times and addresses are written without the formatting machinery.

use std::io::{self, Write};
use std::net::IpAddr;

use anyhow::Result;
use flow::{Flow, Table, Time, Values};

use super::IDENTITY;
use crate::columns::Columns;
use crate::output::Output;

/// Writes rows as text.
pub(super) struct Writer {
    columns: Columns,
    text: Vec<u8>,
    output: Output,
}

impl Writer {
    /// Writes the names of the columns.
    pub(super) fn begin(features: &[&str], columns: Columns, mut output: Output) -> Result<Writer> {
        let mut names: Vec<&str> = IDENTITY.into_iter().chain(columns.names()).collect();
        names.extend(features);
        writeln!(output, "{}", names.join(","))?;
        Ok(Writer { columns, text: Vec::new(), output })
    }

    pub(super) fn write(&mut self, flows: &[Flow], table: &Table) -> Result<()> {
        self.text.clear();
        write(&mut self.text, flows, table, &self.columns)?;
        Ok(self.output.write_all(&self.text)?)
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        Ok(self.output.flush()?)
    }

    pub(super) fn finish(self) -> Output {
        self.output
    }
}

/// Appends a row a flow. Only the columns that were asked for may need quotes: the others are times, addresses, numbers
/// and fixed names.
fn write(text: &mut Vec<u8>, flows: &[Flow], table: &Table, columns: &Columns) -> io::Result<()> {
    let (mut clock, mut cells) = (Clock::default(), Cells { room: [0; ROOM_BYTES], at: 0 });
    for (row, flow) in flows.iter().enumerate() {
        clock.write(text, flow.start)?;
        text.push(b',');
        clock.write(text, flow.end)?;
        text.push(b',');
        write_address(text, flow.key.originator.address)?;
        text.push(b',');
        write_address(text, flow.key.responder.address)?;
        text.push(b',');
        text.extend_from_slice(flow.ended.name().as_bytes());
        columns.write(text, flow);
        for column in table.columns() {
            match &column.values {
                Values::Numbers(numbers) => cells.number(text, numbers[row]),
                Values::Categories(category) => cells.name(text, category.name(row).unwrap_or_default()),
            }
        }
        cells.flush(text);
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
        let (digits, count) = digits(octet.into());
        text.extend_from_slice(&digits[..count]);
    }
    Ok(())
}

/// Cells of features on their way to the text, each behind a comma. They are written where there is room for the longest
/// number, so that none of the hundred cells of a row asks for more.
struct Cells {
    room: [u8; ROOM_BYTES],
    at: usize,
}

impl Cells {
    /// Writes the shortest decimal that reads as this number; nothing for NaN.
    #[inline]
    fn number(&mut self, text: &mut Vec<u8>, number: f32) {
        if self.at > ROOM_BYTES - NUMBER_BYTES {
            self.flush(text);
        }
        self.room[self.at] = b',';
        self.at += 1;
        let whole = number as u32;
        if whole as f32 == number && whole < 1 << f32::MANTISSA_DIGITS && number.is_sign_positive() {
            let (digits, count) = digits(whole);
            self.room[self.at..][..8].copy_from_slice(&digits);
            self.at += count;
        } else if !number.is_nan() {
            let mut buffer = zmij::Buffer::new();
            let decimal = buffer.format(number).as_bytes();
            let decimal = decimal.strip_suffix(b".0").unwrap_or(decimal);
            // Two copies of a fixed length take less than one of any length.
            if let (Some(first), Some(last)) = (decimal.first_chunk::<8>(), decimal.last_chunk::<8>()) {
                self.room[self.at..][..8].copy_from_slice(first);
                self.room[self.at + decimal.len() - 8..][..8].copy_from_slice(last);
            } else {
                self.room[self.at..][..decimal.len()].copy_from_slice(decimal);
            }
            self.at += decimal.len();
        }
    }

    fn name(&mut self, text: &mut Vec<u8>, name: &str) {
        self.flush(text);
        text.push(b',');
        text.extend_from_slice(name.as_bytes());
    }

    fn flush(&mut self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.room[..self.at]);
        self.at = 0;
    }
}

/// The digits of a whole number of at most eight, in ASCII from the first one on, and how many they are: all eight are
/// made at once, because that needs no loop.
#[inline]
fn digits(number: u32) -> ([u8; 8], usize) {
    if number < 10 {
        return (u64::from(number | 0x30).to_le_bytes(), 1);
    }
    // Each step splits the fields in two: four digits, two digits, one digit, the first one in the lowest byte.
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((twos - tens * 10) << 8);
    let leading = digits.trailing_zeros() / 8;
    (((digits | 0x3030_3030_3030_3030) >> (leading * 8)).to_le_bytes(), 8 - leading as usize)
}

const ROOM_BYTES: usize = 4096;
/// A comma, then a sign, nine digits, a point and an exponent such as `e-38` at most.
const NUMBER_BYTES: usize = 24;
const DAY: i64 = 86_400_000_000_000;
/// `2023-11-14T`: every time that can be expressed has a year of four digits.
const DAY_NAME_BYTES: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(numbers: impl IntoIterator<Item = f32>) -> String {
        let (mut cells, mut text) = (Cells { room: [0; ROOM_BYTES], at: 0 }, Vec::new());
        for number in numbers {
            cells.number(&mut text, number);
        }
        cells.flush(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_number_reads_as_it_was_and_none_is_longer_than_need_be() {
        let chosen = [0.0, -0.0, 1.0, 0.5, 0.1, 1e-7, 1.5e-5, 16_777_216.0, 1e10, -2.5, f32::MAX, f32::MIN_POSITIVE];
        let any = (0..100_000u32).map(|number| f32::from_bits(number.wrapping_mul(2_654_435_761)));
        let dyadic = (0..100_000u32).map(|number| (number * 167 % (1 << 24)) as f32 / f32::from(1u16 << (number % 16)));
        for number in chosen.into_iter().chain(any).chain(dyadic).filter(|number| number.is_finite()) {
            let cell = written([number]);
            let cell = cell.strip_prefix(',').unwrap();
            assert_eq!(cell.parse::<f32>().unwrap().to_bits(), number.to_bits(), "{cell}");
            let digits = |text: &str| {
                let (mantissa, _) = text.split_once('e').unwrap_or((text, ""));
                let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
                digits.trim_matches('0').len()
            };
            assert_eq!(digits(cell), digits(&number.to_string()), "{cell} for {number}");
        }
    }

    #[test]
    fn whole_numbers_are_written_digit_by_digit() {
        let numbers = (0..10_000).chain((0..100_000).map(|number| number * 997)).chain([99_999_999, 16_777_215]);
        for number in numbers.filter(|&number| number < 1 << f32::MANTISSA_DIGITS) {
            assert_eq!(written([number as f32]), format!(",{number}"));
        }
    }

    #[test]
    fn what_is_missing_is_an_empty_cell() {
        assert_eq!(written([1.0, f32::NAN, 2.0]), ",1,,2");
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
