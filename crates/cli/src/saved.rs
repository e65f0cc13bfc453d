//! What the verbs share in keeping detectors in files.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use model::Detector;

/// The detector in a file.
pub(crate) fn load(path: &Path) -> Result<Detector> {
    let context = || format!("cannot load the detector {}; make one with `lapwing train`", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(context)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{} is too large to be a detector: more than {MAX_BYTES} bytes", path.display());
    }
    Detector::from_bytes(&bytes).with_context(context)
}

/// Writes a detector to a file, whole or not at all; tells how many bytes it has.
pub(crate) fn save(detector: &Detector, path: &Path) -> Result<usize> {
    let bytes = detector.to_bytes()?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let write = fs::write(&part, &bytes).and_then(|()| fs::rename(&part, path));
    write.with_context(|| {
        format!("cannot write {}: check that the folder exists and that you may write there", path.display())
    })?;
    Ok(bytes.len())
}

const MAX_BYTES: u64 = 300 << 20;
