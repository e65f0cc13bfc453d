//! Any bytes as an nfdump file, and as the lines that nfdump prints, then the features of their flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::Decoder;
use source::format::nfdump::Nfdump;
use source::format::nfdump::csv::Printed;

fuzz_target!(|data: &[u8]| {
    let mut batch = Batch::default();
    let mut file = Nfdump::default();
    file.begin();
    data.chunks(100).for_each(|piece| file.decode(piece, &mut batch));
    file.finish(&mut batch);
    let mut printed = Printed::default();
    data.split(|&byte| byte == b'\n').for_each(|line| printed.decode(line, &mut batch));
    printed.finish(&mut batch);
    assert!(batch.flows.iter().all(|flow| flow.start <= flow.end && flow.conversation_start <= flow.start));
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
