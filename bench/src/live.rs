//! Live capture: packets a second through a pair of virtual interfaces, in a network namespace of our own.
//!
//! `lapwing-bench live` makes the namespace and measures; it needs `unshare` and `ip`, and leave to make a namespace. One
//! process sends, another captures; on a machine of two cores they have one each.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use source::transport::ring::{self, Sender};

use crate::program::{Program, children_seconds};

/// Measures inside a namespace, which it makes.
pub(crate) fn run(program: &Program) -> Result<()> {
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new("unshare")
            .args(["--map-root-user", "--net", "--"])
            .arg(std::env::current_exe()?)
            .arg("live")
            .env(INSIDE, "1")
            .status()
            .context("`unshare` is needed (util-linux)")?;
        ensure!(status.success(), "no namespace could be made, or the measuring failed in it");
        return Ok(());
    }
    ip("link add near0 type veth peer name far0")?;
    for name in ["near0", "far0"] {
        ip(&format!("link set {name} up"))?;
    }
    println!("| packets | bytes each | threads | sent a second | captured | dropped | CPU µs a packet |");
    println!("|---|---|---|---|---|---|---|");
    for (bytes, threads) in [(64, 1), (751, 1), (1514, 1), (751, 2)] {
        measure(program, bytes, threads)?;
    }
    Ok(())
}

fn measure(program: &Program, bytes: usize, threads: usize) -> Result<()> {
    let frames: Vec<Vec<u8>> = (0..FLOWS).map(|number| frame(number, bytes)).collect();
    let threads_given = threads.to_string();
    let duration = "8s";
    let arguments =
        ["flows", "-i", "far0", "--duration", duration, "--capture-threads", &threads_given, "-o", "/dev/null"];
    let before = children_seconds()?;
    let mut child = program.command().args(arguments).stderr(Stdio::piped()).spawn()?;
    let sender = Sender::open(ring::number("near0").context("the interface was made")?)?;
    wait_for_capture()?;
    let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed().as_secs_f64() < SECONDS {
        for part in slices.chunks(64) {
            sender.send(part)?;
            sent += part.len();
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let stderr = child.stderr.take().context("stderr is piped")?;
    let lines: Vec<String> = BufReader::new(stderr).lines().collect::<Result<_, _>>()?;
    ensure!(child.wait()?.success(), "the capture failed: {lines:?}");
    let cpu = children_seconds()? - before;
    let line = lines.iter().find_map(|line| line.strip_prefix("far0: ")).context("the capture says what it took")?;
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let &[packets, dropped] = &numbers[..] else { bail!("two numbers are expected in `{line}`") };
    let each = cpu * 1e6 / (packets - dropped) as f64;
    println!(
        "| {sent} | {bytes} | {threads} | {:.0} | {} | {dropped} | {each:.2} |",
        sent as f64 / seconds,
        packets - dropped
    );
    Ok(())
}

/// Waits until somebody captures: the kernel lists the open packet sockets, of which one is ours.
fn wait_for_capture() -> Result<()> {
    let started = Instant::now();
    while started.elapsed().as_secs() < 5 {
        if std::fs::read_to_string("/proc/net/packet")?.lines().count() > 2 {
            return Ok(());
        }
        std::thread::yield_now();
    }
    bail!("the capture did not start")
}

/// A UDP packet of one of many conversations.
fn frame(number: u32, bytes: usize) -> Vec<u8> {
    let length = (bytes - 14) as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, (number >> 8) as u8, number as u8, 10, 1, 0, 1]);
    frame.extend((1024 + (number % 60_000) as u16).to_be_bytes());
    frame.extend(53u16.to_be_bytes());
    frame.extend((length - 20).to_be_bytes());
    frame.resize(bytes, 0);
    frame
}

fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status().context("`ip` is needed (iproute2)")?;
    ensure!(status.success(), "ip {arguments} failed");
    Ok(())
}

const INSIDE: &str = "LAPWING_BENCH_INSIDE_NAMESPACE";
const FLOWS: u32 = 4096;
const SECONDS: f64 = 4.0;
