//! The time service (RFC 5905).

use flow::Time;

/// The port of time servers.
pub(crate) const PORT: u16 = 123;

/// A client's request.
pub(crate) fn request(now: Time) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..4].copy_from_slice(&[0x23, 0, 6, 0xe9]);
    bytes[40..].copy_from_slice(&timestamp(now));
    bytes
}

/// A server's answer to a request sent at a time.
pub(crate) fn response(asked: Time, now: Time) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..4].copy_from_slice(&[0x24, 2, 6, 0xe9]);
    bytes[4..12].copy_from_slice(&[0, 0, 1, 44, 0, 0, 2, 13]);
    bytes[12..16].copy_from_slice(&[198, 18, 0, 123]);
    bytes[16..24].copy_from_slice(&timestamp(asked));
    bytes[24..32].copy_from_slice(&timestamp(asked));
    bytes[32..40].copy_from_slice(&timestamp(now));
    bytes[40..].copy_from_slice(&timestamp(now));
    bytes
}

/// One packet of the list of latest clients that old servers give to anyone (CVE-2013-5211): six of them.
pub(crate) fn monitor_list(sequence: u8) -> Vec<u8> {
    let mut bytes = vec![0xd7, sequence & 0x7f, 3, 42, 0, 6, 0, 72];
    bytes.extend([0; 6 * 72]);
    bytes
}

fn timestamp(time: Time) -> [u8; 8] {
    let nanoseconds = time.nanoseconds();
    let seconds = (nanoseconds.div_euclid(1_000_000_000) + 2_208_988_800) as u64;
    let fraction = (nanoseconds.rem_euclid(1_000_000_000) as u64) << 32;
    ((seconds << 32) | (fraction / 1_000_000_000)).to_be_bytes()
}
