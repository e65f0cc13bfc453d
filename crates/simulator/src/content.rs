//! What is said over connections, without holding it in memory.

use std::sync::LazyLock;

use crate::random::Random;

/// A message of any length, made piece by piece.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// These bytes, then so many that look encrypted or compressed.
    Message { head: Vec<u8>, noise: u64 },
    /// So many bytes of TLS application data, in records (RFC 8446 s.5).
    Records(u64),
}

impl Content {
    /// Bytes that look encrypted or compressed.
    pub(crate) fn noise(length: u64) -> Content {
        Content::Message { head: Vec::new(), noise: length }
    }

    /// The bytes on the wire in all.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Content::Message { head, noise } => head.len() as u64 + noise,
            Content::Records(length) => length + length.div_ceil(RECORD) * RECORD_HEADER,
        }
    }

    /// Up to `most` bytes from an offset on.
    pub(crate) fn bytes(&self, offset: u64, most: usize) -> Vec<u8> {
        let count = (self.len() - offset).min(most as u64) as usize;
        // A prime stride, so that neighbouring pieces do not repeat each other.
        let start = (offset * 31 % (NOISE.len() - most) as u64) as usize;
        let mut bytes = NOISE[start..start + count].to_vec();
        match self {
            Content::Message { head, .. } => {
                let head = head.get(offset as usize..).unwrap_or_default();
                let shown = head.len().min(count);
                bytes[..shown].copy_from_slice(&head[..shown]);
            }
            Content::Records(length) => {
                // Of the records that these bytes touch, the headers, of which the first and the last may be cut.
                let stride = RECORD + RECORD_HEADER;
                for record in offset / stride..(offset + count as u64).div_ceil(stride) {
                    let [high, low] = ((length - record * RECORD).min(RECORD) as u16).to_be_bytes();
                    for (place, value) in [0x17, 3, 3, high, low].into_iter().enumerate() {
                        let at = (record * stride + place as u64).checked_sub(offset);
                        if let Some(byte) = at.and_then(|at| bytes.get_mut(at as usize)) {
                            *byte = value;
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl From<Vec<u8>> for Content {
    fn from(head: Vec<u8>) -> Content {
        Content::Message { head, noise: 0 }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Content {
        Content::from(text.into_bytes())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Content {
        Content::from(text.as_bytes().to_vec())
    }
}

const RECORD: u64 = 16_384;
const RECORD_HEADER: u64 = 5;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| Random::new(0, "noise").bytes(1 << 17));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_length() {
        for content in [Content::Message { head: b"head".to_vec(), noise: 3 }, Content::Records(40_000)] {
            let pieces: u64 = (0..content.len()).step_by(7).map(|at| content.bytes(at, 7).len() as u64).sum();
            assert_eq!(pieces, content.len());
        }
    }

    #[test]
    fn the_head_is_said_before_the_noise() {
        let content = Content::Message { head: b"head".to_vec(), noise: 3 };
        assert_eq!(content.bytes(0, 3), b"hea");
        assert_eq!(content.bytes(3, 2)[0], b'd');
    }

    #[test]
    fn records_follow_each_other() {
        let content = Content::Records(20_000);
        assert_eq!(content.bytes(0, 5), [0x17, 3, 3, 0x40, 0]);
        assert_eq!(content.bytes(16_389, 5), [0x17, 3, 3, 0x0e, 0x20]);
        assert_eq!(content.len(), 20_010);
    }
}
