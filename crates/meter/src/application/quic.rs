//! The Initial packets of QUIC: versions 1 (RFC 9000, 9001) and 2 (RFC 9369), and the last drafts of version 1.
//!
//! They are encrypted with keys that follow from a field in their own header, against chance and not against readers.
//! The authentication tag is not checked, for the same reason: whoever can send such a packet can compute it. What
//! decrypts to a row of well-formed frames was meant to be read so, also where the capture cut its end off.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;

use super::bytes::Bytes;

/// A part of the handshake's byte stream: where it belongs, and its bytes.
pub(super) type Piece = (u64, Vec<u8>);

/// The parts of the client's handshake in a datagram; empty where it has none that can be read. `None` where the
/// datagram is not of QUIC.
pub(super) fn read(datagram: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = datagram;
    for number in 0..MAX_PACKETS {
        let Some(packet) = Packet::read(rest) else {
            // Behind the first packet, another one or padding.
            return (number > 0).then_some(pieces);
        };
        if let Some(Initial { plain, after }) = packet.initial {
            if let Some(frames) = plain.as_deref().and_then(crypto_frames) {
                pieces.extend(frames);
            }
            rest = after;
        } else {
            rest = &[];
        }
        if rest.is_empty() {
            break;
        }
    }
    Some(pieces)
}

/// A packet with a long header of a version that is known.
struct Packet<'a> {
    initial: Option<Initial<'a>>,
}

struct Initial<'a> {
    /// Its frames; `None` where it is not of the client's first flight.
    plain: Option<Vec<u8>>,
    /// What follows it in the datagram.
    after: &'a [u8],
}

