//! Export messages become conversations.

mod exported;
mod made;

use exported::{
    ANSWER, CALL, EXPORTED, FIELDS, OneWay, UPTIME, decode, decode_from, host, ipfix, record, set, template, version_5,
    version_7, version_9, with_template,
};
use flow::{Application, Duration, Ended, Flow, Side, State, Time, Tunnel, TunnelKind};
use made::{Order, file, pcap, read, read_bytes};
use proptest::prelude::*;
use source::format::Decoder;
use source::format::netflow::{self, NetFlow};
use source::{Batch, Input, Source};

fn only(batch: &Batch) -> &Flow {
    assert_eq!(batch.flows.len(), 1, "{batch:?}");
    &batch.flows[0]
}

fn skipped(batch: &Batch) -> Vec<(&'static str, u64)> {
    batch.skipped.iter().map(|(reason, count)| (*reason, *count)).collect()
}

fn at(milliseconds: u32) -> Time {
    let boot = i64::from(EXPORTED) * 1000 - i64::from(UPTIME);
    Time::from_nanoseconds((boot + i64::from(milliseconds)) * 1_000_000)
}

#[test]
fn the_two_directions_of_a_conversation_are_one_flow() {
    let messages = [version_5(0, 0, &[ANSWER, CALL]), version_7(0, &[ANSWER, CALL]), with_template(&[CALL, ANSWER])];
    for messages in messages.map(|message| vec![message]) {
        let batch = decode(&messages);
        let flow = only(&batch);
        assert_eq!((flow.key.originator.address, flow.key.responder.port), (host(1), 443));
        assert_eq!((flow.originator.packets, flow.originator.bytes), (Some(10), Some(1000)));
        assert_eq!((flow.responder.packets, flow.responder.bytes), (Some(12), Some(9000)));
        assert_eq!((flow.start, flow.end), (at(CALL.first), at(CALL.last)));
        assert_eq!((flow.state, flow.ended), (Some(State::SF), Ended::Closed));
        assert!(batch.skipped.is_empty());
    }
}

#[test]
fn messages_of_version_7_follow_each_other_in_a_file() {
    let messages = [version_7(0, &[CALL, ANSWER]), version_7(2, &[OneWay { source: (3, 50_001), ..CALL }])].concat();
    let (flows, report) = read_bytes("version-7.dat", &messages).unwrap();
    assert_eq!((flows.len(), report.lines, report.skipped.len()), (2, 2, 0));
}

#[test]
fn a_call_alone_is_unanswered_only_where_the_exporter_is_known_to_see_answers() {
    let call = OneWay { source: (3, 50_001), flags: 0x02, ..CALL };
    let batch = decode(&[version_5(0, 0, &[call])]);
    assert_eq!((only(&batch).responder.clone(), only(&batch).state), (Side::default(), None));
    let batch = decode(&[version_5(0, 0, &[call, CALL, ANSWER])]);
    let flow = &batch.flows[0];
    assert_eq!((flow.responder.clone(), flow.state), (Side::SILENT, Some(State::S0)));
    assert!(flow.failed());
}

#[test]
fn a_server_heard_alone_is_the_responder() {
    let batch = decode(&[version_5(0, 0, &[OneWay { flags: 0x18, ..ANSWER }])]);
    let flow = only(&batch);
    assert_eq!((flow.key.responder.port, flow.responder.packets, flow.originator.packets), (443, Some(12), None));
}

#[test]
fn between_unknown_ports_the_earlier_direction_called() {
    let call = OneWay { source: (1, 40_001), destination: (2, 40_000), ..CALL };
    let answer = OneWay { source: call.destination, destination: call.source, ..ANSWER };
    let batch = decode(&[version_5(0, 0, &[answer, call])]);
    assert_eq!(only(&batch).key.originator.port, 40_001);
}

#[test]
fn a_direction_in_which_nothing_came_did_not_call() {
    let empty = OneWay { source: (2, 0), destination: (1, 0), protocol: 2, packets: 0, bytes: 0, ..ANSWER };
    let report = OneWay { source: (1, 0), destination: (2, 0), protocol: 2, ..CALL };
    let batch = decode(&[version_5(0, 0, &[empty, report])]);
    assert_eq!((only(&batch).key.originator.address, only(&batch).responder.packets), (host(1), Some(0)));
}

#[test]
fn a_rejected_call_is_told_by_its_flags() {
    let (call, answer) = (OneWay { flags: 0x02, ..CALL }, OneWay { flags: 0x14, ..ANSWER });
    assert_eq!(only(&decode(&[version_5(0, 0, &[answer, call])])).state, Some(State::Rej));
}

