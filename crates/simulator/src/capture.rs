//! The simulation on disk: the capture, and who did what in it.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use flow::Duration;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, TsResolution};

use crate::error::Error;
use crate::settings::Settings;
use crate::simulation::{Packet, Planted, Simulation};

/// What a simulation gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Packets in the capture.
    pub packets: u64,
    /// The attacks in it, in the order asked for.
    pub planted: Vec<Planted>,
}

/// Simulates an office and writes what its packets are as a capture (pcap, Ethernet, nanoseconds).
pub fn simulate(settings: &Settings, out: impl Write) -> Result<Report, Error> {
    let mut simulation = Simulation::new(settings)?;
    let packets = write_capture(simulation.by_ref(), out)?;
    Ok(Report { packets, planted: simulation.planted().to_vec() })
}

/// Writes packets as a capture (pcap, Ethernet, nanoseconds); gives how many they were.
pub fn write_capture(packets: impl Iterator<Item = Packet>, mut out: impl Write) -> Result<u64, Error> {
    let header = PcapHeader {
        ts_resolution: TsResolution::NanoSecond,
        datalink: DataLink::ETHERNET,
        // Not that of the machine, so that the bytes are the same on all.
        endianness: Endianness::Little,
        ..PcapHeader::default()
    };
    let mut writer = PcapWriter::with_header(&mut out, header)?;
    let mut count = 0;
    for packet in packets {
        let time = Duration::from_nanos(packet.time.nanoseconds().max(0) as u64);
        let data = Cow::Owned(packet.bytes);
        writer.write_packet(&PcapPacket { timestamp: time, orig_len: packet.length, data })?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

/// Writes the planted attacks as CSV with a header, one row each; addresses of one column are separated by blanks.
pub fn write_labels(planted: &[Planted], out: impl Write) -> Result<(), Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["attack", "behaviour", "attackers", "victims", "start", "end", "packets"])?;
    for planted in planted {
        writer.write_record([
            planted.attack.name(),
            planted.behaviour,
            &listed(&planted.attackers),
            &listed(&planted.victims),
            &planted.start.to_string(),
            &planted.end.to_string(),
            &planted.packets.to_string(),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}
