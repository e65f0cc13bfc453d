//! Any bytes behind the start of an object, as a table of JSON lines: profiled, then read; and as flows where the columns
//! are known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::mapping::TableFlows;
use source::format::rows::{Builder, Profile, Rows};

fuzz_target!(|data: &[u8]| {
    let data = [b"{", data].concat();
    let open = || Rows::of(data.clone().into(), "memory".as_ref(), &[]);
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
    let Ok(mut rows) = open() else { return };
    let Ok(Some(mut flows)) = TableFlows::of(rows.columns(), None) else { return };
    let mut batch = Batch::default();
    while let Ok(Some(row)) = rows.next_row() {
        flows.row(row, &mut batch);
    }
    flows.finish(&mut batch);
});
