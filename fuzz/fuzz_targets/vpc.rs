//! Any bytes as a VPC flow log, cut into messages as files are, then the features of its flows.
#![no_main]

use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::FORMATS;

fuzz_target!(|data: &[u8]| {
    let format = FORMATS.iter().find(|format| format.name == "vpc").expect("it is a format");
    let _ = (format.recognises)(data);
    let (mut decoder, mut batch, mut rest, mut message) = ((format.decoder)(), Batch::default(), data, Vec::new());
    decoder.begin();
    while (format.next_message)(&mut rest, &mut message, &mut batch) == Ok(true) {
        decoder.decode(&message, &mut batch);
        message.clear();
    }
    decoder.finish(&mut batch);
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