/// What differs between versions.
struct Version {
    salt: &'static [u8; 20],
    /// The two bits of the first byte that say Initial.
    initial: u8,
    labels: [&'static [u8]; 3],
}

impl Version {
    fn of(number: u32) -> Option<Version> {
        match number {
            1 | 0xff00_0021 | 0xff00_0022 => Some(Version { salt: &SALT_1, initial: 0, labels: LABELS_1 }),
            0xff00_001d..=0xff00_0020 => Some(Version { salt: &SALT_DRAFT_29, initial: 0, labels: LABELS_1 }),
            0x6b33_43cf => Some(Version { salt: &SALT_2, initial: 1, labels: LABELS_2 }),
            _ => None,
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads the long header (RFC 9000 s.17.2) and removes the protection of an Initial.
    fn read(packet: &'a [u8]) -> Option<Packet<'a>> {
        let mut bytes = Bytes(packet);
        let first = bytes.u8().filter(|first| first & 0xc0 == 0xc0)?;
        let version = Version::of(bytes.u32()?)?;
        let length = bytes.u8().filter(|&length| length <= MAX_ID_BYTES)?;
        let destination = bytes.take(length.into())?;
        let length = bytes.u8().filter(|&length| length <= MAX_ID_BYTES)?;
        bytes.take(length.into())?;
        if first >> 4 & 3 != version.initial {
            return Some(Packet { initial: None });
        }
        let initial = (|| {
            let token = usize::try_from(bytes.variable()?).ok()?;
            bytes.take(token)?;
            let length = usize::try_from(bytes.variable()?).ok()?;
            let (body, is_whole) = bytes.up_to(length);
            // The tag is the last 16 bytes; where the capture cut the packet, it is gone.
            let sealed = length.checked_sub(TAG_BYTES)?;
            let plain = Keys::of(&version, destination)?.open(first, &body[..body.len().min(sealed)], body);
            Some(Initial { plain, after: if is_whole { bytes.0 } else { &[] } })
        })();
        Some(Packet { initial })
    }
}

/// The client's keys of the first flight (RFC 9001 s.5.2).
struct Keys {
    key: Aes128,
    header: Aes128,
    nonce: [u8; 12],
}

impl Keys {
    fn of(version: &Version, destination: &[u8]) -> Option<Keys> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(version.salt), destination);
        let mut secret = [0; 32];
        expand(&initial, b"client in", &mut secret)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let (mut key, mut nonce, mut header) = ([0; 16], [0; 12], [0; 16]);
        let [key_label, nonce_label, header_label] = version.labels;
        expand(&secret, key_label, &mut key)?;
        expand(&secret, nonce_label, &mut nonce)?;
        expand(&secret, header_label, &mut header)?;
        Some(Keys { key: Aes128::new(&key.into()), header: Aes128::new(&header.into()), nonce })
    }

    /// Decrypts a packet from its number on: `body` with what follows it, `sealed` without the tag.
    fn open(&self, first: u8, sealed: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        // Header protection (RFC 9001 s.5.4): the sample stands where it would if the number had four bytes.
        let mask = self.block(*body.get(4..20)?.first_chunk()?, &self.header);
        let first = first ^ (mask[0] & 0x0f);
        if first & 0x0c != 0 {
            return None;
        }
        let (number, sealed) = sealed.split_at_checked(usize::from(first & 3) + 1)?;
        let number =
            number.iter().zip(&mask[1..]).fold(0u32, |number, (byte, mask)| number << 8 | u32::from(byte ^ mask));
        let mut nonce = self.nonce;
        for (byte, number) in nonce[8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        // The counter of GCM stands at 1 for the tag (NIST SP 800-38D s.7.1).
        let mut plain = sealed.to_vec();
        for (chunk, counter) in plain.chunks_mut(16).zip(2u32..) {
            let mut block = [0; 16];
            block[..12].copy_from_slice(&nonce);
            block[12..].copy_from_slice(&counter.to_be_bytes());
            for (byte, key) in chunk.iter_mut().zip(self.block(block, &self.key)) {
                *byte ^= key;
            }
        }
        Some(plain)
    }

    fn block(&self, block: [u8; 16], key: &Aes128) -> [u8; 16] {
        let mut block = block.into();
        key.encrypt_block(&mut block);
        block.into()
    }
}

/// HKDF-Expand-Label (RFC 8446 s.7.1) without a context.
fn expand(secret: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) -> Option<()> {
    let head = [0, out.len() as u8, 6 + label.len() as u8];
    secret.expand_multi_info(&[&head, b"tls13 ", label, &[0]], out).ok()
}

/// The CRYPTO frames among the frames of an Initial (RFC 9000 s.12.4, s.19); `None` where these are no such frames.
fn crypto_frames(plain: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut bytes = Bytes(plain);
    while let Some(kind) = bytes.u8() {
        match kind {
            PADDING | PING => {}
            ACK | ACK_WITH_ECN => {
                let [_, _, ranges, _] = [bytes.variable()?, bytes.variable()?, bytes.variable()?, bytes.variable()?];
                let counts = if kind == ACK_WITH_ECN { 3 } else { 0 };
                for _ in 0..ranges.checked_mul(2)?.checked_add(counts)? {
                    bytes.variable()?;
                }
            }
            CRYPTO => {
                let (offset, length) = (bytes.variable()?, usize::try_from(bytes.variable()?).ok()?);
                let (data, is_whole) = bytes.up_to(length);
                pieces.push((offset, data.to_vec()));
                if !is_whole || pieces.len() >= MAX_PIECES {
                    break;
                }
            }
            CLOSE => break,
            _ => return None,
        }
    }
    Some(pieces)
}

const PADDING: u8 = 0;
const PING: u8 = 1;
const ACK: u8 = 2;
const ACK_WITH_ECN: u8 = 3;
const CRYPTO: u8 = 6;
const CLOSE: u8 = 0x1c;
/// RFC 9000 s.17.2.
const MAX_ID_BYTES: u8 = 20;
const TAG_BYTES: usize = 16;
/// A datagram holds a packet or two; more Initials than this are no client.
const MAX_PACKETS: usize = 4;
/// Browsers cut their hello into a dozen frames to keep middleboxes tolerant.
const MAX_PIECES: usize = 64;
const LABELS_1: [&[u8]; 3] = [b"quic key", b"quic iv", b"quic hp"];
const LABELS_2: [&[u8]; 3] = [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"];
/// RFC 9001 s.5.2; drafts 33 and 34 too.
const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
    0x0a,
];
/// RFC 9369 s.3.3.1.
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e,
    0xd9,
];
/// draft-ietf-quic-tls-29 s.5.2; up to draft 32.
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8,
    0x99,
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An Initial of the client with these pieces, as a client of that version sends it.
    pub(in crate::application) fn initial(version: u32, pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let destination = [7; 8];
        let scheme = Version::of(version).unwrap();
        let mut plain = Vec::new();
        for (offset, bytes) in pieces {
            plain.extend([PING, CRYPTO]);
            plain.extend((*offset as u16 | 0x4000).to_be_bytes());
            plain.extend((bytes.len() as u16 | 0x4000).to_be_bytes());
            plain.extend(*bytes);
        }
        plain.resize(plain.len().max(1100), 0);
        let mut packet = vec![0xc1 | scheme.initial << 4];
        packet.extend(version.to_be_bytes());
        packet.push(8);
        packet.extend(destination);
        packet.extend([0, 0]);
        let length = (2 + plain.len() + TAG_BYTES) as u16 | 0x4000;
        packet.extend(length.to_be_bytes());
        let number = packet.len();
        packet.extend([0, 9]);
        packet.extend(plain);
        packet.extend([0; TAG_BYTES]);
        // To encrypt is to decrypt; only the header comes last instead of first.
        let keys = Keys::of(&scheme, &destination).unwrap();
        let mut nonce = keys.nonce;
        nonce[11] ^= 9;
        let end = packet.len() - TAG_BYTES;
        for (chunk, counter) in packet[number + 2..end].chunks_mut(16).zip(2u32..) {
            let mut block = [0; 16];
            block[..12].copy_from_slice(&nonce);
            block[12..].copy_from_slice(&counter.to_be_bytes());
            chunk.iter_mut().zip(keys.block(block, &keys.key)).for_each(|(byte, key)| *byte ^= key);
        }
        let sample = *packet[number + 4..].first_chunk().unwrap();
        let mask = keys.block(sample, &keys.header);
        packet[0] ^= mask[0] & 0x0f;
        packet[number] ^= mask[1];
        packet[number + 1] ^= mask[2];
        packet
    }

