//! The columns of CICFlowMeter, against numbers worked out by hand.

mod packets;

use flow::features::cic::Profile;
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Values};
use meter::Settings;
use packets::{CLIENT, SERVER, Wire, ethernet, icmp, ipv6, tcp, tcp_window, udp};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn wire(profile: Profile) -> Wire {
    Wire::with(Settings::default().with_profile(profile))
}

/// The columns of one flow; asks for one by name.
struct Row(flow::Table, usize);

fn row(set: Set, flows: &[Flow], row: usize) -> Row {
    Row(FeatureSet::of(set).table(flows, &mut Hosts::default()), row)
}

impl Row {
    fn get(&self, name: &str) -> f32 {
        match &self.0.column(name).unwrap_or_else(|| panic!("no column {name}")).values {
            Values::Numbers(numbers) => numbers[self.1],
            Values::Categories(_) => panic!("{name} is no number"),
        }
    }

    fn is(&self, expected: &[(&str, f32)]) {
        for (name, value) in expected {
            let found = self.get(name);
            assert!((found - value).abs() <= value.abs() * 1e-6, "{name} is {found}, not {value}");
        }
    }
}

fn fixed(wire: &mut Wire) -> Row {
    row(Set::CicFixed, &[wire.one_flow()], 0)
}

/// SYN, SYN-ACK, ACK, 100 bytes, 300 and 500 bytes back, at 0, 1, 2, 3, 4, 5 ms.
fn conversation() -> Vec<Vec<u8>> {
    vec![
        tcp_window(CLIENT, SERVER, "S", (100, 0), 0, 8192),
        tcp_window(SERVER, CLIENT, "SA", (500, 101), 0, 4096),
        tcp(CLIENT, SERVER, "A", 101, 501, 0),
        tcp(CLIENT, SERVER, "PA", 101, 501, 100),
        tcp(SERVER, CLIENT, "A", 501, 201, 300),
        tcp(SERVER, CLIENT, "PA", 801, 201, 500),
    ]
}

#[test]
fn lengths_are_payload_and_deviations_those_of_a_sample() {
    fixed(wire(Profile::Fixed).send_all(&conversation())).is(&[
        ("Src Port", 40_000.0),
        ("Dst Port", 80.0),
        ("Protocol", 6.0),
        ("Flow Duration", 5000.0),
        ("Total Fwd Packet", 3.0),
        ("Total Bwd packets", 3.0),
        ("Total Length of Fwd Packet", 100.0),
        ("Total Length of Bwd Packet", 800.0),
        ("Fwd Packet Length Max", 100.0),
        ("Fwd Packet Length Min", 0.0),
        ("Fwd Packet Length Mean", 100.0 / 3.0),
        // 0, 0, 100: the squares of the distances from 33.3 make 6,666.7; over 2 and the root.
        ("Fwd Packet Length Std", 57.735_027),
        ("Bwd Packet Length Mean", 800.0 / 3.0),
        // 0, 300, 500: 126,666.7 over 2 and the root.
        ("Bwd Packet Length Std", 251.661_15),
        ("Packet Length Min", 0.0),
        ("Packet Length Max", 500.0),
        ("Packet Length Mean", 150.0),
        // 0, 0, 0, 100, 300, 500: 350,000 - 135,000 = 215,000 over 5.
        ("Packet Length Variance", 43_000.0),
        ("Packet Length Std", 207.364_41),
        ("Average Packet Size", 150.0),
        ("Fwd Segment Size Avg", 100.0 / 3.0),
        ("Flow Bytes/s", 180_000.0),
        ("Flow Packets/s", 1200.0),
        ("Fwd Packets/s", 600.0),
        ("Bwd Packets/s", 600.0),
        ("Down/Up Ratio", 1.0),
        ("Fwd Header Length", 60.0),
        ("Bwd Header Length", 60.0),
        ("Fwd Seg Size Min", 20.0),
        ("Fwd Act Data Pkts", 1.0),
        ("FWD Init Win Bytes", 8192.0),
        ("Bwd Init Win Bytes", 4096.0),
        ("Total TCP Flow Time", 5000.0),
        ("ICMP Type", -1.0),
    ]);
}

