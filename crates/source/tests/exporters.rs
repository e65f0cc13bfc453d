//! Messages and files of real exporters, read field by field: the files of `data/netflow` in the folder that LAPWING_SHARED names,
//! else in `shared` beside the workspace, against the `expected.json` beside them. Where it is absent the tests are shown
//! as ignored.
//!
//! That file states what another decoder reads, by that decoder's names. Every field of every event is compared, but for
//! `@version` and `host`, which that decoder adds by itself. `first_switched` and `last_switched` are reckoned here as
//! it does, without regard to counts that ran over and mostly a second late, because it states only the result.

use std::fs;
use std::path::{Path, PathBuf};

use flow::{Flow, Time};
use libtest_mimic::{Arguments, Failed, Trial};
use meter::Settings;
use serde_json::Value as Json;
use source::format::netflow::{self, Collector, Header, Record};
use source::{Batch, Input, Source};

fn main() {
    let arguments = Arguments::from_args();
    let folder = folder();
    let cases: Vec<Json> = fs::read_to_string(folder.join("expected.json"))
        .map(|text| serde_json::from_str(&text).expect("expected.json is JSON"))
        .unwrap_or_default();
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|case| {
            let (name, folder) = (case["context"].as_str().unwrap_or_default().replace(' ', "_"), folder.clone());
            Trial::test(format!("{name}_is_read_field_by_field"), move || check(&folder, &case))
        })
        .collect();
    for path in messages(&folder) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        trials.push(Trial::test(format!("{name}_is_recognised_and_read_whole"), move || read_whole(&path)));
    }
    if folder.join("slips-test1.nfdump").exists() {
        let capture = folder.join("ndpi-netflowv9.pcap");
        trials.push(Trial::test("a_capture_of_exports_is_accounted_for", move || exports(&capture)));
        let file = folder.join("slips-test1.nfdump");
        trials.push(Trial::test("an_nfdump_file_is_what_nfdump_prints_of_it", move || nfdump(&file)));
    }
    if trials.is_empty() {
        trials.push(Trial::test("messages_of_exporters_are_absent", || Ok(())).with_ignored_flag(true));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data/netflow")
}

fn messages(folder: &Path) -> Vec<PathBuf> {
    let is_message = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "dat");
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_message).collect();
    paths.sort();
    paths
}

/// A record as it was read: its header, its template's number, how many records its message had, and its fields.
struct Event {
    header: Header,
    set: u16,
    in_message: usize,
    fields: Vec<Read>,
}

struct Read {
    enterprise: u32,
    number: u16,
    is_scope: bool,
    bytes: Vec<u8>,
}

fn check(folder: &Path, case: &Json) -> Result<(), Failed> {
    let (mut collector, mut events, mut batch) = (Collector::default(), Vec::new(), Batch::default());
    for file in case["files_in_order"].as_array().into_iter().flatten() {
        let message = fs::read(folder.join(file.as_str().unwrap_or_default()))?;
        let before = events.len();
        collector.message(None, &message, &mut batch, |record, _| events.push(Event::of(record)));
        let in_message = events.len() - before;
        events[before..].iter_mut().for_each(|event| event.in_message = in_message);
    }
    if let Some(expected) = case["events_total_expected"].as_u64().filter(|expected| *expected != events.len() as u64) {
        return Err(format!("{} records, {expected} expected; skipped {:?}", events.len(), batch.skipped).into());
    }
    let expected: Vec<_> = case["expected_events"].as_array().into_iter().flatten().collect();
    let indexes: Vec<_> = case["event_indexes_compared"].as_array().into_iter().flatten().collect();
    // In one case they are listed in another order than they came, in one there are more of them than events.
    for (position, expected) in expected.iter().enumerate() {
        let mut differences = Vec::new();
        for index in &indexes {
            let at = index.as_u64().unwrap_or(u64::MAX) as usize;
            let event = events.get(at).ok_or(format!("no record {at}; skipped {:?}", batch.skipped))?;
            differences.push(event.differences(expected));
        }
        if !differences.iter().any(Vec::is_empty) {
            return Err(format!("event {position}: {differences:#?}").into());
        }
    }
    Ok(())
}

