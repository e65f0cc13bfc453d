//! Any bytes as a saved detector.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Detector;

fuzz_target!(|data: &[u8]| {
    let _ = Detector::from_bytes(data);
});