#[test]
fn counts_of_sampled_traffic_are_scaled_and_silence_means_nothing() {
    let lone = OneWay { source: (3, 50_001), ..CALL };
    let batch = decode(&[version_5(0, 0x4000 | 100, &[CALL, ANSWER, lone])]);
    assert_eq!((batch.flows[0].originator.packets, batch.flows[0].responder.bytes), (Some(1000), Some(900_000)));
    assert_eq!((batch.flows[0].state, batch.flows[1].responder.packets), (None, None));
    assert_eq!(batch.notes["records of sampled traffic, whose counts were scaled"], 3);
}

#[test]
fn a_sampling_rate_told_by_options_is_of_its_sampler() {
    // Scope system, then sampler and interval.
    let options = set(1, &[1, 1, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 1, 0, 50, 0, 2, 0, 0]);
    let rate = set(257, &[0, 0, 0, 0, 3, 0, 10]);
    let fields = [FIELDS, &[(48, 1)]].concat();
    let records = [record(&CALL), vec![3], record(&OneWay { source: (4, 50_000), ..CALL }), vec![4]].concat();
    let batch = decode(&[version_9(1, 0, &[options, rate, set(0, &template(256, &fields)), set(256, &records)])]);
    assert_eq!(batch.flows.iter().map(|flow| flow.originator.packets).collect::<Vec<_>>(), [Some(100), Some(10)]);
}

#[test]
fn a_sampling_rate_in_packets_and_spaces_is_a_ratio() {
    let fields = [FIELDS, &[(305, 4), (306, 4)]].concat();
    let records = [record(&CALL), vec![0, 0, 0, 1, 0, 0, 0, 9]].concat();
    let batch = decode(&[version_9(1, 0, &[set(0, &template(256, &fields)), set(256, &records)])]);
    assert_eq!(only(&batch).originator.packets, Some(100));
}

#[test]
fn templates_of_two_domains_and_of_two_exporters_do_not_mix() {
    let data = version_9(2, 0, &[set(256, &record(&CALL))]);
    let batch = decode_from(&[(1, 0, with_template(&[])), (2, 0, data.clone())]);
    assert_eq!((batch.flows.len(), skipped(&batch)), (0, vec![("data without a template", 1)]));
    let mut other_domain = data;
    other_domain[19] = 8;
    let batch = decode_from(&[(1, 0, with_template(&[])), (1, 0, other_domain)]);
    assert_eq!((batch.flows.len(), skipped(&batch)), (0, vec![("data without a template", 1)]));
}

#[test]
fn data_waits_for_its_template() {
    let batch =
        decode(&[version_9(1, 0, &[set(256, &record(&CALL))]), version_9(2, 1, &[set(0, &template(256, FIELDS))])]);
    assert_eq!((only(&batch).originator.packets, skipped(&batch)), (Some(10), vec![]));
    assert_eq!(batch.notes["sets that waited for their template"], 1);
}

#[test]
fn sets_that_wait_have_bounds() {
    let message = |sequence| version_9(sequence, 0, &[set(256, &vec![7; 60_000])]);
    let batch = decode(&(0..200).map(message).collect::<Vec<_>>());
    assert_eq!(skipped(&batch), [("data without a template", 200)]);
}

#[test]
fn a_message_sent_twice_counts_once_and_a_gap_is_a_loss() {
    let more = OneWay { source: (3, 50_001), ..CALL };
    let first = version_5(0, 0, &[CALL, ANSWER]);
    let batch = decode(&[first.clone(), first, version_5(7, 0, &[more])]);
    assert_eq!((batch.flows.len(), skipped(&batch)), (2, vec![("message sent twice", 1)]));
    assert_eq!(batch.notes["records lost on the way from the exporter"], 5);
}

#[test]
fn the_same_record_in_another_message_counts_once() {
    let batch = decode(&[version_5(0, 0, &[CALL]), version_5(1, 0, &[CALL])]);
    assert_eq!((only(&batch).originator.packets, skipped(&batch)), (Some(10), vec![("record sent twice", 1)]));
}

#[test]
fn what_two_exporters_on_the_path_tell_counts_once() {
    let message = version_5(0, 0, &[CALL, ANSWER]);
    let batch = decode_from(&[(1, 0, message.clone()), (2, 1, message)]);
    assert_eq!(only(&batch).originator.packets, Some(10));
    assert_eq!(skipped(&batch), [("record of packets that another interface or exporter told of", 2)]);
}

