//! Messages of the domain name system (RFC 1035), over UDP and TCP, of multicast DNS (RFC 6762) and of LLMNR (RFC 4795).

use flow::Dns;

use super::bytes::{Bytes, printable};

/// What a message tells; `None` where it is none. One that was cut tells what is there.
pub(super) fn facts(message: &[u8], is_cut: bool) -> Option<Dns> {
    let mut bytes = Bytes(message);
    bytes.u16()?;
    let flags = bytes.u16()?;
    let [questions, answers, authorities, additions] = [bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let (is_answer, operation, code) = (flags & 0x8000 != 0, flags >> 11 & 15, flags & 15);
    let records = u32::from(answers) + u32::from(authorities) + u32::from(additions);
    // A header of zeros, or counts beyond what fits into the message, is of another protocol. A question takes at least
    // 5 bytes, a record 11.
    let least = 12 + 5 * usize::from(questions) + 11 * records as usize;
    if operation > MAX_OPERATION
        || (!is_cut && least > message.len())
        || (u32::from(questions) + records == 0 && !is_answer)
    {
        return None;
    }
    let mut dns = Dns::default();
    for position in 0..questions.min(MAX_QUESTIONS) {
        let Some((name, kind)) = read_question(message, &mut bytes) else {
            if is_cut {
                break;
            }
            return None;
        };
        let name_bytes = name.bytes();
        if !is_answer {
            dns.ask_labels(&printable(name_bytes, MAX_TEXT_BYTES), name_bytes, name.labels, Some(kind));
        } else if position == 0 {
            dns.query = printable(name_bytes, MAX_TEXT_BYTES);
            dns.record_type = Some(kind);
        }
    }
    if is_answer {
        dns.failures = u32::from(code != 0);
        dns.no_such_name = u32::from(code == NO_SUCH_NAME);
    }
    Some(dns)
}

/// A name as sent, in lower case, with a dot between two labels.
struct Name {
    bytes: [u8; MAX_NAME_BYTES],
    length: usize,
    labels: usize,
}

impl Name {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Adds a label; `None` where the name gets too long.
    fn push(&mut self, label: &[u8]) -> Option<()> {
        let dot = usize::from(self.labels > 0);
        let space = self.bytes.get_mut(self.length..self.length + dot + label.len())?;
        if dot == 1 {
            space[0] = b'.';
        }
        for (space, byte) in space[dot..].iter_mut().zip(label) {
            *space = byte.to_ascii_lowercase();
        }
        self.length += dot + label.len();
        self.labels += 1;
        Some(())
    }
}

/// Reads a question (s.4.1.2): its name and record type.
fn read_question<'a>(message: &'a [u8], bytes: &mut Bytes<'a>) -> Option<(Name, u16)> {
    let name = read_name(message, bytes)?;
    let kind = bytes.u16()?;
    bytes.u16()?;
    Some((name, kind))
}

/// Reads a name (s.4.1.4). Pointers lead only backwards, each further than the one before, so that every name ends.
fn read_name<'a>(message: &'a [u8], bytes: &mut Bytes<'a>) -> Option<Name> {
    let mut name = Name { bytes: [0; MAX_NAME_BYTES], length: 0, labels: 0 };
    let mut from = *bytes;
    let mut limit = message.len() - from.0.len();
    let mut jumped = false;
    for _ in 0..MAX_STEPS {
        let length = from.u8()?;
        if !jumped {
            *bytes = from;
        }
        match length {
            0 => return Some(name),
            1..=63 => {
                let label = from.take(length.into())?;
                if !jumped {
                    *bytes = from;
                }
                name.push(label)?;
            }
            0xc0.. => {
                let target = usize::from(length & 0x3f) << 8 | usize::from(from.u8()?);
                if !jumped {
                    *bytes = from;
                    jumped = true;
                }
                if target >= limit {
                    return None;
                }
                limit = target;
                from = Bytes(message.get(target..)?);
            }
            // Label types that were never used (RFC 6891 s.5).
            64..=0xbf => return None,
        }
    }
    None
}

/// What a stream of messages over TCP tells (s.4.2.2: each with its length before it), and where the first message
/// starts that is not whole; `None` where it is no such stream.
pub(super) fn stream_facts(stream: &[u8], is_cut: bool) -> Option<(Option<Dns>, usize)> {
    let mut told: Option<Dns> = None;
    let mut bytes = Bytes(stream);
    loop {
        let start = stream.len() - bytes.0.len();
        let Some(length) = bytes.u16() else { return Some((told, start)) };
        if length < MIN_MESSAGE_BYTES {
            return None;
        }
        let (message, is_whole) = bytes.up_to(length.into());
        if !is_whole && !is_cut {
            return Some((told, start));
        }
        let Some(dns) = facts(message, !is_whole) else {
            // The rest of a capture that cut the packet may be too short to tell anything.
            return if is_whole { None } else { Some((told, stream.len())) };
        };
        match &mut told {
            Some(told) => told.append(dns),
            None => told = Some(dns),
        }
    }
}

/// Unicast questions come alone, neighbours ask for a dozen names at once. Of more, the first are counted.
const MAX_QUESTIONS: u16 = 64;
/// Labels and pointers of a name: the longest name has 127 labels of one character.
const MAX_STEPS: usize = 160;
/// DNS Stateful Operations (RFC 8490) are the last that was given out.
const MAX_OPERATION: u16 = 6;
const NO_SUCH_NAME: u16 = 3;
/// The header alone: some answers repeat no question.
const MIN_MESSAGE_BYTES: u16 = 12;
/// RFC 1035 s.2.3.4 counts the length bytes too.
const MAX_NAME_BYTES: usize = 254;
/// Names that carry data in odd bytes are longer when printed.
const MAX_TEXT_BYTES: usize = 1016;
