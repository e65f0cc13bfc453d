//! LZO1X, the compression that nfdump uses most (Linux kernel documentation, "LZO stream format as understood by Linux's
//! LZO decompressor"). The crates that read it either check no bounds or come under another licence.

/// Appends what `stored` stands for to `plain`, at most `limit` bytes in all; `None` where it is damaged or longer.
pub(super) fn decompress(stored: &[u8], plain: &mut Vec<u8>, limit: usize) -> Option<()> {
    let mut input = Input { rest: stored };
    // How many literals the last instruction copied, 4 for more than three: the next one's meaning hangs on it.
    let mut literals = 0;
    let first = *stored.first()?;
    if first >= 18 {
        input.byte()?;
        let count = usize::from(first) - 17;
        input.copy(count, plain, limit)?;
        literals = count.min(4);
    }
    loop {
        let instruction = usize::from(input.byte()?);
        let (distance, length, after) = match instruction {
            0..16 if literals == 0 => {
                let count = 3 + input.length(instruction, 15)?;
                input.copy(count, plain, limit)?;
                literals = 4;
                continue;
            }
            0..16 => {
                let high = usize::from(input.byte()?) << 2;
                let low = instruction >> 2;
                if literals == 4 {
                    (high + low + 2049, 3, instruction & 3)
                } else {
                    (high + low + 1, 2, instruction & 3)
                }
            }
            16..32 => {
                let length = 2 + input.length(instruction & 7, 7)?;
                let word = input.half()?;
                let distance = 16_384 + ((instruction & 8) << 11) + (word >> 2);
                if distance == 16_384 {
                    return input.rest.is_empty().then_some(());
                }
                (distance, length, word & 3)
            }
            32..64 => {
                let length = 2 + input.length(instruction & 31, 31)?;
                let word = input.half()?;
                ((word >> 2) + 1, length, word & 3)
            }
            64..128 => {
                let high = usize::from(input.byte()?) << 3;
                (high + (instruction >> 2 & 7) + 1, 3 + (instruction >> 5 & 1), instruction & 3)
            }
            _ => {
                let high = usize::from(input.byte()?) << 3;
                (high + (instruction >> 2 & 7) + 1, 5 + (instruction >> 5 & 3), instruction & 3)
            }
        };
        repeat(plain, distance, length, limit)?;
        input.copy(after, plain, limit)?;
        literals = after;
    }
}

/// Appends `length` bytes that stand `distance` before the end; they may overlap themselves.
fn repeat(plain: &mut Vec<u8>, distance: usize, length: usize, limit: usize) -> Option<()> {
    let start = plain.len().checked_sub(distance)?;
    if plain.len() + length > limit {
        return None;
    }
    for at in start..start + length {
        let byte = *plain.get(at)?;
        plain.push(byte);
    }
    Some(())
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn half(&mut self) -> Option<usize> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_le_bytes(*bytes).into())
    }

    /// A length that stands in an instruction, or behind it where that is 0: each zero byte counts 255.
    fn length(&mut self, stated: usize, most: usize) -> Option<usize> {
        if stated > 0 {
            return Some(stated);
        }
        let mut length = most;
        loop {
            match self.byte()? {
                0 => length += 255,
                last => return Some(length + usize::from(last)),
            }
        }
    }

    fn copy(&mut self, count: usize, plain: &mut Vec<u8>, limit: usize) -> Option<()> {
        let bytes = self.rest.get(..count)?;
        if plain.len() + count > limit {
            return None;
        }
        plain.extend_from_slice(bytes);
        self.rest = &self.rest[count..];
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(stored: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::new();
        decompress(stored, &mut plain, 1000).map(|()| plain)
    }

    const END: [u8; 3] = [0x11, 0, 0];

    #[test]
    fn literals_alone_are_copied() {
        assert_eq!(plain(&[&[17 + 4][..], b"abcd", &END].concat()), Some(b"abcd".to_vec()));
    }

    #[test]
    fn a_repetition_may_overlap_itself() {
        // Four literals, then 30 + 2 bytes from one byte before: instruction 32 + 30, distance 1.
        let stored = [&[17 + 4][..], b"abcd", &[32 + 30, 0, 0], &END].concat();
        assert_eq!(plain(&stored), Some([&b"abcd"[..], &[b'd'; 32]].concat()));
    }

    #[test]
    fn a_repetition_from_before_the_start_is_damage() {
        assert_eq!(plain(&[&[17 + 4][..], b"abcd", &[32 + 30, 0xff, 0xff], &END].concat()), None);
    }

    #[test]
    fn what_grows_beyond_the_limit_is_damage() {
        let stored = [&[17 + 4][..], b"abcd", &[32, 0, 0, 0, 0, 1, 0, 0], &END].concat();
        assert_eq!(plain(&stored), None);
    }

    #[test]
    fn a_stream_cut_anywhere_is_damage() {
        let stored = [&[17 + 4][..], b"abcd", &[32 + 30, 0, 0], &END].concat();
        assert!((0..stored.len()).all(|length| plain(&stored[..length]).is_none()));
    }
}
