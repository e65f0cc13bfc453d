//! Checks on public captures: those in `data/pcaps` of the folder that LAPWING_SHARED names, else of `shared` beside the
//! workspace. Where it is absent the tests are shown as ignored.

use std::fs;
use std::path::{Path, PathBuf};

use flow::Flow;
use libtest_mimic::{Arguments, Failed, Trial};
use meter::{Meter, Settings};
use source::format::packet::Capture;
use source::{Batch, Input, Report, Source};

fn main() {
    let arguments = Arguments::from_args();
    let captures = captures();
    let mut trials: Vec<Trial> = captures
        .iter()
        .map(|path| {
            let (name, path) = (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path.clone());
            Trial::test(format!("{name}_is_accounted_for_in_any_chunking"), move || check(&path))
        })
        .collect();
    if trials.is_empty() {
        trials.push(Trial::test("public_captures_are_absent", || Ok(())).with_ignored_flag(true));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn captures() -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data/pcaps");
    let is_capture = |path: &PathBuf| path.to_string_lossy().contains(".pcap");
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_capture).collect();
    paths.sort();
    paths
}

fn check(path: &Path) -> Result<(), Failed> {
    let (flows, report) = read(path)?;
    let in_flows = flows.iter().map(Flow::packets).sum::<Option<u64>>().unwrap();
    let skipped: u64 = report.skipped.values().sum();
    let inner = report.notes.get("packets found inside tunnels").copied().unwrap_or_default();
    if report.packets == 0 || report.packets + inner != in_flows + skipped {
        let packets = report.packets;
        return Err(format!("{packets} packets, {inner} inside them, {in_flows} in flows, {skipped} skipped").into());
    }
    if let Some(odd) = flows.iter().find(|flow| !is_sound(flow)) {
        return Err(format!("{odd:#?}").into());
    }
    let mut bytes = Vec::new();
    std::io::copy(&mut source::transport::file::open(path)?.bytes, &mut bytes)?;
    for chunk in [1009, 7, usize::MAX] {
        if metered(Chunks { bytes: &bytes, chunk })? != flows {
            return Err(format!("other flows when read {chunk} bytes at a time").into());
        }
    }
    Ok(())
}

/// What holds of every flow of a meter.
fn is_sound(flow: &Flow) -> bool {
    let sides = [&flow.originator, &flow.responder];
    flow.packets() > Some(0)
        && flow.conversation_start <= flow.start
        && flow.start <= flow.end
        && Some(u64::from(flow.gaps.count()) + 1) == flow.packets()
        && sides.iter().all(|side| {
            let Some(detail) = side.detail else { return false };
            Some(u64::from(detail.lengths.count())) == side.packets
                && Some(detail.lengths.sum()) == side.bytes
                && side.payload_bytes.is_some_and(|payload| Some(payload + detail.header_bytes) <= side.bytes)
        })
}

fn read(path: &Path) -> Result<(Vec<Flow>, Report), Failed> {
    let mut input = Input::open(&[path.to_owned()], Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    Ok((batch.flows, input.report()))
}

fn metered(bytes: Chunks<'_>) -> Result<Vec<Flow>, Failed> {
    let mut capture = Capture::new(bytes)?;
    let mut meter = Meter::new(Settings::default());
    let mut flows = Vec::new();
    while let Some(record) = capture.next_record()? {
        match record.link {
            Ok(link) => meter.packet(link, record.time, record.bytes, record.wire_bytes, &mut flows),
            Err(skip) => meter.skip(skip),
        }
    }
    meter.finish(&mut flows);
    Ok(flows)
}

/// Gives at most so many bytes at a time.
struct Chunks<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl std::io::Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.chunk);
        std::io::Read::read(&mut self.bytes, &mut buffer[..count])
    }
}