#[test]
fn gaps_are_microseconds_of_the_flow_and_of_each_direction() {
    // Forward at 0, 2, 3 ms; backward at 1, 4, 5 ms.
    fixed(wire(Profile::Fixed).send_all(&conversation())).is(&[
        ("Flow IAT Mean", 1000.0),
        ("Flow IAT Std", 0.0),
        ("Flow IAT Max", 1000.0),
        ("Flow IAT Min", 1000.0),
        ("Fwd IAT Total", 3000.0),
        ("Fwd IAT Mean", 1500.0),
        ("Fwd IAT Std", 707.106_8),
        ("Bwd IAT Total", 4000.0),
        ("Bwd IAT Max", 3000.0),
        ("Bwd IAT Min", 1000.0),
        ("Bwd IAT Std", 1_414.213_6),
    ]);
}

#[test]
fn flags_are_counted_on_every_packet() {
    fixed(wire(Profile::Fixed).send_all(&conversation())).is(&[
        ("SYN Flag Count", 2.0),
        ("ACK Flag Count", 5.0),
        ("PSH Flag Count", 2.0),
        ("Fwd PSH Flags", 1.0),
        ("Bwd PSH Flags", 1.0),
        ("FIN Flag Count", 0.0),
        ("CWR Flag Count", 0.0),
    ]);
}

#[test]
fn ipv6_is_measured_as_ipv4() {
    let mut six = wire(Profile::Fixed);
    for (frame, from_client) in conversation().iter().zip([true, false, true, true, false, false]) {
        let (from, to) = if from_client { (1, 2) } else { (2, 1) };
        six.send(&ethernet(0x86dd, &ipv6(from, to, 6, &frame[34..])));
    }
    let (four, six) = (fixed(wire(Profile::Fixed).send_all(&conversation())), fixed(&mut six));
    for column in four.0.columns() {
        assert_eq!(four.get(&column.name), six.get(&column.name), "{}", column.name);
    }
}

#[test]
fn a_bulk_is_four_packets_with_payload_and_none_the_other_way() {
    let mut wire = wire(Profile::Fixed);
    let (there, back) = ((A, 5000), (B, 9999));
    // Three, an answer, then five: 10 ms from the first to the last of these.
    for _ in 0..3 {
        wire.send(&udp(there, back, 100));
    }
    wire.send(&udp(back, there, 10));
    wire.send(&udp(there, back, 100)).wait(0.006);
    for _ in 0..4 {
        wire.send(&udp(there, back, 100));
    }
    fixed(&mut wire).is(&[
        ("Fwd Bytes/Bulk Avg", 500.0),
        ("Fwd Packet/Bulk Avg", 5.0),
        ("Fwd Bulk Rate Avg", 50_000.0),
        ("Bwd Bytes/Bulk Avg", 0.0),
        ("Bwd Packet/Bulk Avg", 0.0),
        ("Bwd Bulk Rate Avg", 0.0),
    ]);
}

#[test]
fn a_gap_of_more_than_a_second_parts_bulks_and_subflows() {
    let mut wire = wire(Profile::Fixed);
    for wait in [0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0] {
        wire.send(&udp((A, 5000), (B, 9999), 100)).wait(wait);
    }
    fixed(&mut wire).is(&[
        ("Fwd Packet/Bulk Avg", 4.0),
        ("Fwd Bytes/Bulk Avg", 400.0),
        // Twice 400 bytes in 3 ms.
        ("Fwd Bulk Rate Avg", 800.0 / 0.006),
        ("Subflow Fwd Packets", 4.0),
        ("Subflow Fwd Bytes", 400.0),
        ("Subflow Bwd Packets", 0.0),
    ]);
}

