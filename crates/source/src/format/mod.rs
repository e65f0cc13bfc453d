//! What the bytes mean.
//!
//! A log of flows is a [`Format`]: how it is recognised, how it is cut into messages, and the [`Decoder`] that turns each
//! message into flows. Captures are read by [`packet`] and become flows in a meter; tables are read by [`csv`].

mod biflow;
pub mod csv;
pub(crate) mod datagram;
pub mod eve;
mod json;
mod literal;
pub mod netflow;
pub mod nfdump;
pub mod packet;
pub mod pcapng;
mod recent;
mod uniflow;
mod waiting;
pub mod zeek;

use std::io::{self, BufRead};
use std::net::IpAddr;

use flow::Time;

use crate::Batch;

/// Turns messages (lines, datagrams, blocks) into flows. One decoder serves all the input of its format, because a later
/// file may need what an earlier one told.
pub trait Decoder: Send {
    /// Another file begins.
    fn begin(&mut self) {}

    /// Appends the flows and notices of one message to `batch`; what cannot be read is counted there by its reason.
    fn decode(&mut self, message: &[u8], batch: &mut Batch);

    /// As [`Decoder::decode`], for a message that came as a datagram: who sent it, and when it was received.
    fn datagram(&mut self, sender: IpAddr, received: Time, message: &[u8], batch: &mut Batch) {
        let _ = (sender, received);
        self.decode(message, batch);
    }

    /// Time went on to `now` and nothing came.
    fn pass(&mut self, now: Time, batch: &mut Batch) {
        let _ = (now, batch);
    }

    /// When the first thing happened that it keeps for flows still to come; `None` where it keeps nothing.
    fn first_waiting(&self) -> Option<Time> {
        None
    }

    /// Gives out what still waits when the input is over.
    fn finish(&mut self, batch: &mut Batch) {
        let _ = batch;
    }
}

/// A log of flows that can be read.
#[derive(Clone, Copy)]
pub struct Format {
    /// What people call it: `zeek`.
    pub name: &'static str,
    /// What can be read, in one sentence for the help.
    pub what: &'static str,
    /// Whether a file that starts with these bytes (as many as fit into a buffer) is one.
    pub recognises: fn(&[u8]) -> bool,
    /// Reads the next message of a file into an empty buffer; `false` at its end. An error where the rest is damaged.
    pub next_message: NextMessage,
    /// A decoder that has read nothing.
    pub decoder: fn() -> Box<dyn Decoder>,
    /// A made-up record that fills every column the format has, as the messages that a decoder needs for it, in order:
    /// its first flow is the fullest that the format can give, and shows which features it has.
    pub sample: fn() -> Vec<Vec<u8>>,
}

/// Reads the next message into an empty buffer.
pub type NextMessage = fn(&mut dyn BufRead, &mut Vec<u8>, &mut Batch) -> Result<bool, String>;

/// Every log of flows that can be read, in the order in which they are tried.
pub const FORMATS: &[Format] =
    &[zeek::FORMAT, eve::FORMAT, netflow::FORMAT, nfdump::FORMAT, nfdump::csv::FORMAT];

/// The next line, without its end. A longer one than any real log has is passed over and counted.
pub(crate) fn next_line(bytes: &mut dyn BufRead, line: &mut Vec<u8>, batch: &mut Batch) -> Result<bool, String> {
    loop {
        let buffer = bytes.fill_buf().map_err(|error| error.to_string())?;
        let (part, end) = match memchr::memchr(b'\n', buffer) {
            Some(end) => (&buffer[..end], true),
            None => (buffer, false),
        };
        let used = part.len() + usize::from(end);
        if line.len() + part.len() > MAX_LINE_BYTES {
            skip_line(bytes).map_err(|error| error.to_string())?;
            batch.skip("line longer than 1 MiB");
            line.clear();
            continue;
        }
        let is_over = used == 0;
        line.extend_from_slice(part);
        bytes.consume(used);
        if end || is_over {
            let is_line = end || !line.is_empty();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(is_line);
        }
    }
}

/// Passes over the rest of a line.
fn skip_line(bytes: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = bytes.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = memchr::memchr(b'\n', buffer);
        let used = end.map_or(buffer.len(), |end| end + 1);
        bytes.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

const MAX_LINE_BYTES: usize = 1 << 20;