/// A file is recognised by its first bytes, and what it holds is in flows or counted.
fn read_whole(path: &Path) -> Result<(), Failed> {
    let mut input = Input::open(&[path.to_owned()], Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    let report = input.report();
    let is_accounted = !batch.flows.is_empty() || !report.skipped.is_empty() || !report.notes.is_empty();
    let holds_only_templates = path.file_stem().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.contains("tpl") && !name.contains("data")
    });
    if report.lines == 0 || !report.damage.is_empty() || !(is_accounted || holds_only_templates) {
        return Err(format!("{report:?}").into());
    }
    Ok(())
}

/// Ten datagrams of an exporter whose templates were sent before the capture began.
fn exports(path: &Path) -> Result<(), Failed> {
    let mut input = Input::open_as(&[path.to_owned()], Some(&netflow::FORMAT), Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    let report = input.report();
    let skipped: Vec<_> = report.skipped.into_iter().collect();
    if (report.packets, batch.flows.len(), &skipped[..]) != (10, 0, &[("data without a template", 23)]) {
        return Err(format!("{} packets, {} flows, {skipped:?}", report.packets, batch.flows.len()).into());
    }
    Ok(())
}

/// The sums are those that nfdump 1.7.1 prints below its records, the first flow is of its first two records.
fn nfdump(path: &Path) -> Result<(), Failed> {
    let mut input = Input::open(&[path.to_owned()], Settings::default())?;
    let mut batch = Batch::default();
    while input.read(&mut batch)? {}
    let sides = |flow: &Flow| [flow.originator.clone(), flow.responder.clone()];
    let known: u64 = batch.flows.iter().flat_map(sides).filter_map(|side| side.packets).sum();
    let bytes: u64 = batch.flows.iter().flat_map(sides).filter_map(|side| side.bytes).sum();
    if (known, bytes, input.report().skipped.len()) != (4652, 241_025, 0) {
        return Err(format!("{known} packets, {bytes} bytes, {:?}", input.report()).into());
    }
    let first = batch.flows.first().ok_or("no flows")?;
    let told = format!(
        "{} {} {} {} {:?}/{:?} {:?}/{:?} {:?}",
        first.start,
        first.key.originator,
        first.key.responder,
        first.key.protocol,
        first.originator.packets,
        first.originator.bytes,
        first.responder.packets,
        first.responder.bytes,
        first.state
    );
    let expected = "2018-01-12T15:37:30.942000000Z 147.32.80.119:52324 147.32.82.62:902 tcp Some(1)/Some(60) Some(1)/Some(40) Some(Rej)";
    if told == expected { Ok(()) } else { Err(told.into()) }
}

impl Event {
    fn of(record: &Record<'_>) -> Event {
        let read = |(field, bytes): (&source::format::netflow::Field, &[u8])| Read {
            enterprise: field.enterprise,
            number: field.number,
            is_scope: field.is_scope,
            bytes: bytes.to_vec(),
        };
        Event { header: *record.header, set: record.set, in_message: 0, fields: record.fields().map(read).collect() }
    }

    /// What differs from an expected event, in words.
    fn differences(&self, expected: &Json) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(time) = expected["@timestamp"].as_str()
            && milliseconds(self.header.exported) != parsed(time)
        {
            differences.push(format!("@timestamp {time}: {}", self.header.exported));
        }
        for (name, value) in expected["netflow"].as_object().into_iter().flatten() {
            let outcome = self.compare(name, value);
            if let Some(difference) = outcome {
                differences.push(format!("{name} {value}: {difference}"));
            }
        }
        differences
    }

    /// `None` where the field is as expected.
    fn compare(&self, name: &str, expected: &Json) -> Option<String> {
        let Header { version, sequence, domain, sampling, .. } = self.header;
        let stated = match (version, name) {
            (_, "version") => Some(u64::from(version)),
            (_, "flow_seq_num") => Some(u64::from(sequence)),
            (_, "flowset_id") => Some(u64::from(self.set)),
            (5, "flow_records") => Some(self.in_message as u64),
            (5, "engine_type") => Some(u64::from(domain >> 8)),
            (5, "engine_id") => Some(u64::from(domain & 0xff)),
            (5, "sampling_algorithm") => Some(u64::from(sampling >> 14)),
            (5, "sampling_interval") => Some(u64::from(sampling & 0x3fff)),
            _ => None,
        };
        if let Some(stated) = stated {
            return (expected.as_u64() != Some(stated)).then(|| stated.to_string());
        }
        let Some((enterprise, number, is_scope)) = place(name) else { return Some("a name nobody mapped".to_owned()) };
        let is_it = |read: &&Read| {
            (read.enterprise, read.number, read.is_scope && version == 9) == (enterprise, number, is_scope)
        };
        let found = self.fields.iter().find(is_it);
        let Some(read) = found else { return Some("not in the record".to_owned()) };
        (!read.is(name, expected, &self.header)).then(|| format!("{:02x?}", read.bytes))
    }
}

