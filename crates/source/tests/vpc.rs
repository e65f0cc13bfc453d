//! AWS VPC flow logs, from text to flows.

mod shared;

use std::fmt::Debug;
use std::path::Path;

use flow::{Flow, Side, State};
use libtest_mimic::{Failed, Trial};
use source::Batch;
use source::format::vpc::FlowLog;
use source::format::{Decoder, FORMATS};

type Own = fn() -> Result<(), Failed>;
type Public = fn(&Path) -> Result<(), Failed>;

fn main() {
    let own: [(&str, Own); 16] = [
        ("two_directions_of_one_interface_are_one_flow", directions),
        ("a_record_without_its_counterpart_leaves_the_other_side_unknown", unpaired),
        ("what_was_rejected_met_silence", rejected),
        ("a_lone_syn_met_silence", lone_syn),
        ("each_interval_pairs_with_the_nearest_of_the_other_direction", intervals),
        ("answers_in_any_order_find_their_calls", any_order),
        ("a_later_interval_knows_who_called_in_the_first", later_interval),
        ("records_too_far_apart_in_time_are_two_flows", far_apart),
        ("the_same_conversation_at_two_interfaces_is_two_flows", interfaces),
        ("a_record_delivered_twice_counts_once", duplicates),
        ("endpoints_behind_a_gateway_are_those_of_the_packets", gateway),
        ("skipped_intervals_are_told", lost),
        ("a_log_event_is_read_in_every_wrapping", wrappings),
        ("fields_can_be_configured", configured),
        ("a_log_of_nothing_but_a_header_is_no_error", header_only),
        ("any_cut_of_a_good_log_ends_without_panic", cut),
    ];
    let public: [(&str, &str, Public); 10] = [
        ("aws_default_example_is_read_whole", "aws-vpc-flow/aws-doc-v2-default.log", aws_default),
        ("aws_default_example_compressed_is_the_same", "aws-vpc-flow/aws-doc-v2-default.log.gz", aws_default),
        ("aws_tcp_flags_example_is_read_whole", "aws-vpc-flow/aws-doc-v3-tcp-flags.log", aws_flags),
        ("aws_service_path_example_is_one_flow", "aws-vpc-flow/aws-doc-v5-service-path.log", aws_path),
        ("aws_nat_example_has_no_times", "aws-vpc-flow/aws-doc-nat-gateway.log", aws_nat),
        ("aws_transit_gateway_example_has_no_times", "aws-vpc-flow/aws-doc-v3-transit-gateway.log", aws_transit),
        ("flowlogs_reader_default_is_read_whole", "aws-vpc-flow/flowlogs-reader-v2.log", reader_default),
        (
            "the_one_bad_line_is_skipped",
            "aws-vpc-flow/flowlogs-reader-v5-custom-with-one-bad-line.log",
            reader_bad_line,
        ),
        (
            "a_transit_gateway_record_without_addresses_is_skipped",
            "aws-vpc-flow/flowlogs-reader-v6-transit-gateway.log",
            reader_v6,
        ),
        ("parquet_is_read_like_text", "aws-vpc-flow/flowlogs-reader-flows.parquet", reader_parquet),
    ];
    let own = own.into_iter().map(|(name, check)| Trial::test(name, check));
    let public = public.into_iter().map(|(name, on, check)| shared::trial(name, on, check));
    shared::run(own.chain(public).collect());
}

fn log(text: &str) -> Batch {
    let (mut log, mut batch) = (FlowLog::default(), Batch::default());
    text.lines().for_each(|line| log.decode(line.as_bytes(), &mut batch));
    log.finish(&mut batch);
    batch
}

/// Lines with flags, each `source destination ports flags action start`.
fn flagged(lines: &[(&str, &str, u16, u16, &str, u8, u64)]) -> Batch {
    let mut text = String::from(
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags log-status\n",
    );
    for (source, destination, from, to, action, flags, start) in lines {
        let end = start + 50;
        text.push_str(&format!("eni-1 {source} {destination} {from} {to} 6 5 300 {start} {end} {action} {flags} OK\n"));
    }
    log(&text)
}

fn same<T: PartialEq + Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} where {expected:?} is expected").into()) }
}

