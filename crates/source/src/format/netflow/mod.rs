//! Flow records of routers, switches and firewalls: NetFlow version 5 and 7, version 9 (RFC 3954) and IPFIX (RFC 7011).
//!
//! A [`Collector`] reads export messages and gives [`Record`]s; a [`NetFlow`] makes conversations of them. Counts of
//! sampled traffic are scaled by the rate that the record, its sampler, its interface or the exporter tells (RFC 5477),
//! so that they stand for all packets; a side of which only samples are known has no flags to tell a state by.
//!
//! It does not read NetFlow version 8 or sFlow, nor lists inside of records (RFC 6313).

mod collector;
pub mod element;
mod observation;
mod options;
mod record;
mod role;
mod sample;
mod sequence;
mod template;

use std::io::{BufRead, Read};
use std::net::IpAddr;

use flow::Time;

pub use collector::Collector;
pub use record::{Header, Record, Value};
pub use template::{Field, REVERSE, Template, VARIABLE};

use super::biflow::Biflows;
use super::{Decoder, Format};
use crate::Batch;

/// Files of export messages one after the other (IPFIX files of RFC 5655 too), and datagrams.
pub const FORMAT: Format = Format {
    name: "netflow",
    what: "NetFlow version 5, 7 or 9 or IPFIX, as messages one after the other",
    recognises,
    next_message,
    decoder: || Box::new(NetFlow::default()),
    sample: sample::messages,
};

/// Makes conversations of export messages.
#[derive(Default)]
pub struct NetFlow {
    collector: Collector,
    biflows: Biflows,
}

impl NetFlow {
    /// Reads a message of an exporter that was received at `received`, where that is known.
    fn message(&mut self, exporter: Option<IpAddr>, received: Option<Time>, message: &[u8], batch: &mut Batch) {
        let NetFlow { collector, biflows } = self;
        collector.read(exporter, message, batch, &mut |record, context, batch| {
            if record.is_options() {
                return batch.note("records that tell of the exporter", 1);
            }
            match observation::uniflow(record, context, batch) {
                Ok(uniflow) => biflows.observe(uniflow, received.unwrap_or(record.header.exported), batch),
                Err(reason) => batch.skip(reason),
            }
        });
    }
}

impl Decoder for NetFlow {
    fn begin(&mut self) {
        self.collector.part();
    }

    fn decode(&mut self, message: &[u8], batch: &mut Batch) {
        self.message(None, None, message, batch);
    }

    fn datagram(&mut self, sender: IpAddr, received: Time, message: &[u8], batch: &mut Batch) {
        self.message(Some(sender), Some(received), message, batch);
    }

    fn pass(&mut self, now: Time, batch: &mut Batch) {
        self.biflows.advance(now, batch);
    }

    fn finish(&mut self, batch: &mut Batch) {
        self.collector.finish(batch);
        self.biflows.finish(batch);
    }
}

/// Whether the bytes start with the header of a message and that of its first set.
fn recognises(start: &[u8]) -> bool {
    let half = |at: usize| start.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    // Those are the numbers of sets, of which at least their header is there.
    let is_set = |at: usize, templates: [u16; 2]| {
        half(at).is_some_and(|set| set >= 256 || templates.contains(&set))
            && half(at + 2).is_some_and(|length| length >= 4)
    };
    match half(0) {
        // Of records that nothing marks, at least the time must be one at which there was NetFlow.
        Some(5 | 7) => start.len() >= 24 && start.get(8..12).is_some_and(|seconds| seconds >= &YEAR_1996[..]),
        Some(9) => is_set(20, [0, 1]),
        Some(10) => half(2).is_some_and(|length| length >= 16) && is_set(16, [2, 3]),
        _ => false,
    }
}

/// Reads the next message of a file. Versions 5 and 7 and IPFIX tell their length; of version 9 the sets are followed up to
/// what is no set. Where that fails, the rest is given as one message, so that what is readable of it is read.
fn next_message(bytes: &mut dyn BufRead, message: &mut Vec<u8>, _: &mut Batch) -> Result<bool, String> {
    let first = bytes.fill_buf().map_err(|error| error.to_string())?.first().copied();
    if first.is_some_and(|first| first != 0) {
        // Every message starts with a zero byte: this one's was taken below.
        message.push(0);
    }
    if !take(bytes, message, 4)? {
        return Ok(!message.is_empty());
    }
    let half = |message: &[u8], at: usize| {
        message.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_be_bytes(*bytes))
    };
    let (version, second) = (half(message, 0), usize::from(half(message, 2)));
    if let Some(length) = collector::Fixed::of(version).and_then(|fixed| fixed.message_bytes(second)) {
        return take(bytes, message, length).map(|_| true);
    }
    match version {
        10 if second >= 16 => take(bytes, message, second)?,
        9 if take(bytes, message, 20)? => loop {
            let start = message.len();
            let set = match *bytes.fill_buf().map_err(|error| error.to_string())? {
                [] => break true,
                [first, second, ..] => u16::from_be_bytes([first, second]),
                // The buffer ends between the two bytes. Where another message follows, the zero byte does no harm at
                // the end of this one.
                [first] => {
                    take(bytes, message, start + 1)?;
                    let next = bytes.fill_buf().map_err(|error| error.to_string())?;
                    u16::from_be_bytes([first, next.first().copied().unwrap_or_default()])
                }
            };
            if matches!(set, 2..256) || start >= MAX_MESSAGE_BYTES {
                break true;
            }
            if !take(bytes, message, start + 4)? {
                break true;
            }
            let length = usize::from(half(message, start + 2));
            if length < 4 {
                // What fills the message up, or nonsense: the reader of messages tells.
                break take(bytes, message, MAX_MESSAGE_BYTES)?;
            }
            if !take(bytes, message, start + length)? {
                break true;
            }
        },
        _ => take(bytes, message, MAX_MESSAGE_BYTES)?,
    };
    Ok(true)
}

/// Reads on until the message has so many bytes; `false` where the file ends before.
fn take(bytes: &mut dyn BufRead, message: &mut Vec<u8>, count: usize) -> Result<bool, String> {
    let missing = count.saturating_sub(message.len()) as u64;
    bytes.take(missing).read_to_end(message).map_err(|error| error.to_string())?;
    Ok(message.len() >= count)
}

/// Messages that decode into the fullest flows that these formats can give.
pub fn sample() -> Vec<Vec<u8>> {
    sample::messages()
}

/// In seconds since 1970.
const YEAR_1996: [u8; 4] = 820_454_400u32.to_be_bytes();
/// The most that a datagram or an IPFIX message holds.
const MAX_MESSAGE_BYTES: usize = 65_535;
