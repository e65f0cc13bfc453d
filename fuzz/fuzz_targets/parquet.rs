//! Any bytes as Parquet, with the marks at both ends that make them so: read, and as flows where the columns are known.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::mapping::TableFlows;
use source::format::rows::Rows;

static HOOK: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    // The library may panic on hostile bytes, and the reader makes that an error; only what escapes it is a crash. The
    // fuzzer's own hook would end the process before.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let marked = if data.starts_with(b"PAR1") { data.to_vec() } else { [b"PAR1", data, b"PAR1"].concat() };
    let Ok(mut rows) = Rows::of(marked.into(), "memory".as_ref(), &[]) else { return };
    let mut flows = TableFlows::of(rows.columns(), None).ok().flatten();
    let mut batch = Batch::default();
    for _ in 0..20_000 {
        let Ok(Some(row)) = rows.next_row() else { break };
        match &mut flows {
            Some(flows) => flows.row(row, &mut batch),
            None => drop(row.count()),
        }
    }
    if let Some(flows) = &mut flows {
        flows.finish(&mut batch);
    }
});
