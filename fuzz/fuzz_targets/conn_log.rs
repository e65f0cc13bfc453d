//! Any text as Zeek's logs, of conversations and of what is joined with them, then the features of the flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::Decoder;
use source::format::zeek::Logs;

fuzz_target!(|data: &[u8]| {
    let mut logs = Logs::default();
    let mut batch = Batch::default();
    let mut lines = 0;
    for line in data.split(|&byte| byte == b'\n') {
        logs.decode(line, &mut batch);
        lines += 1;
    }
    logs.finish(&mut batch);
    assert!(batch.flows.len() + batch.notices.len() + batch.skipped.values().sum::<u64>() as usize <= lines);
    assert!(batch.flows.iter().all(|flow| flow.start <= flow.end));
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