fn states(batch: &Batch) -> Vec<Option<State>> {
    batch.flows.iter().map(|flow| flow.state).collect()
}

fn talk(flow: &Flow) -> String {
    format!("{} > {}", flow.key.originator, flow.key.responder)
}

const A: &str = "192.0.2.7";
const B: &str = "198.51.100.9";

fn directions() -> Result<(), Failed> {
    let batch =
        flagged(&[(B, A, 443, 50318, "ACCEPT", 19, 1_700_000_000), (A, B, 50318, 443, "ACCEPT", 3, 1_700_000_001)]);
    same(batch.flows.iter().map(talk).collect(), vec!["192.0.2.7:50318 > 198.51.100.9:443".to_owned()])?;
    same(states(&batch), vec![Some(State::SF)])?;
    let flow = &batch.flows[0];
    same((flow.packets(), flow.bytes(), flow.payload_bytes()), (Some(10), Some(600), None))?;
    same((flow.start.nanoseconds(), flow.end.nanoseconds()), (1_700_000_000_000_000_000, 1_700_000_051_000_000_000))
}

fn unpaired() -> Result<(), Failed> {
    let batch = log("2 1 eni-1 192.0.2.7 198.51.100.9 50318 443 17 20 4249 1418530010 1418530070 ACCEPT OK");
    same(&batch.flows[0].responder, &Side::default())?;
    same(batch.flows[0].state, None)
}

fn rejected() -> Result<(), Failed> {
    let batch = log("2 1 eni-1 192.0.2.7 198.51.100.9 50318 3389 6 20 4249 1418530010 1418530070 REJECT OK");
    same(&batch.flows[0].responder, &Side::SILENT)?;
    same(batch.flows[0].state, Some(State::Rej))?;
    same(batch.flows[0].failed(), true)
}

fn lone_syn() -> Result<(), Failed> {
    let batch = flagged(&[(A, B, 50318, 443, "ACCEPT", 2, 1_700_000_000)]);
    same((states(&batch), batch.flows[0].responder.is_silent()), (vec![Some(State::S0)], true))
}

fn intervals() -> Result<(), Failed> {
    let (one, two) = (1_700_000_000, 1_700_000_060);
    let batch = flagged(&[
        (A, B, 50318, 443, "ACCEPT", 2, one),
        (A, B, 50318, 443, "ACCEPT", 1, two),
        (B, A, 443, 50318, "ACCEPT", 1, two),
        (B, A, 443, 50318, "ACCEPT", 18, one),
    ]);
    let starts: Vec<i64> = batch.flows.iter().map(|flow| flow.start.nanoseconds() / 1_000_000_000).collect();
    same(starts, vec![two as i64, one as i64])?;
    // The SYNs stood in the first interval.
    same(states(&batch), vec![Some(State::Oth), Some(State::S1)])
}

fn any_order() -> Result<(), Failed> {
    let interval = |number: u64| 1_700_000_000 + 60 * number;
    let call = |number| (A, B, 50318, 443, "ACCEPT", 0, interval(number));
    let answer = |number| (B, A, 443, 50318, "ACCEPT", 0, interval(number));
    for order in [[1, 2, 0], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
        let batch = flagged(&[call(0), call(1), call(2), answer(order[0]), answer(order[1]), answer(order[2])]);
        let starts: Vec<i64> = batch.flows.iter().map(|flow| flow.start.nanoseconds() / 1_000_000_000).collect();
        same(starts, order.map(|number| interval(number) as i64).to_vec())?;
        same(batch.flows.iter().all(|flow| flow.packets() == Some(10)), true)?;
    }
    Ok(())
}

fn later_interval() -> Result<(), Failed> {
    let (one, two) = (1_700_000_000, 1_700_000_060);
    let batch = flagged(&[
        (A, B, 443, 50318, "ACCEPT", 2, one),
        (B, A, 50318, 443, "ACCEPT", 18, one),
        (A, B, 443, 50318, "ACCEPT", 1, two),
        (B, A, 50318, 443, "ACCEPT", 1, two),
    ]);
    same(states(&batch), vec![Some(State::S1), Some(State::SF)])?;
    same(batch.flows.iter().map(talk).collect(), vec!["192.0.2.7:443 > 198.51.100.9:50318".to_owned(); 2])?;
    same(batch.flows[1].conversation_start, batch.flows[0].start)
}

