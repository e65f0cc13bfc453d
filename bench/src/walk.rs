//! A plain walk over a capture: what reading costs before anything is done with it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Result, ensure};

/// Reads a pcap file record by record through a buffer of so many bytes, and sums the fields that every flow meter must
/// read: addresses, protocol, ports, numbers, flags and lengths. Gives the number of packets and the sum.
pub(crate) fn walk(path: &Path, buffer_bytes: usize) -> Result<(u64, u64)> {
    let mut file = BufReader::with_capacity(buffer_bytes, File::open(path)?);
    let mut start = [0; 24];
    file.read_exact(&mut start)?;
    ensure!(start[..4] == [0xd4, 0xc3, 0xb2, 0xa1], "only little-endian pcap files are walked over");
    let mut packet = vec![0; 1 << 18];
    let (mut packets, mut sum) = (0, 0u64);
    loop {
        let mut header = [0; 16];
        if let Err(error) = file.read_exact(&mut header) {
            ensure!(error.kind() == std::io::ErrorKind::UnexpectedEof, error);
            return Ok((packets, sum));
        }
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        ensure!(length <= packet.len(), "a packet is too long");
        file.read_exact(&mut packet[..length])?;
        // The first 54 bytes: Ethernet, IPv4 and TCP without options.
        sum += packet[..length.min(54)].iter().map(|&byte| u64::from(byte)).sum::<u64>();
        packets += 1;
    }
}
