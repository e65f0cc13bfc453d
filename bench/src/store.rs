//! The store: ten million alerts, pages of them, and flows written and read.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use alert::{Alert, Behaviour, Evidence, Example, Fact, Facts, Host, Role, Severity, Technique};
use anyhow::{Result, ensure};
use flow::{Duration, Endpoint, Flow, Key, Protocol, Time};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use store::{Filter, Reader, Retention, Span, Store};

use crate::Row;
use crate::program::own_seconds;

/// Fills a store with so many alerts and flows, and measures it; it is gone afterwards.
pub(crate) fn rows(folder: &Path, alerts: u64, flows: usize) -> Result<Vec<Row>> {
    let folder = folder.join("store");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut rows = fill(&folder, alerts)?;
    rows.extend(pages(&Store::reader(&folder)?, alerts)?);
    rows.extend(flow_rows(&folder, flows)?);
    fs::remove_dir_all(&folder)?;
    Ok(rows)
}

fn fill(folder: &Path, count: u64) -> Result<Vec<Row>> {
    let mut store = Store::open(folder)?;
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let (mut cpu_seconds, start, mut json_bytes) = (0.0, Instant::now(), 0);
    for first in (0..count).step_by(ALERTS_AT_A_TIME) {
        let some: Vec<Alert> =
            (first..count).take(ALERTS_AT_A_TIME).map(|number| alert(number, count, &mut random)).collect();
        json_bytes += some.first().map_or(Ok(0), |alert| serde_json::to_string(alert).map(|json| json.len()))?;
        let before = own_seconds()?;
        store.put(&some)?;
        cpu_seconds += own_seconds()? - before;
        if first % 1_000_000 == 0 {
            eprintln!("{first} alerts, {cpu_seconds:.0} CPU s, {:.0} s", start.elapsed().as_secs_f64());
        }
    }
    drop(store);
    let bytes = fs::metadata(folder.join("lapwing.db"))?.len();
    let batches = count.div_ceil(ALERTS_AT_A_TIME as u64);
    Ok(vec![Row::new(
        format!("{count} alerts put, {ALERTS_AT_A_TIME} at a time"),
        "",
        format!(
            "{cpu_seconds:.0} CPU s ({:.0} s), {:.1} microseconds an alert; {:.2} GB, {} bytes an alert, of which JSON some {}",
            start.elapsed().as_secs_f64(),
            cpu_seconds * 1e6 / count as f64,
            bytes as f64 / 1e9,
            bytes / count,
            json_bytes as u64 / batches,
        ),
    )])
}

