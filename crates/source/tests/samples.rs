//! What holds of the sample of every format.

use source::Batch;
use source::format::FORMATS;

#[test]
fn every_sample_decodes_into_a_flow_with_nothing_skipped() {
    for format in FORMATS {
        let (mut decoder, mut batch) = ((format.decoder)(), Batch::default());
        decoder.begin();
        for message in (format.sample)() {
            decoder.decode(&message, &mut batch);
        }
        decoder.finish(&mut batch);
        assert!(!batch.flows.is_empty(), "{} gives no flow of its sample", format.name);
        assert!(batch.skipped.is_empty(), "{} skips {:?} of its sample", format.name, batch.skipped);
    }
}
