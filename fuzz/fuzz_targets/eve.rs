//! Any text as Suricata's EVE JSON, then the features of the flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::Decoder;
use source::format::eve::Events;

fuzz_target!(|data: &[u8]| {
    let mut events = Events::default();
    let mut batch = Batch::default();
    let mut lines = 0;
    for line in data.split(|&byte| byte == b'\n') {
        events.decode(line, &mut batch);
        lines += 1;
    }
    events.finish(&mut batch);
    assert!(batch.flows.len() + batch.notices.len() + batch.skipped.values().sum::<u64>() as usize <= lines);
    assert!(batch.flows.iter().all(|flow| flow.start <= flow.end));
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