/// Pages of 50, each from the top, from anywhere, and then a further one.
fn pages(reader: &Reader, count: u64) -> Result<Vec<Row>> {
    let none = Filter::default();
    let (busy, rare): (IpAddr, IpAddr) = (host(0), host(HOSTS - 1));
    let of = |edit: &dyn Fn(&mut Filter)| {
        let mut filter = none.clone();
        edit(&mut filter);
        filter
    };
    let filters = [
        ("time alone", none.clone()),
        ("a busy host (1 % of all)", of(&|filter| filter.host = Some(busy))),
        ("a rare host", of(&|filter| filter.host = Some(rare))),
        ("severity medium or more", of(&|filter| filter.severity = Some(Severity::Medium))),
        ("severity critical (1 in 1,000)", of(&|filter| filter.severity = Some(Severity::Critical))),
        ("a frequent technique", of(&|filter| filter.technique = Some(Technique::NetworkServiceDiscovery))),
        ("a rare technique", of(&|filter| filter.technique = Some(Technique::ReflectionAmplification))),
        ("a behaviour", of(&|filter| filter.behaviour = Some(Behaviour::Anomaly))),
        (
            "a busy host, severity high or more, a technique",
            of(&|filter| {
                (filter.host, filter.severity) = (Some(busy), Some(Severity::High));
                filter.technique = Some(Technique::PasswordGuessing);
            }),
        ),
        (
            "a technique and a behaviour that never meet, hidden ones too",
            of(&|filter| {
                (filter.technique, filter.behaviour) = (Some(Technique::PasswordGuessing), Some(Behaviour::Anomaly));
                filter.with_hidden = true;
            }),
        ),
        (
            "severity critical of a rare technique",
            of(&|filter| {
                (filter.severity, filter.technique) =
                    (Some(Severity::Critical), Some(Technique::ReflectionAmplification));
            }),
        ),
    ];
    let mut random = Pcg64Mcg::seed_from_u64(2);
    let mut rows = Vec::new();
    for (name, filter) in filters {
        let (mut milliseconds, mut found) = (Vec::new(), 0);
        for turn in 0..PAGES {
            let until = (turn > 0).then(|| time(random.random_range(0..count), count));
            let filter = Filter { until, ..filter.clone() };
            let mut after = None;
            for _ in 0..2 {
                let start = Instant::now();
                let page = reader.page(&filter, after.as_deref(), 50)?;
                milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
                found += page.alerts.len();
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        milliseconds.sort_by(f64::total_cmp);
        let at = |share: f64| milliseconds[((milliseconds.len() - 1) as f64 * share) as usize];
        rows.push(Row::new(
            format!("a page of 50 of {count} alerts by {name}, anywhere in time"),
            "50 ms",
            format!(
                "p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms ({} pages, {:.0} alerts each)",
                at(0.5),
                at(0.99),
                at(1.0),
                milliseconds.len(),
                found as f64 / milliseconds.len() as f64
            ),
        ));
    }
    Ok(rows)
}

/// Flows of a simulated office, again and again, each time an hour later.
fn flow_rows(folder: &Path, count: usize) -> Result<Vec<Row>> {
    let settings = simulator::Settings { hours: 1.0, ..simulator::Settings::default() };
    let mut meter = meter::Meter::new(meter::Settings::default());
    let mut office: Vec<Flow> = Vec::new();
    for packet in simulator::Simulation::new(&settings)? {
        meter.packet(meter::Link::Ethernet, packet.time, &packet.bytes, packet.bytes.len() as u32, &mut office);
    }
    meter.finish(&mut office);

    let mut store = Store::open(folder)?;
    let (mut written, mut hours, mut write_seconds, start) = (0, 0u32, 0.0, Instant::now());
    while written < count {
        let now = Time::from_nanoseconds(START) + HOUR * hours;
        let before = own_seconds()?;
        for some in office.chunks(FLOWS_AT_A_TIME) {
            store.append(some, &[], now)?;
        }
        write_seconds += own_seconds()? - before;
        written += office.len();
        hours += 1;
    }
    let wall_seconds = start.elapsed().as_secs_f64();
    let before = own_seconds()?;
    store.tidy(&Retention { days: None, bytes: None }, Time::from_nanoseconds(START) + HOUR * hours)?;
    let tidy_seconds = own_seconds()? - before;
    let bytes: u64 =
        fs::read_dir(folder.join("flows"))?.map(|file| Ok(file?.metadata()?.len())).sum::<Result<u64>>()?;

    let before = own_seconds()?;
    let (mut flows, mut notices, mut read) = (Vec::new(), Vec::new(), 0);
    let mut replay = store.replay(Span::ALL)?;
    let mut more = true;
    while more {
        flows.clear();
        more = replay.read(&mut flows, &mut notices)?;
        read += flows.len();
    }
    let read_seconds = own_seconds()? - before;
    ensure!(read == written, "{read} flows of {written} were read");
    let rate = |seconds: f64| format!("{:.0} thousand a CPU second", written as f64 / seconds / 1e3);
    Ok(vec![
        Row::new(
            format!(
                "{written} flows of a simulated office written, {FLOWS_AT_A_TIME} at a time, each batch on the disk"
            ),
            "",
            format!("{} ({:.0} s of {:.0} CPU s)", rate(write_seconds), wall_seconds, write_seconds),
        ),
        Row::new("the files of their hours joined", "", rate(tidy_seconds)),
        Row::new("read again, in the order in which they came", "", rate(read_seconds)),
        Row::new("bytes on disk", "", format!("{} a flow", bytes / written as u64)),
    ])
}

/// An alert such as a network of many hosts gives: most of little urgency, some hosts much more often than others.
fn alert(number: u64, count: u64, random: &mut Pcg64Mcg) -> Alert {
    let kinds = [
        (Behaviour::Anomaly, None, 600),
        (Behaviour::PortScan, Some(Technique::NetworkServiceDiscovery), 250),
        (Behaviour::PasswordGuessing, Some(Technique::PasswordGuessing), 100),
        (Behaviour::HttpFlood, Some(Technique::ServiceExhaustionFlood), 49),
        (Behaviour::Reflection, Some(Technique::ReflectionAmplification), 1),
    ];
    let severities = [
        (Severity::Info, 500),
        (Severity::Low, 300),
        (Severity::Medium, 150),
        (Severity::High, 49),
        (Severity::Critical, 1),
    ];
    let (behaviour, technique, _) = *pick(&kinds, |kind| kind.2, random);
    let (severity, _) = *pick(&severities, |severity| severity.1, random);
    // One in a hundred is the busy host; the others are drawn so that the first are the more frequent ones.
    let drawn = random.random::<f64>();
    let place = if drawn < 0.01 { 0 } else { 1 + (f64::from(HOSTS - 1) * (drawn - 0.01) * drawn) as u32 };
    let subject = host(place.min(HOSTS - 1));
    let other = IpAddr::from([203, 0, 113, (number % 251) as u8]);
    let hosts = vec![Host { address: subject, role: Role::Attacker }, Host { address: other, role: Role::Victim }];
    let (start, end) = (time(number, count), time(number, count) + Duration::from_secs(60));
    let key = Key {
        originator: Endpoint::new(subject, 40_000),
        responder: Endpoint::new(other, 443),
        protocol: Protocol::Tcp,
    };
    let summary = format!("{subject} contacted 214 ports of {other} in 10 s");
    let evidence = Evidence {
        behaviour,
        subject,
        hosts: hosts.clone(),
        start,
        end,
        severity,
        score: 0.93,
        technique,
        flows: 214,
        summary: summary.clone(),
        facts: Facts::from([("ports", Fact::Count(214)), ("seconds", Fact::Number(10.25))]),
        examples: vec![Example { start, key, state: None, packets: Some(1), bytes: Some(60) }],
    };
    let id = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let evidence = vec![evidence];
    Alert { id, subject, behaviour, start, end, severity, score: 0.93, technique, hosts, flows: 214, summary, evidence }
}

fn pick<'a, T>(kinds: &'a [T], weight: impl Fn(&T) -> u32, random: &mut Pcg64Mcg) -> &'a T {
    let mut left = random.random_range(0..kinds.iter().map(&weight).sum());
    for kind in kinds {
        if left < weight(kind) {
            return kind;
        }
        left -= weight(kind);
    }
    &kinds[0]
}

fn host(number: u32) -> IpAddr {
    let [_, b, c, d] = number.to_be_bytes();
    IpAddr::from([10, b, c, d])
}

/// Ninety days, evenly.
fn time(number: u64, count: u64) -> Time {
    Time::from_nanoseconds(START + (i128::from(number) * NINETY_DAYS / i128::from(count)) as i64)
}

const START: i64 = 1_700_000_000_000_000_000;
const NINETY_DAYS: i128 = 90 * 86_400_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const HOSTS: u32 = 20_000;
const ALERTS_AT_A_TIME: usize = 5000;
const FLOWS_AT_A_TIME: usize = 5000;
const PAGES: usize = 100;