#[test]
fn parts_of_a_long_conversation_remember_its_start() {
    let part = |number: u32, flow: &OneWay, flags| OneWay {
        flags,
        first: flow.first + number * 60_000,
        last: flow.first + number * 60_000 + 59_000,
        ..*flow
    };
    let messages: Vec<_> = [(0, 0x1a), (1, 0x18), (2, 0x19)]
        .into_iter()
        .map(|(number, flags)| {
            let records: Vec<u8> = [CALL, ANSWER].iter().flat_map(|flow| record(&part(number, flow, flags))).collect();
            version_9(number + 1, number * 60 + 60, &[set(0, &template(256, FIELDS)), set(256, &records)])
        })
        .collect();
    let batch = decode(&messages);
    assert_eq!(batch.flows.len(), 3, "{batch:?}");
    assert!(batch.flows.iter().all(|flow| flow.conversation_start == at(CALL.first)));
    assert!(batch.flows.iter().all(|flow| flow.key.originator.address == host(1)));
    let states: Vec<_> = batch.flows.iter().map(|flow| flow.state).collect();
    assert_eq!(states, [Some(State::S1), Some(State::S1), Some(State::SF)]);
}

#[test]
fn a_count_of_milliseconds_that_ran_over_is_a_time_before_the_message() {
    let flow = OneWay { first: 0u32.wrapping_sub(1000), last: 10, ..CALL };
    let batch = decode(&[version_5(0, 0, &[flow])]);
    assert_eq!(only(&batch).duration(), Duration::from_millis(1010));
    assert_eq!(only(&batch).end, at(10));
}

#[test]
fn a_query_and_its_reply_are_one_icmp_conversation() {
    let query = OneWay { source: (1, 0), destination: (2, 8 << 8), protocol: 1, ..CALL };
    let reply = OneWay { source: (2, 0), destination: (1, 0), protocol: 1, ..CALL };
    let batch = decode(&[version_5(0, 0, &[reply, query])]);
    let flow = only(&batch);
    assert_eq!((flow.key.originator.port, flow.key.responder.port, flow.key.originator.address), (8, 0, host(1)));
    assert_eq!(flow.state, Some(State::SF));
}

/// A record of absolute times, of elements beside those of [`FIELDS`].
fn with_elements(elements: &[(u16, &[u8])]) -> Batch {
    let own = [(8u16, 4u16), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4)];
    let extra: Vec<_> = elements.iter().map(|(number, value)| (*number, value.len() as u16)).collect();
    let record = record(&CALL);
    let mut record = [&record[..13], &record[14..22]].concat();
    elements.iter().for_each(|(_, value)| record.extend(*value));
    decode(&[ipfix(0, &[set(2, &template(256, &[&own[..], &extra].concat())), set(256, &record)])])
}

#[test]
fn every_way_to_write_a_time_is_read() {
    let seconds = u64::from(EXPORTED) - 10;
    let expected = Time::from_nanoseconds(seconds as i64 * 1_000_000_000);
    let ntp = ((seconds + 2_208_988_800) << 32).to_be_bytes();
    let milliseconds = (seconds * 1000).to_be_bytes();
    let ways: [&[(u16, &[u8])]; 8] = [
        &[(150, &(seconds as u32).to_be_bytes())],
        &[(152, &milliseconds)],
        &[(154, &ntp)],
        &[(156, &ntp)],
        &[(158, &10_000_000u32.to_be_bytes())],
        &[(153, &milliseconds), (161, &[0])],
        &[(160, &(seconds * 1000 - 5).to_be_bytes()), (22, &[0, 0, 0, 5])],
        &[(323, &milliseconds)],
    ];
    for way in ways {
        assert_eq!(only(&with_elements(way)).start, expected, "{way:?}");
    }
    let untimed = with_elements(&[]);
    assert_eq!(only(&untimed).start, Time::from_nanoseconds(i64::from(EXPORTED) * 1_000_000_000));
    assert_eq!(untimed.notes["records without a time of their own, timed by their export"], 1);
}

#[test]
fn an_end_reason_a_vlan_and_a_label_are_taken_over() {
    let batch = with_elements(&[(136, &[2]), (58, &[0, 7]), (70, &[0, 0x3e, 0x91])]);
    let flow = only(&batch);
    assert_eq!((flow.ended, flow.vlan), (Ended::Active, Some(7)));
    assert_eq!(flow.tunnel, Some(Tunnel { kind: TunnelKind::Mpls, id: 1001 }));
}

