//! Any text as a Zeek conn.log, then the features of its flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::format::zeek::ConnLog;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut log = ConnLog::default();
    let flows: Vec<_> = text.lines().filter_map(|line| log.line(line)).collect();
    assert_eq!(FeatureSet::lapwing().table(&flows, &mut Hosts::default()).rows(), flows.len());
});
