//! Any input: a clear message and a failing exit where nothing could be read, never a panic.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::Row;
use crate::program::Program;

pub(crate) fn rows(program: &Program, folder: &Path) -> Result<Vec<Row>> {
    let inputs = folder.join("inputs");
    fs::create_dir_all(inputs.join("folder.pcap"))?;
    let whole = inputs.join("whole.pcap");
    program.run(&[
        "simulate",
        "-o",
        &whole.display().to_string(),
        "--hours",
        "0.02",
        "--hosts",
        "16",
        "--attacks",
        "loud",
    ])?;
    let whole = fs::read(whole)?;

    let mut unreadable = vec!["folder.pcap".to_owned(), "missing.pcap".to_owned()];
    for (name, bytes) in [("empty.pcap", &b""[..]), ("text.pcap", b"dear diary\n"), ("header.pcap", &whole[..24])] {
        fs::write(inputs.join(name), bytes)?;
        unreadable.push(name.to_owned());
    }
    let mut readable = Vec::new();
    for (name, bytes) in damaged(&whole) {
        fs::write(inputs.join(&name), bytes)?;
        readable.push(name);
    }
    let (mut clear, mut panics) = (0, 0);
    let mut wrong = Vec::new();
    for (name, must_fail) in unreadable.iter().map(|name| (name, true)).chain(readable.iter().map(|name| (name, false)))
    {
        let run = program.run(&["scan", &inputs.join(name).display().to_string()])?;
        let message = String::from_utf8_lossy(&run.output.stderr);
        panics += usize::from(message.contains("panicked") || run.output.status.code().is_none());
        if message.is_empty() || must_fail == run.output.status.success() && must_fail {
            wrong.push(name.clone());
        } else {
            clear += 1;
        }
    }
    let measured = if wrong.is_empty() {
        format!("{clear} of {clear} inputs clear, {panics} panics")
    } else {
        format!("{clear} clear, {panics} panics, **wrong on {}**", wrong.join(", "))
    };
    Ok(vec![Row::new(
        "any input: empty, header only, text, folder, missing, cut at 40 places, 200 with random bytes put in",
        "a clear message, a failing exit where nothing could be read, never a panic",
        measured,
    )])
}

/// The capture cut short, and with bytes of a fixed random sequence put in.
fn damaged(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let head = &whole[..whole.len().min(200_000)];
    let mut all: Vec<(String, Vec<u8>)> =
        (0..40).map(|cut| (format!("cut-{cut}.pcap"), head[..24 + random() % (head.len() - 24)].to_vec())).collect();
    for number in 0..200 {
        let mut bytes = head.to_vec();
        for _ in 0..1 + number {
            let at = 24 + random() % (bytes.len() - 24);
            bytes[at] = random() as u8;
        }
        all.push((format!("noise-{number}.pcap"), bytes));
    }
    all
}