    fn bytes(digits: &str) -> Vec<u8> {
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_examples_of_the_standards_hold_their_hello() {
        for digits in [VERSION_1, VERSION_2] {
            let pieces = read(&bytes(digits)).unwrap();
            let [(0, hello)] = &pieces[..] else { panic!("{pieces:?}") };
            assert_eq!(hello.len(), 241);
            assert!(hello.windows(11).any(|part| part == b"example.com"));
        }
    }

    #[test]
    fn an_example_cut_anywhere_gives_a_prefix_of_its_hello() {
        let packet = bytes(VERSION_1);
        let whole = read(&packet).unwrap().remove(0).1;
        for length in 0..packet.len() {
            for (offset, piece) in read(&packet[..length]).unwrap_or_default() {
                assert!(offset == 0 && whole.starts_with(&piece), "{length}");
            }
        }
    }

    #[test]
    fn what_does_not_decrypt_to_frames_is_quic_without_a_hello() {
        let mut packet = bytes(VERSION_1);
        packet[30] ^= 1;
        assert_eq!(read(&packet), Some(Vec::new()));
    }

    #[test]
    fn two_packets_in_a_datagram_are_both_read() {
        let datagram = [initial(1, &[(0, b"abc")]), initial(1, &[(3, b"def")])].concat();
        assert_eq!(read(&datagram), Some(vec![(0, b"abc".to_vec()), (3, b"def".to_vec())]));
    }

    #[test]
    fn drafts_and_both_versions_are_read() {
        for version in [1, 0x6b33_43cf, 0xff00_001d, 0xff00_0022] {
            assert_eq!(read(&initial(version, &[(5, b"abc")])), Some(vec![(5, b"abc".to_vec())]), "{version:x}");
        }
        assert_eq!(read(&[0xc0, 0x0a, 0x1a, 0x2a, 0x3a, 0, 0, 0]), None);
    }

    /// The start of the client's Initial of RFC 9001 appendix A.2, as long as its hello.
    pub(in crate::application) const VERSION_1: &str = "\
        c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11\
        d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399\
        1c260ec4c60d17b31f8429157bb35a1282a643a8d2262cad67500cadb8e7378c\
        8eb7539ec4d4905fed1bee1fc8aafba17c750e2c7ace01e6005f80fcb7df6212\
        30c83711b39343fa028cea7f7fb5ff89eac2308249a02252155e2347b63d58c5\
        457afd84d05dfffdb20392844ae812154682e9cf012f9021a6f0be17ddd0c208\
        4dce25ff9b06cde535d0f920a2db1bf362c23e596d11a4f5a6cf3948838a3aec\
        4e15daf8500a6ef69ec4e3feb6b1d98e610ac8b7ec3faf6ad760b7bad1db4ba3\
        485e8a94dc250ae3fdb41ed15fb6a8e5eba0fc3dd60bc8e30c5c4287e53805db";
    /// The same of RFC 9369 appendix A.2.
    const VERSION_2: &str = "\
        d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485\
        dd04de806071bf03dceebfa162e75d6c96058bdbfb127cdfcbf903388e99ad04\
        9f9a3dd4425ae4d0992cfff18ecf0fdb5a842d09747052f17ac2053d21f57c5d\
        250f2c4f0e0202b70785b7946e992e58a59ac52dea6774d4f03b55545243cf1a\
        12834e3f249a78d395e0d18f4d766004f1a2674802a747eaa901c3f10cda5500\
        cb9122faa9f1df66c392079a1b40f0de1c6054196a11cbea40afb6ef5253cd68\
        18f6625efce3b6def6ba7e4b37a40f7732e093daa7d52190935b8da58976ff33\
        12ae50b187c1433c0f028edcc4c2838b6a9bfc226ca4b4530e7a4ccee1bfa2a3\
        d396ae5a3fb512384b2fdd851f784a65e03f2c4fbe11a53c7777c023462239dd";
}