fn far_apart() -> Result<(), Failed> {
    let batch =
        flagged(&[(A, B, 50318, 443, "ACCEPT", 2, 1_700_000_000), (B, A, 443, 50318, "ACCEPT", 18, 1_700_000_700)]);
    same(states(&batch), vec![Some(State::S0), Some(State::Shr)])
}

fn interfaces() -> Result<(), Failed> {
    let line = |interface, from, to| {
        format!("2 1 {interface} {from} 17 2 200 1700000000 1700000050 ACCEPT OK\n").replace("TO", to)
    };
    let (there, back) = ("192.0.2.7 198.51.100.9 50318 53", "198.51.100.9 192.0.2.7 53 50318");
    let text = [line("eni-1", there, ""), line("eni-2", there, ""), line("eni-2", back, ""), line("eni-1", back, "")];
    let batch = log(&text.concat());
    same(states(&batch), vec![Some(State::SF); 2])
}

fn duplicates() -> Result<(), Failed> {
    let line = "2 1 eni-1 192.0.2.7 198.51.100.9 50318 443 6 20 4249 1418530010 1418530070 ACCEPT OK\n";
    let batch = log(&line.repeat(3));
    same((batch.flows.len(), batch.notes.get("records delivered twice")), (1, Some(&2)))
}

fn gateway() -> Result<(), Failed> {
    let text = "interface-id srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr protocol start end\n\
                eni-1 10.0.1.5 10.0.0.220 5000 443 10.0.1.5 203.0.113.5 6 1700000000 1700000050\n\
                eni-1 10.0.0.220 10.0.1.5 443 5000 203.0.113.5 10.0.1.5 6 1700000000 1700000050\n";
    let batch = log(text);
    same(batch.flows.iter().map(talk).collect(), vec!["10.0.1.5:5000 > 203.0.113.5:443".to_owned()])?;
    // The log has no counts.
    same(batch.flows[0].packets(), None)
}

fn lost() -> Result<(), Failed> {
    let batch = log(
        "2 1 eni-1 - - - - - - - 1431280876 1431280934 - SKIPDATA\n2 1 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n",
    );
    let told = |word: &str| batch.notes.iter().find(|(note, _)| note.contains(word)).map(|(_, count)| *count);
    same((told("SKIPDATA"), told("NODATA"), told("lost records")), (Some(1), Some(1), Some(1)))?;
    same((batch.flows.len(), batch.skipped.len()), (0, 0))
}

fn wrappings() -> Result<(), Failed> {
    let plain = "2 1 eni-1 192.0.2.7 198.51.100.9 50318 443 6 20 4249 1418530010 1418530070 REJECT OK";
    let expected = log(plain);
    let texts = [
        format!("2014-12-14T04:07:50.000Z {plain}\n"),
        format!("2014-12-14T04:07:50.000000+00:00 eni-1-all {plain}\n"),
        format!("{{\"message\":\"{plain}\"}}\n"),
        format!(
            "{{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{{\"id\":\"1\",\"timestamp\":1418530070000,\"message\":\"{plain}\"}}]}}"
        ),
        format!(
            "{{\n  \"events\": [\n    {{\n      \"timestamp\": 1418530070000,\n      \"message\": \"{plain}\"\n    }}\n  ]\n}}\n"
        ),
        format!("\u{feff}# a remark\n{}\n", plain.replace(' ', "  ")),
    ];
    for text in texts {
        let format = FORMATS
            .iter()
            .find(|format| (format.recognises)(text.as_bytes()))
            .ok_or_else(|| format!("unknown: {text}"))?;
        let (mut decoder, mut batch) = ((format.decoder)(), Batch::default());
        let (mut rest, mut message) = (text.as_bytes(), Vec::new());
        while (format.next_message)(&mut rest, &mut message, &mut batch)? {
            decoder.decode(&message, &mut batch);
            message.clear();
        }
        decoder.finish(&mut batch);
        same(&batch.flows, &expected.flows)?;
        same(batch.skipped.len(), 0)?;
    }
    Ok(())
}

