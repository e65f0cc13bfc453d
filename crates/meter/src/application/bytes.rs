//! Checked reading of bytes that anybody may have sent, and text that is safe to print.

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `count` bytes; `None`, and nothing is read, where fewer are left.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    /// A number of 1, 2, 4 or 8 bytes, as its first two bits say (RFC 9000 s.16).
    pub(super) fn variable(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let rest = self.take((1 << (first >> 6)) - 1)?;
        Some(rest.iter().fold(u64::from(first & 0x3f), |number, &byte| number << 8 | u64::from(byte)))
    }

    /// As many of the next `count` bytes as there are, and whether these are all.
    pub(super) fn up_to(&mut self, count: usize) -> (&'a [u8], bool) {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        (taken, taken.len() == count)
    }
}

/// The bytes as text that is safe on a terminal and in a log: what is not printable ASCII stands as `\xhh`. Of at most
/// `longest` bytes; what is longer is cut.
pub(super) fn printable(bytes: &[u8], longest: usize) -> Box<str> {
    if bytes.len() <= longest && bytes.iter().all(|&byte| is_plain(byte)) {
        // What is all ASCII is UTF-8.
        return str::from_utf8(bytes).unwrap_or_default().into();
    }
    let mut text = String::with_capacity(longest.min(4 * bytes.len()));
    for &byte in bytes {
        let is_plain = is_plain(byte);
        if text.len() + if is_plain { 1 } else { 4 } > longest {
            break;
        }
        if is_plain {
            text.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            text.push_str("\\x");
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    text.into_boxed_str()
}

fn is_plain(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(&*printable(b"a b\x1b[2J\xff", 100), "a b\\x1b[2J\\xff");
        assert_eq!(&*printable(b"abcdef", 4), "abcd");
        assert_eq!(&*printable(b"abc\x00", 6), "abc");
    }

    #[test]
    fn numbers_of_every_length_are_read() {
        // RFC 9000 appendix A.1.
        let read = |bytes: &[u8]| Bytes(bytes).variable();
        assert_eq!(read(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]), Some(151_288_809_941_952_652));
        assert_eq!(read(&[0x9d, 0x7f, 0x3e, 0x7d]), Some(494_878_333));
        assert_eq!(read(&[0x7b, 0xbd]), Some(15_293));
        assert_eq!((read(&[0x25]), read(&[0x40]), read(&[])), (Some(37), None, None));
    }
}