#[test]
fn a_firewalls_record_of_a_connections_end_tells_both_sides() {
    let batch = with_elements(&[(233, &[2]), (231, &[0, 0, 4, 0]), (232, &[0, 0, 8, 0])]);
    let flow = only(&batch);
    assert_eq!((flow.originator.bytes, flow.responder.bytes), (Some(1000), Some(2048)));
    assert_eq!(flow.ended, Ended::Closed);
    let denied = with_elements(&[(233, &[3])]);
    assert_eq!((only(&denied).state, only(&denied).responder.is_silent()), (Some(State::S0), true));
    let opened = with_elements(&[(233, &[1])]);
    assert_eq!(skipped(&opened), [("firewall event of a connection opened, whose end is told later", 1)]);
}

#[test]
fn the_sample_gives_the_fullest_flow() {
    let messages = netflow::sample();
    let batch = decode(&messages);
    let flow = only(&batch);
    assert_eq!((flow.originator.packets, flow.responder.bytes), (Some(10), Some(9000)));
    assert_eq!((flow.vlan, flow.tunnel), (Some(7), Some(Tunnel { kind: TunnelKind::Vxlan, id: 5000 })));
    assert_eq!((flow.state, flow.ended), (Some(State::SF), Ended::Closed));
    assert_eq!(flow.application, None::<Box<Application>>);
}

#[test]
fn a_field_of_variable_length_is_stepped_over() {
    let name = |text: &[u8]| [&[text.len() as u8], text].concat();
    let long = [&[255, 1, 44][..], &[b'x'; 300]].concat();
    for name in [name(b""), name(b"web"), long] {
        let mut fields = vec![(96, 0xffff)];
        fields.extend(FIELDS);
        let record = [name, record(&CALL)].concat();
        let batch = decode(&[ipfix(0, &[set(2, &template(256, &fields)), set(256, &record)])]);
        assert_eq!(only(&batch).originator.packets, Some(10));
    }
}

#[test]
fn a_count_beyond_what_any_network_carries_is_skipped() {
    let batch = with_elements(&[(85, &[0xff; 8])]);
    assert_eq!(only(&batch).originator.bytes, Some(1000));
    let scaled = with_elements(&[(34, &[0xff; 8])]);
    assert_eq!(skipped(&scaled), [("count beyond what any network carries", 1)]);
}

#[test]
fn files_of_messages_one_after_the_other_are_read_to_their_end() {
    let call = OneWay { source: (3, 50_001), ..CALL };
    let five = [version_5(0, 0, &[CALL, ANSWER]), version_5(2, 0, &[call])].concat();
    let nine = [with_template(&[CALL, ANSWER]), version_9(2, 1, &[set(256, &record(&call))])].concat();
    let templates = ipfix(0, &[set(2, &template(256, FIELDS))]);
    let ten = [templates, ipfix(0, &[set(256, &[record(&CALL), record(&call)].concat())])].concat();
    for (name, bytes, messages) in [("five.dat", five, 2), ("nine.dat", nine, 2), ("ten.dat", ten, 2)] {
        let (flows, report) = read_bytes(name, &bytes).unwrap();
        assert_eq!((flows.len(), report.lines, report.skipped.len()), (2, messages, 0), "{name} {report:?}");
    }
}

#[test]
fn a_file_read_through_any_buffer_is_the_same_messages() {
    let call = OneWay { source: (3, 50_001), ..CALL };
    let more = version_9(2, 1, &[set(0, &template(256, FIELDS)), set(256, &record(&call))]);
    let file = [with_template(&[CALL, ANSWER]), more, version_5(0, 0, &[ANSWER]), netflow::sample().concat()].concat();
    let whole = decode_file(&file);
    assert_eq!(whole.len(), 2);
    for capacity in 1..file.len() {
        assert_eq!(decode_reader(std::io::BufReader::with_capacity(capacity, &file[..])), whole, "{capacity}");
    }
}

/// The datagrams between an exporter and its collector, as Ethernet frames.
fn captured(messages: &[Vec<u8>]) -> Vec<u8> {
    let frame = |message: &Vec<u8>| {
        let length = 28 + message.len() as u16;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend(length.to_be_bytes());
        frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 201, 10, 0, 0, 250, 0x80, 0, 8, 7]);
        frame.extend((length - 20).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(message);
        (u64::from(EXPORTED) * 1_000_000_000, frame)
    };
    pcap(&messages.iter().map(frame).collect::<Vec<_>>(), Order::Little, false)
}

