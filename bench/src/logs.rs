//! Lines of flow logs a CPU second: a million lines of conn.log, its JSON, EVE and VPC flow logs, all made up.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use source::{Batch, Input, Source};

use crate::Row;
use crate::program::Program;

pub(crate) fn rows(program: &Program, folder: &Path) -> Result<Vec<Row>> {
    let logs: [(&str, &str, Line); 4] = [
        ("conn.log", "1,000,000", tab_separated),
        ("conn.log as JSON", "", zeek_json),
        ("EVE flow events", "1,000,000", eve),
        ("VPC flow logs", "1,000,000", vpc),
    ];
    logs.into_iter()
        .map(|(name, least, line)| {
            let path = folder.join(format!("{}.log", name.replace([' ', '.'], "-")));
            // Each direction of a conversation has a line of its own.
            let lines_a_flow = if name == "VPC flow logs" { 2 } else { 1 };
            write(&path, name, line, LINES / lines_a_flow)?;
            let mut rates = (0..RUNS).map(|_| rate(&path, LINES / lines_a_flow)).collect::<Result<Vec<_>>>()?;
            rates.sort_by(f64::total_cmp);
            let run = program.run_on_threads(1, &["flows", &path.display().to_string(), "-o", "/dev/null"])?;
            ensure!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
            let measured = format!(
                "{:.2} million (median of {RUNS}; {:.2} to {:.2}); {:.2} million through `lapwing flows` with every \
                 feature, written as CSV",
                rates[RUNS / 2],
                rates[0],
                rates[RUNS - 1],
                LINES as f64 / 1e6 / run.cpu_seconds,
            );
            Ok(Row::new(format!("lines of a flow log to flows, lines a CPU second, {name}"), least, measured))
        })
        .collect()
}

/// Appends the line of a flow.
type Line = fn(&mut String, &MadeUp);

/// A flow of which every log tells the same.
struct MadeUp {
    number: u64,
    microseconds: u64,
    port: u64,
    packets: u64,
    is_tcp: bool,
}

impl MadeUp {
    fn new(number: u64) -> MadeUp {
        // Knuth's multiplicative hash: the same flows in each run.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        MadeUp {
            number,
            microseconds: 1_700_000_000_000_000 + number * 350 + mixed % 300,
            port: 1024 + (mixed >> 20) % 64_000,
            packets: 1 + (mixed >> 40) % 40,
            is_tcp: mixed >> 63 == 0,
        }
    }

    fn originator(&self) -> String {
        format!("10.{}.{}.{}", self.number % 4, self.number / 4 % 250, 1 + self.port % 200)
    }

    fn responder(&self) -> String {
        format!("198.51.{}.{}", self.port % 250, 1 + self.number % 250)
    }

    fn uid(&self) -> String {
        format!("C{:017x}", u128::from(self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 4)
    }
}

fn tab_separated(text: &mut String, flow: &MadeUp) {
    let (protocol, service, state, history) = words(flow);
    let _ = writeln!(
        text,
        "{}.{:06}\t{}\t{}\t{}\t{}\t{}\t{protocol}\t{service}\t{}.{:06}\t{}\t{}\t{state}\tT\tF\t0\t{history}\t{}\t{}\t{}\t{}\t-",
        flow.microseconds / 1_000_000,
        flow.microseconds % 1_000_000,
        flow.uid(),
        flow.originator(),
        flow.port,
        flow.responder(),
        if flow.is_tcp { 443 } else { 53 },
        flow.packets / 8,
        flow.port * 15,
        flow.packets * 120,
        flow.packets * 700,
        flow.packets,
        flow.packets * 160,
        flow.packets + 1,
        flow.packets * 752,
    );
}

fn zeek_json(text: &mut String, flow: &MadeUp) {
    let (protocol, service, state, history) = words(flow);
    let _ = writeln!(
        text,
        r#"{{"ts":{}.{:06},"uid":"{}","id.orig_h":"{}","id.orig_p":{},"id.resp_h":"{}","id.resp_p":{},"proto":"{protocol}","service":"{service}","duration":{}.{:06},"orig_bytes":{},"resp_bytes":{},"conn_state":"{state}","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"{history}","orig_pkts":{},"orig_ip_bytes":{},"resp_pkts":{},"resp_ip_bytes":{}}}"#,
        flow.microseconds / 1_000_000,
        flow.microseconds % 1_000_000,
        flow.uid(),
        flow.originator(),
        flow.port,
        flow.responder(),
        if flow.is_tcp { 443 } else { 53 },
        flow.packets / 8,
        flow.port * 15,
        flow.packets * 120,
        flow.packets * 700,
        flow.packets,
        flow.packets * 160,
        flow.packets + 1,
        flow.packets * 752,
    );
}

