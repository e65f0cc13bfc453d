//! Any bytes as a labelled table: profiled, then read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use source::format::rows::{Builder, Profile, Rows};

fuzz_target!(|data: &[u8]| {
    let open = || Rows::of(data.to_vec().into(), "memory".as_ref(), &[]);
    let Ok(mut rows) = open() else { return };
    let mut profile = Profile::default();
    if profile.add(&mut rows).is_err() {
        return;
    }
    let (fields, _) = profile.fields();
    let mut builder = Builder::new(fields).with_texts();
    let Ok(mut rows) = open() else { return };
    while matches!(rows.read(&mut builder, 3), Ok(true)) {}
    assert_eq!(builder.rows() as u64 + rows.skipped().values().sum::<u64>(), rows.count());
});
