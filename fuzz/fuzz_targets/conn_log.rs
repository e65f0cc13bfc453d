//! Any text as a Zeek conn.log, then the features of its flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::Decoder;
use source::format::zeek::ConnLog;

fuzz_target!(|data: &[u8]| {
    let mut log = ConnLog::default();
    let mut batch = Batch::default();
    data.split(|&byte| byte == b'\n').for_each(|line| log.decode(line, &mut batch));
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