fn read_as_netflow(bytes: &[u8]) -> (Vec<Flow>, source::Report) {
    let path = file("exports.pcap", bytes);
    let mut input = Input::open(
        std::slice::from_ref(&path),
        source::Settings { format: Some(&netflow::FORMAT), ..Default::default() },
    )
    .unwrap();
    let mut batch = Batch::default();
    while input.read(&mut batch).unwrap() {}
    std::fs::remove_file(path).unwrap();
    (batch.flows, input.report())
}

#[test]
fn a_capture_of_exports_is_the_flows_inside_or_the_flow_of_the_exporter() {
    let bytes = captured(&[with_template(&[CALL, ANSWER]), version_9(2, 1, &[set(300, &[0; 8])])]);
    let (flows, report) = read_as_netflow(&bytes);
    assert_eq!((flows.len(), flows[0].key.responder.port, report.packets), (1, 443, 2));
    assert_eq!(report.skipped["data without a template"], 1);
    let (flows, report) = read_bytes("exports.pcap", &bytes).unwrap();
    assert_eq!((flows.len(), flows[0].key.responder.port, report.packets), (1, 2055, 2));
}

#[test]
fn a_fragment_of_a_datagram_is_skipped_and_counted() {
    let mut bytes = captured(&[with_template(&[CALL])]);
    // More fragments follow: in the IP header after the headers of file, packet and Ethernet.
    bytes[24 + 16 + 14 + 6] = 0x20;
    assert_eq!(read_as_netflow(&bytes).1.skipped["fragment of a datagram"], 1);
}

#[test]
fn other_packets_and_other_datagrams_are_skipped_and_counted() {
    let (flows, report) = read_as_netflow(&pcap(&made::packets(), Order::Big, true));
    let skipped: u64 = report.skipped.values().sum();
    assert_eq!((flows.len(), skipped, report.packets), (0, 20, 20), "{report:?}");
}

#[test]
fn two_files_share_templates_and_lose_nothing_between_them() {
    let paths = [
        file("templates.dat", &version_9(1, 0, &[set(0, &template(256, FIELDS))])),
        file("data.dat", &version_9(900, 1, &[set(256, &record(&CALL))])),
    ];
    let (flows, report) = read(&paths).unwrap();
    assert_eq!(
        (flows.len(), report.notes["templates told by exporters"], report.skipped.len()),
        (1, 1, 0),
        "{report:?}"
    );
}

fn samples() -> Vec<Vec<u8>> {
    let sample = netflow::sample().concat();
    vec![version_5(0, 0, &[CALL, ANSWER]), with_template(&[CALL, ANSWER, OneWay { source: (3, 1), ..CALL }]), sample]
}

#[test]
fn a_message_cut_anywhere_gives_whole_records_only() {
    for sample in samples() {
        let (mut collector, mut whole) = (netflow::Collector::default(), Vec::new());
        let mut batch = Batch::default();
        collector.message(None, &sample, &mut batch, |record, _| whole.push(format!("{record:?}")));
        for length in 0..sample.len() {
            let (mut collector, mut records) = (netflow::Collector::default(), Vec::new());
            let cut = &sample[..length];
            collector.message(None, cut, &mut batch, |record, _| records.push(format!("{record:?}")));
            assert!(whole.starts_with(&records), "{length}: {records:?}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_no_flow_that_the_whole_has_not() {
    for sample in samples() {
        let endpoints = |flows: &[Flow]| flows.iter().map(|flow| flow.key).collect::<Vec<_>>();
        let whole = endpoints(&decode_file(&sample));
        for length in 0..sample.len() {
            let flows = endpoints(&decode_file(&sample[..length]));
            assert!(flows.iter().all(|key| whole.contains(key)), "{length}");
        }
    }
}

fn decode_file(bytes: &[u8]) -> Vec<Flow> {
    decode_reader(bytes)
}

fn decode_reader(mut bytes: impl std::io::BufRead) -> Vec<Flow> {
    let (mut decoder, mut batch, mut message) = (NetFlow::default(), Batch::default(), Vec::new());
    while (netflow::FORMAT.next_message)(&mut bytes, &mut message, &mut batch).unwrap() {
        decoder.decode(&message, &mut batch);
        message.clear();
    }
    decoder.finish(&mut batch);
    batch.flows
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_file(&bytes);
    }

    #[test]
    fn any_change_of_good_messages_ends_without_panic(
        which in 0..3usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode_file(&bytes);
    }
}