impl Read {
    fn is(&self, name: &str, expected: &Json, header: &Header) -> bool {
        let number = self.bytes.iter().fold(0, |number: u64, &byte| number << 8 | u64::from(byte));
        let text = match expected {
            Json::Number(expected) => return expected.as_u64() == Some(number),
            Json::Object(expected) => {
                return expected["status"].as_u64() == Some(number >> 6)
                    && expected["reason"].as_u64() == Some(number & 0x3f);
            }
            Json::String(text) => text,
            _ => return false,
        };
        match name {
            "first_switched" | "last_switched" => switched(header, number as i64) == parsed(text),
            "application_id" => {
                let rest = number & !(0xff << (8 * (self.bytes.len() - 1)));
                *text == format!("{}..{rest}", self.bytes[0])
            }
            "ingress_acl_id" | "egress_acl_id" => *text == hexadecimal(&self.bytes, 4, "-"),
            _ if name.ends_with("Milliseconds") => number as i64 == parsed(text),
            _ if name.ends_with("Seconds") => number as i64 * 1000 == parsed(text),
            _ if self.bytes.len() == 6 && text.contains(':') => *text == hexadecimal(&self.bytes, 1, ":"),
            _ if text.parse::<std::net::IpAddr>().is_ok() => {
                let octets = match text.parse::<std::net::IpAddr>() {
                    Ok(std::net::IpAddr::V4(address)) => address.octets().to_vec(),
                    Ok(std::net::IpAddr::V6(address)) => address.octets().to_vec(),
                    Err(_) => Vec::new(),
                };
                octets == self.bytes
            }
            // One character a byte, up to the zeros that fill it up.
            _ => self.bytes.iter().map(|&byte| char::from(byte)).collect::<String>().trim_end_matches('\0') == text,
        }
    }
}

fn hexadecimal(bytes: &[u8], group: usize, between: &str) -> String {
    let written = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(group).map(written).collect::<Vec<_>>().join(between)
}

fn milliseconds(time: Time) -> i64 {
    time.nanoseconds().div_euclid(1_000_000)
}

/// The time of a count of milliseconds since the exporter's start, as that decoder reckons it. It forgets to borrow a
/// second where the milliseconds of the message's time are no more than those to be taken off, and is a second late then.
fn switched(header: &Header, since_start: i64) -> i64 {
    let before = i64::from(header.uptime.unwrap_or_default()) - since_start;
    let exported = milliseconds(header.exported);
    let late = if exported.rem_euclid(1000) <= before.rem_euclid(1000) { 1000 } else { 0 };
    exported - before + late
}

/// Milliseconds since 1970 of a time as expected.json has it.
fn parsed(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).map_or(i64::MIN, |time| time.timestamp_millis())
}

/// Enterprise, number, and whether it is a scope of version 9, of a name in expected.json.
fn place(name: &str) -> Option<(u32, u16, bool)> {
    if name == "scope_system" {
        return Some((0, 1, true));
    }
    let renamed = RENAMED.iter().find(|(known, _)| *known == name).map(|(_, number)| (0, *number, false));
    let of_enterprise = || {
        ENTERPRISES
            .iter()
            .find(|(_, _, known)| *known == name)
            .map(|(enterprise, number, _)| (*enterprise, *number, false))
    };
    let registered = || source::format::netflow::element::named(name).map(|element| (0, element.number, false));
    renamed.or_else(of_enterprise).or_else(registered)
}

