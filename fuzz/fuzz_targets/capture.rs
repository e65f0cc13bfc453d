//! Any bytes as a capture file, then its packets as flows, then their features.
#![no_main]

use flow::Flow;
use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use meter::{Meter, Settings};
use source::format::packet::{self, Capture};

fuzz_target!(|data: &[u8]| {
    let Ok(mut capture) = Capture::new(data) else { return };
    assert!(packet::is_capture(data));
    let mut meter = Meter::new(Settings::default());
    let mut flows = Vec::new();
    while let Ok(Some(record)) = capture.next_record() {
        assert!(record.bytes.len() as u64 <= u64::from(record.wire_bytes));
        match record.link {
            Ok(link) => meter.packet(link, record.time, record.bytes, record.wire_bytes, &mut flows),
            Err(skip) => meter.skip(skip),
        }
    }
    meter.finish(&mut flows);
    let counts = meter.counts();
    let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>();
    assert_eq!(in_flows.map(|packets| packets + counts.skipped_packets()), Some(counts.packets));
    assert_eq!(FeatureSet::lapwing().table(&flows, &mut Hosts::default()).rows(), flows.len());
});