#[test]
fn activity_is_what_lies_between_gaps_of_more_than_five_seconds() {
    let mut wire = wire(Profile::Fixed);
    // At 0, 2, 8, 9, 19 and 20 s: 2 s, a gap of 6, 1 s, a gap of 10; the last second goes on.
    for wait in [2.0, 6.0, 1.0, 10.0, 1.0, 0.0] {
        wire.send(&udp((A, 5000), (B, 9999), 100)).wait(wait - 0.001);
    }
    fixed(&mut wire).is(&[
        ("Active Mean", 1_500_000.0),
        ("Active Max", 2_000_000.0),
        ("Active Min", 1_000_000.0),
        ("Active Std", 707_106.8),
        ("Idle Mean", 8_000_000.0),
        ("Idle Max", 10_000_000.0),
        ("Idle Min", 6_000_000.0),
        ("Idle Std", 2_828_427.0),
    ]);
}

#[test]
fn a_flow_of_an_instant_has_rates_of_nought() {
    fixed(wire(Profile::Fixed).send(&udp((A, 1), (B, 2), 10))).is(&[
        ("Flow Duration", 0.0),
        ("Flow Bytes/s", 0.0),
        ("Flow Packets/s", 0.0),
        ("Flow IAT Std", 0.0),
        ("Fwd Act Data Pkts", 1.0),
        ("Fwd Seg Size Min", 8.0),
        ("Bwd Packet Length Mean", 0.0),
        ("Total TCP Flow Time", 0.0),
    ]);
}

#[test]
fn icmp_has_a_type_and_a_code_and_no_payload() {
    fixed(wire(Profile::Fixed).send(&icmp(A, B, 3, 1, 28))).is(&[
        ("Protocol", 1.0),
        ("Src Port", 0.0),
        ("ICMP Type", 3.0),
        ("ICMP Code", 1.0),
        ("Total Length of Fwd Packet", 0.0),
        ("Fwd Header Length", 0.0),
    ]);
}

#[test]
fn ratios_and_averages_are_broken_numbers() {
    let mut wire = wire(Profile::Fixed);
    wire.send(&udp((A, 5000), (B, 53), 1)).send(&udp((A, 5000), (B, 53), 1)).send(&udp((B, 53), (A, 5000), 1));
    fixed(&mut wire).is(&[("Down/Up Ratio", 0.5), ("Subflow Bwd Packets", 1.0)]);
}

#[test]
fn a_conversation_closed_by_both_is_one_flow() {
    let mut wire = wire(Profile::Fixed);
    wire.send_all(&conversation());
    wire.send(&tcp(SERVER, CLIENT, "FA", 1301, 201, 0));
    wire.send(&tcp(CLIENT, SERVER, "FA", 201, 1302, 0));
    wire.send(&tcp(SERVER, CLIENT, "A", 1302, 202, 0));
    fixed(&mut wire).is(&[("FIN Flag Count", 2.0), ("Total Bwd packets", 5.0)]);
}