/// Names that differ from those in the IANA registry.
#[rustfmt::skip]
const RENAMED: &[(&str, u16)] = &[
    ("ipv4_src_addr", 8),
    ("ipv4_dst_addr", 12),
    ("ipv4_next_hop", 15),
    ("input_snmp", 10),
    ("output_snmp", 14),
    ("in_pkts", 2),
    ("in_bytes", 1),
    ("out_pkts", 24),
    ("out_bytes", 23),
    ("first_switched", 22),
    ("last_switched", 21),
    ("l4_src_port", 7),
    ("l4_dst_port", 11),
    ("tcp_flags", 6),
    ("protocol", 4),
    ("src_tos", 5),
    ("src_as", 16),
    ("dst_as", 17),
    ("src_mask", 9),
    ("dst_mask", 13),
    ("ip_protocol_version", 60),
    ("in_src_mac", 56),
    ("in_dst_mac", 80),
    ("src_vlan", 58),
    ("dst_vlan", 59),
    ("direction", 61),
    ("conn_id", 148),
    ("icmp_type", 176),
    ("icmp_code", 177),
    ("xlate_src_addr_ipv4", 40001),
    ("xlate_dst_addr_ipv4", 40002),
    ("xlate_src_port", 40003),
    ("xlate_dst_port", 40004),
    ("fw_event", 40005),
    ("fw_ext_event", 33002),
    ("event_time_msec", 323),
    ("in_permanent_bytes", 85),
    ("flow_start_msec", 152),
    ("ingress_acl_id", 33000),
    ("egress_acl_id", 33001),
    ("username", 40000),
    ("total_flows_exp", 42),
    ("total_pkts_exp", 41),
    ("sampling_interval", 34),
    ("sampling_algorithm", 35),
    ("flow_sampler_id", 48),
    ("engine_id", 39),
    ("if_desc", 83),
    ("rev_flow_delta_bytes", 232),
    ("forwarding_status", 89),
    ("bgp_ipv4_next_hop", 18),
    ("application_id", 95),
    ("application_name", 96),
    ("application_description", 94),
    ("nprobe_proto", 57590),
    ("nprobe_proto_name", 57591),
    ("ipv4_src_prefix", 44),
    ("ipv4_ident", 54),
    ("tcp_src_port", 182),
    ("udp_dst_port", 181),
    ("ip_dscp", 195),
];

/// Elements of enterprises: reverse ones (RFC 5103), YAF, Barracuda, Procera, Viptela.
#[rustfmt::skip]
const ENTERPRISES: &[(u32, u16, &str)] = &[
    (15397, 1, "proceraService"),
    (15397, 2, "proceraBaseService"),
    (15397, 3, "proceraIncomingOctets"),
    (15397, 4, "proceraOutgoingOctets"),
    (15397, 15, "proceraFlowBehavior"),
    (15397, 47, "proceraTemplateName"),
    (15397, 25, "proceraHttpFileLength"),
    // These five are empty in the data: that they are there is compared, not which of them is which.
    (15397, 16, "proceraContentCategories"),
    (15397, 21, "proceraHttpContentType"),
    (15397, 22, "proceraHttpUrl"),
    (15397, 26, "proceraHttpLocation"),
    (15397, 28, "proceraSubscriberIdentifier"),
    (10704, 1, "Timestamp"),
    (10704, 2, "LogOp"),
    (10704, 3, "TrafficType"),
    (10704, 4, "FW_Rule"),
    (10704, 5, "ServiceName"),
    (10704, 6, "Reason"),
    (10704, 7, "ReasonText"),
    (10704, 8, "BindIPv4Address"),
    (10704, 9, "BindTransportPort"),
    (10704, 10, "ConnIPv4Address"),
    (10704, 11, "ConnTransportPort"),
    (10704, 12, "AuditCounter"),
    (41916, 4321, "viptelaVPNId"),
    (6871, 40, "flowAttributes"),
    (6871, 16424, "reverseFlowAttributes"),
    (6871, 33, "silkAppLabel"),
    (6871, 21, "reverseFlowDeltaMilliseconds"),
    (6871, 14, "initialTCPFlags"),
    (6871, 15, "unionTCPFlags"),
    (6871, 16398, "reverseInitialTCPFlags"),
    (6871, 16399, "reverseUnionTCPFlags"),
    (6871, 100, "expiredFragmentCount"),
    (6871, 101, "assembledFragmentCount"),
    (6871, 104, "flowTableFlushEventCount"),
    (6871, 105, "flowTablePeakCount"),
    (6871, 102, "meanFlowRate"),
    (6871, 103, "meanPacketRate"),
    (29305, 85, "reverseOctetTotalCount"),
    (29305, 86, "reversePacketTotalCount"),
    (29305, 58, "reverseVlanId"),
    (29305, 5, "reverseIpClassOfService"),
    (29305, 184, "reverseTcpSequenceNumber"),
];