fn configured() -> Result<(), Failed> {
    for fields in [
        "${srcaddr} ${dstaddr} ${dstport} ${protocol} ${start} ${future-field}",
        "srcaddr, dstaddr dstport protocol start future-field",
    ] {
        let (mut log, mut batch) = (FlowLog::with_fields(fields)?, Batch::default());
        log.begin();
        log.decode(b"192.0.2.7 198.51.100.9 443 6 1700000000 x", &mut batch);
        log.decode(b"192.0.2.7 198.51.100.9 443 6 1700000000", &mut batch);
        log.finish(&mut batch);
        same((batch.flows.len(), batch.skipped.values().sum::<u64>()), (1, 1))?;
    }
    let refusal = |fields| FlowLog::with_fields(fields).err().unwrap_or_default();
    same(refusal("${srcaddr} ${start}").contains("dstaddr"), true)?;
    same(refusal("srcaddr dstaddr BY\u{1b}TES").contains("`BY\\u{1b}TES`"), true)
}

fn header_only() -> Result<(), Failed> {
    let batch = log(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
    );
    same(batch, Batch::default())
}

fn cut() -> Result<(), Failed> {
    let format = FORMATS.iter().find(|format| format.name == "vpc").ok_or("no such format")?;
    let text = (format.sample)().join(&b'\n');
    for length in 0..text.len() {
        let (mut decoder, mut batch) = ((format.decoder)(), Batch::default());
        let (mut rest, mut message) = (&text[..length], Vec::new());
        while (format.next_message)(&mut rest, &mut message, &mut batch)? {
            decoder.decode(&message, &mut batch);
            message.clear();
        }
        decoder.finish(&mut batch);
    }
    Ok(())
}

fn aws_default(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((report.lines, report.skipped.len()), (8, 0))?;
    same(batch.flows.len(), 4)?;
    let ping = batch.flows.iter().find(|flow| talk(flow).starts_with("203.0.113.12")).ok_or("no ping")?;
    // It was let in, and its answer was not let out.
    same((ping.state, ping.bytes()), (Some(State::S0), Some(672)))?;
    same(report.notes.iter().filter(|(note, _)| note.contains("DATA")).map(|(_, count)| *count).sum(), 2)
}

fn aws_flags(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((report.lines, report.skipped.len(), batch.flows.len()), (9, 0, 4))?;
    same(batch.flows.iter().all(|flow| flow.key.responder.port == 5001), true)?;
    // Two conversations over two intervals each; the SYNs of one stood in its first.
    same(states(&batch), vec![Some(State::S1), Some(State::S1), Some(State::SF), Some(State::SF)])
}

fn aws_path(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), states(&batch)), (1, vec![Some(State::SF)]))?;
    same(talk(&batch.flows[0]), "10.0.0.71:34210 > 52.95.128.179:80".to_owned())?;
    same(report.notes.keys().any(|note| note.contains("traffic-path 8")), true)
}

fn aws_nat(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.lines), (0, 7))?;
    same(report.skipped.into_iter().collect(), vec![("record without a protocol", 6)])
}

fn aws_transit(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.lines), (0, 5))?;
    same(report.skipped.into_iter().collect(), vec![("record without a start time", 4)])
}

fn reader_default(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((report.lines, report.skipped.len()), (5, 0))?;
    same(states(&batch), vec![None, Some(State::Rej)])?;
    same((batch.flows[0].originator.packets, batch.flows[0].responder.packets), (Some(20), Some(10)))
}

fn reader_bad_line(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    // By the addresses of their packets the two records are of two conversations.
    same((batch.flows.len(), report.lines), (2, 4))?;
    same(report.skipped.into_iter().collect(), vec![("number of values differs from the header", 1)])
}

fn reader_v6(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.lines), (0, 2))?;
    same(report.skipped.into_iter().collect(), vec![("record without addresses", 1)])
}

fn reader_parquet(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((report.lines, batch.flows.len(), report.skipped.len()), (3, 1, 0))?;
    same(report.notes.into_iter().collect(), vec![("aggregation intervals without traffic (NODATA)", 2)])?;
    // Port 443 sent it.
    same(
        (talk(&batch.flows[0]), batch.flows[0].responder.bytes),
        ("192.0.2.1:49152 > 198.51.100.1:443".to_owned(), Some(840)),
    )
}