fn eve(text: &mut String, flow: &MadeUp) {
    let time = |microseconds: u64| {
        let seconds = microseconds / 1_000_000 % 86_400;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("2023-11-15T{hour:02}:{minute:02}:{second:02}.{:06}+0000", microseconds % 1_000_000)
    };
    let tcp = r#","tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}"#;
    let _ = writeln!(
        text,
        r#"{{"timestamp":"{}","flow_id":{},"in_iface":"eth0","event_type":"flow","src_ip":"{}","src_port":{},"dest_ip":"{}","dest_port":{},"proto":"{}","app_proto":"{}","flow":{{"pkts_toserver":{},"pkts_toclient":{},"bytes_toserver":{},"bytes_toclient":{},"start":"{}","end":"{}","age":{},"state":"closed","reason":"timeout","alerted":false}}{}}}"#,
        time(flow.microseconds + 60_000_000),
        flow.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 13,
        flow.originator(),
        flow.port,
        flow.responder(),
        if flow.is_tcp { 443 } else { 53 },
        if flow.is_tcp { "TCP" } else { "UDP" },
        if flow.is_tcp { "tls" } else { "dns" },
        flow.packets,
        flow.packets + 1,
        flow.packets * 174,
        flow.packets * 766,
        time(flow.microseconds),
        time(flow.microseconds + flow.port * 15),
        flow.packets / 8,
        if flow.is_tcp { tcp } else { "" },
    );
}

/// The default format, whose times are whole seconds.
fn vpc(text: &mut String, flow: &MadeUp) {
    let (from, to) = (flow.originator(), flow.responder());
    let (service, protocol) = if flow.is_tcp { (443, 6) } else { (53, 17) };
    let (start, packets) = (flow.microseconds / 1_000_000, flow.packets);
    let end = start + 30 + packets;
    let interface = flow.number % 4;
    for (from, from_port, to, to_port, packets, bytes) in [
        (&from, flow.port, &to, service, packets, packets * 160),
        (&to, service, &from, flow.port, packets + 1, packets * 752),
    ] {
        let _ = writeln!(
            text,
            "2 123456789012 eni-0a1b2c3d4e5f6071{interface} {from} {to} {from_port} {to_port} {protocol} {packets} {bytes} {start} {end} ACCEPT OK",
        );
    }
}

/// Protocol, service, state and history of conn.log.
fn words(flow: &MadeUp) -> (&'static str, &'static str, &'static str, &'static str) {
    if flow.is_tcp { ("tcp", "ssl", "SF", "ShADadFf") } else { ("udp", "dns", "SF", "Dd") }
}

/// Makes the log where an earlier run has not.
fn write(path: &PathBuf, name: &str, line: Line, flows: u64) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    eprintln!("making {LINES} lines of {name}");
    let partial = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&partial).context("the temporary folder must be writable")?);
    match name {
        "conn.log" => file.write_all(HEADER.as_bytes())?,
        "VPC flow logs" => file.write_all(VPC_HEADER.as_bytes())?,
        _ => {}
    }
    let mut text = String::new();
    for number in 0..flows {
        text.clear();
        line(&mut text, &MadeUp::new(number));
        file.write_all(text.as_bytes())?;
    }
    file.into_inner()?.sync_all()?;
    std::fs::rename(partial, path)?;
    Ok(())
}

/// Millions of lines that become flows in a CPU second of this process, from the file's bytes on.
fn rate(path: &Path, expected: u64) -> Result<f64> {
    let before = cpu_seconds()?;
    let mut input = Input::open(&[path.to_owned()], meter::Settings::default())?;
    let (mut batch, mut flows) = (Batch::default(), 0);
    while input.read(&mut batch)? {
        flows += batch.flows.len() as u64;
        batch.clear();
    }
    let seconds = cpu_seconds()? - before;
    ensure!(flows == expected, "{flows} flows rather than {expected} of {}", path.display());
    Ok(LINES as f64 / 1e6 / seconds)
}

fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n";
const VPC_HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";
const LINES: u64 = 1_000_000;
const RUNS: usize = 5;