#[test]
fn of_2017_the_first_fin_ends_a_flow_and_the_rest_is_another() {
    let mut wire = wire(Profile::Compat2017);
    wire.send_all(&conversation());
    wire.send(&tcp(SERVER, CLIENT, "FA", 1301, 201, 0));
    wire.send(&tcp(CLIENT, SERVER, "FA", 201, 1302, 0));
    wire.send(&tcp(SERVER, CLIENT, "A", 1302, 202, 0));
    let (flows, _) = wire.end();
    let packets: Vec<_> = flows.iter().map(|flow| flow.packets().unwrap()).collect();
    assert_eq!(packets, [7, 1, 1]);
    let set = FeatureSet::of(Set::Cic2017Compat);
    assert_eq!(flows.iter().map(|flow| set.admits(flow)).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn of_2017_a_reset_and_another_syn_end_nothing() {
    let mut wire = wire(Profile::Compat2017);
    wire.send(&tcp(CLIENT, SERVER, "S", 1, 0, 0)).send(&tcp(SERVER, CLIENT, "RA", 0, 2, 0)).wait(60.0);
    wire.send(&tcp(CLIENT, SERVER, "S", 9, 0, 0));
    assert_eq!(wire.one_flow().packets(), Some(3));
}

#[test]
fn of_2017_a_flow_is_cut_after_two_minutes_and_a_reply_then_counts_as_forward() {
    let mut wire = wire(Profile::Compat2017);
    wire.send(&udp((A, 5000), (B, 53), 10)).send(&udp((B, 53), (A, 5000), 20)).wait(121.0);
    wire.send(&udp((B, 53), (A, 5000), 30)).send(&udp((B, 53), (A, 5000), 40));
    let (flows, _) = wire.end();
    assert_eq!(flows.len(), 2);
    row(Set::Cic2017Compat, &flows, 1).is(&[
        ("Source Port", 5000.0),
        ("Total Fwd Packets", 1.0),
        ("Total Backward Packets", 1.0),
        ("Total Length of Fwd Packets", 30.0),
        ("Total Length of Bwd Packets", 40.0),
    ]);
}

#[test]
fn of_2017_a_syn_ack_first_is_the_originators() {
    let mut wire = wire(Profile::Compat2017);
    wire.send(&tcp(SERVER, CLIENT, "SA", 1, 2, 0)).send(&tcp(CLIENT, SERVER, "A", 2, 2, 0));
    row(Set::Cic2017Compat, &[wire.one_flow()], 0).is(&[("Source Port", 80.0), ("Destination Port", 40_000.0)]);
}

#[test]
fn of_2017_the_columns_are_wrong_in_the_known_ways() {
    let mut wire = wire(Profile::Compat2017);
    let (there, back) = ((A, 5000), (B, 53));
    wire.send(&udp(there, back, 90)).send(&udp(there, back, 30)).send(&udp(back, there, 10));
    row(Set::Cic2017Compat, &[wire.one_flow()], 0).is(&[
        // 90 twice.
        ("Packet Length Mean", 55.0),
        ("Average Packet Size", 220.0 / 3.0),
        ("Fwd Packet Length Mean", 60.0),
        ("Down/Up Ratio", 0.0),
        ("Subflow Fwd Packets", 2.0),
        ("Subflow Fwd Bytes", 120.0),
        ("act_data_pkt_fwd", 1.0),
        ("Init_Win_bytes_forward", -1.0),
        ("Init_Win_bytes_backward", -1.0),
    ]);
    let mut wire = self::wire(Profile::Compat2017);
    wire.send_all(&conversation());
    row(Set::Cic2017Compat, &[wire.one_flow()], 0).is(&[
        ("SYN Flag Count", 1.0),
        ("PSH Flag Count", 1.0),
        ("Fwd PSH Flags", 0.0),
        ("Bwd PSH Flags", 0.0),
        ("Init_Win_bytes_forward", 8192.0),
        ("Init_Win_bytes_backward", 1000.0),
        ("Fwd Avg Bytes/Bulk", 0.0),
    ]);
}

#[test]
fn of_2017_the_gap_before_the_closing_fin_is_no_idle_time() {
    let mut wire = wire(Profile::Compat2017);
    wire.send_all(&conversation()).wait(10.0).send(&tcp(SERVER, CLIENT, "FA", 1301, 201, 0));
    row(Set::Cic2017Compat, &[wire.one_flow()], 0).is(&[("Idle Max", 0.0), ("Active Max", 0.0)]);
}

#[test]
fn a_flow_counted_by_the_other_rules_tells_only_what_any_log_tells() {
    let flow = wire(Profile::Fixed).send_all(&conversation()).one_flow();
    let row = row(Set::Cic2017Compat, &[flow], 0);
    row.is(&[("Total Fwd Packets", 3.0), ("Flow Duration", 5000.0)]);
    assert!(row.get("Flow IAT Mean").is_nan() && row.get("Packet Length Mean").is_nan());
}

#[test]
fn the_counts_cost_nothing_where_nobody_asks() {
    assert_eq!(Wire::new().send_all(&conversation()).one_flow().cic, None);
}
