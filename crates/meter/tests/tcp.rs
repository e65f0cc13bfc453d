//! TCP conversations: where they begin and end, who called, what their state is named, what repeats.

mod packets;

use flow::{Ended, Flow, State};
use packets::{At, CLIENT, SERVER, Wire, segment, tcp, tcp_window, whole_conversation};

fn state_of(segments: &[Vec<u8>]) -> State {
    Wire::new().send_all(segments).one_flow().state.unwrap()
}

fn c(flags: &str, sequence: u32, acknowledgement: u32, payload: usize) -> Vec<u8> {
    tcp(CLIENT, SERVER, flags, sequence, acknowledgement, payload)
}

fn s(flags: &str, sequence: u32, acknowledgement: u32, payload: usize) -> Vec<u8> {
    tcp(SERVER, CLIENT, flags, sequence, acknowledgement, payload)
}

fn opening() -> Vec<Vec<u8>> {
    vec![c("S", 100, 0, 0), s("SA", 500, 101, 0), c("A", 101, 501, 0)]
}

fn opened_then(rest: &[Vec<u8>]) -> Vec<Vec<u8>> {
    [opening(), rest.to_vec()].concat()
}

fn retransmissions(flow: &Flow) -> [u32; 2] {
    [&flow.originator, &flow.responder].map(|side| side.detail.unwrap().retransmissions)
}

#[test]
fn syn_without_reply_is_one_flow() {
    let flow = Wire::new().send(&c("S", 100, 0, 0)).one_flow();
    assert_eq!((flow.packets(), flow.state), (Some(1), Some(State::S0)));
    assert_eq!(flow.key.originator.port, CLIENT.1);
}

#[test]
fn a_whole_conversation_is_one_flow_named_sf() {
    let mut wire = Wire::new();
    wire.send_all(&whole_conversation());
    let flow = wire.one_flow();
    assert_eq!((flow.state, flow.ended, flow.packets()), (Some(State::SF), Ended::Closed, Some(9)));
    assert_eq!((flow.originator.payload_bytes, flow.responder.payload_bytes), (Some(50), Some(200)));
    assert_eq!((flow.originator.bytes, flow.responder.bytes), (Some(5 * 40 + 50), Some(4 * 40 + 200)));
}

#[test]
fn appendix_after_a_server_side_close_is_no_flow() {
    let mut wire = Wire::new();
    wire.send_all(&whole_conversation());
    wire.send(&s("FA", 701, 151, 0)).wait(1.0).send(&c("A", 152, 702, 0));
    assert_eq!(wire.one_flow().packets(), Some(11));
}

#[test]
fn the_first_fin_does_not_end_the_flow() {
    let mut wire = Wire::new();
    wire.send_all(&opening());
    wire.send(&c("FA", 101, 501, 0)).send(&s("A", 501, 102, 0));
    for part in 0..200 {
        wire.wait(30.0).send(&s("A", 501 + part * 1000, 102, 1000));
    }
    let (flows, _) = wire.end();
    // The long download of a half-closed conversation is cut by the active timeout alone.
    assert!(flows.iter().all(|flow| flow.conversation_start == flows[0].start));
    assert!(flows[..flows.len() - 1].iter().all(|flow| flow.ended == Ended::Active));
    assert_eq!(flows.iter().map(|flow| flow.responder.payload_bytes.unwrap()).sum::<u64>(), 200_000);
}

#[test]
fn a_new_syn_after_the_close_is_a_new_flow() {
    let mut wire = Wire::new();
    wire.send_all(&whole_conversation());
    let (flows, _) = wire.send(&c("S", 9000, 0, 0)).end();
    assert_eq!(flows.iter().map(Flow::packets).collect::<Vec<_>>(), [Some(9), Some(1)]);
    assert_eq!(flows[1].state, Some(State::S0));
}

#[test]
fn a_new_syn_after_a_reset_is_a_new_flow() {
    let mut wire = Wire::new();
    for attempt in 0..3 {
        wire.send(&c("S", 100 + attempt, 0, 0)).send(&s("RA", 0, 101 + attempt, 0));
    }
    let (flows, _) = wire.end();
    assert_eq!(flows.len(), 3);
    assert!(flows.iter().all(|flow| flow.state == Some(State::Rej)));
}

#[test]
fn a_syn_repeated_after_its_refusal_stays_in_its_flow() {
    let mut wire = Wire::new();
    for _ in 0..3 {
        wire.send(&c("S", 100, 0, 0)).send(&s("RA", 0, 101, 0)).wait(0.5);
    }
    let flow = wire.one_flow();
    assert_eq!((flow.state, flow.packets(), retransmissions(&flow)), (Some(State::Rej), Some(6), [2, 0]));
}

#[test]
fn the_same_syn_after_an_orderly_close_is_a_new_flow() {
    let (flows, _) = Wire::new().send_all(&whole_conversation()).send_all(&whole_conversation()).end();
    assert_eq!(flows.iter().map(Flow::packets).collect::<Vec<_>>(), [Some(9), Some(9)]);
}

#[test]
fn a_new_syn_where_the_close_was_missed_is_a_new_flow() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[c("PA", 101, 501, 10), c("FA", 111, 501, 0)]));
    let (flows, _) = wire.wait(60.0).send(&c("S", 70_000, 0, 0)).end();
    assert_eq!(
        flows.iter().map(|flow| (flow.packets(), flow.ended)).collect::<Vec<_>>(),
        [(Some(5), Ended::Closed), (Some(1), Ended::Input)]
    );
}

#[test]
fn the_same_ports_after_the_idle_timeout_are_a_new_flow() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[]));
    let (flows, _) = wire.wait(121.0).send(&c("A", 101, 501, 5)).end();
    assert_eq!(
        flows.iter().map(|flow| (flow.packets(), flow.ended)).collect::<Vec<_>>(),
        [(Some(3), Ended::Idle), (Some(1), Ended::Input)]
    );
}

#[test]
fn a_repeated_syn_stays_in_its_flow_whatever_its_number() {
    let flow = Wire::new().send(&c("S", 100, 0, 0)).send(&c("S", 100, 0, 0)).send(&c("S", 7, 0, 0)).one_flow();
    assert_eq!((flow.packets(), flow.state), (Some(3), Some(State::S0)));
    assert_eq!(retransmissions(&flow), [1, 0]);
}

#[test]
fn a_syn_with_payload_is_counted_once() {
    let mut wire = Wire::new();
    wire.send(&c("S", 100, 0, 10)).send(&c("S", 100, 0, 10));
    let flow = wire.send(&s("SA", 500, 111, 0)).send(&c("A", 111, 501, 5)).one_flow();
    assert_eq!(retransmissions(&flow), [1, 0]);
    assert_eq!((flow.originator.payload_bytes, flow.state), (Some(25), Some(State::S1)));
}

#[test]
fn a_syn_ack_first_names_its_receiver_the_originator() {
    let flow = Wire::new().send(&s("SA", 500, 101, 0)).one_flow();
    assert_eq!((flow.key.originator.port, flow.responder.packets), (CLIENT.1, Some(1)));
    // As in Zeek, whose history is ^h.
    assert_eq!((flow.state, flow.history.unwrap().as_str()), (Some(State::Oth), "^h"));
}

#[test]
fn a_syn_behind_its_syn_ack_opens_the_conversation() {
    let flow = Wire::new().send(&s("SA", 500, 101, 0)).send(&c("S", 100, 0, 0)).send(&c("A", 101, 501, 0)).one_flow();
    assert_eq!((flow.key.originator.port, flow.state), (CLIENT.1, Some(State::S1)));
}

#[test]
fn from_the_middle_the_known_port_is_the_one_called() {
    let flow = Wire::new().send(&s("A", 501, 151, 100)).one_flow();
    assert_eq!((flow.key.responder.port, flow.responder.packets), (SERVER.1, Some(1)));
    assert_eq!(flow.state, Some(State::Oth));
}

#[test]
fn a_simultaneous_open_is_established() {
    let [one, other]: [At; 2] = [([10, 0, 0, 1], 6000), ([10, 0, 0, 2], 6000)];
    let mut wire = Wire::new();
    wire.send(&tcp(one, other, "S", 100, 0, 0)).send(&tcp(other, one, "S", 500, 0, 0));
    let flow = wire.send(&tcp(one, other, "SA", 100, 501, 0)).send(&tcp(other, one, "SA", 500, 101, 0)).one_flow();
    assert_eq!((flow.state, flow.originator.packets), (Some(State::S1), Some(2)));
}

#[test]
fn after_the_active_timeout_a_reply_is_still_the_responders() {
    let mut wire = Wire::new();
    wire.send_all(&opening());
    for part in 0..31 {
        wire.wait(60.0).send(&s("A", 501 + part, 101, 1));
    }
    let (flows, _) = wire.end();
    assert_eq!(flows.len(), 2);
    assert_eq!((flows[1].originator.packets, flows[1].key.responder.port), (Some(0), SERVER.1));
    assert_eq!((flows[1].conversation_start, flows[1].state), (flows[0].start, Some(State::S1)));
}

#[test]
fn states_are_those_of_zeek() {
    let cases: [(State, Vec<Vec<u8>>); 19] = [
        (State::S0, vec![c("S", 100, 0, 0), c("S", 100, 0, 0)]),
        (State::S1, opening()),
        (State::S1, vec![c("S", 100, 0, 0), s("SA", 500, 101, 0)]),
        (State::SF, opened_then(&[c("FA", 101, 501, 0), s("FA", 501, 102, 0)])),
        (State::Rej, vec![c("S", 100, 0, 0), s("RA", 0, 101, 0)]),
        (State::S2, opened_then(&[c("FA", 101, 501, 0), s("A", 501, 102, 0)])),
        (State::S3, opened_then(&[s("FA", 501, 101, 0), c("A", 101, 502, 0)])),
        (State::Rsto, opened_then(&[c("R", 101, 0, 0)])),
        (State::Rsto, vec![c("S", 100, 0, 0), s("SA", 500, 101, 0), c("R", 101, 0, 0)]),
        (State::Rstr, opened_then(&[c("PA", 101, 501, 5), s("R", 501, 0, 0)])),
        (State::Rstos0, vec![c("S", 100, 0, 0), c("R", 101, 0, 0)]),
        (State::Rstrh, vec![s("SA", 500, 101, 0), s("R", 501, 0, 0)]),
        (State::Sh, vec![c("S", 100, 0, 0), c("FA", 101, 0, 0)]),
        (State::Shr, vec![s("SA", 500, 101, 0), s("FA", 501, 101, 0)]),
        (State::Oth, vec![c("A", 101, 501, 10), s("A", 501, 111, 10)]),
        // Probes of closed ports: FIN, then without flags.
        (State::Rstr, vec![c("F", 100, 0, 0), s("RA", 0, 101, 0)]),
        (State::Rstrh, vec![c("", 100, 0, 0), s("RA", 0, 101, 0)]),
        // A RST behind both FINs takes nothing back; behind one it aborts.
        (State::SF, opened_then(&[c("FA", 101, 501, 0), s("FA", 501, 102, 0), c("R", 102, 0, 0)])),
        (State::Rsto, opened_then(&[c("FA", 101, 501, 0), s("A", 501, 102, 9), c("R", 102, 0, 0)])),
    ];
    for (position, (state, segments)) in cases.iter().enumerate() {
        assert_eq!(state_of(segments), *state, "case {position}");
    }
}

#[test]
fn every_packets_flags_are_counted() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[c("PAU", 101, 501, 1), c("PAEC", 102, 501, 1)]));
    let flags = wire.one_flow().originator.detail.unwrap().flags;
    assert_eq!((flags.syn, flags.ack, flags.psh, flags.urg, flags.ece, flags.cwr), (1, 3, 2, 1, 1, 1));
}

#[test]
fn the_initial_window_is_that_of_the_first_packet() {
    let mut wire = Wire::new();
    wire.send(&tcp_window(CLIENT, SERVER, "S", (100, 0), 0, 11)).send(&tcp_window(
        SERVER,
        CLIENT,
        "SA",
        (5, 101),
        0,
        22,
    ));
    let flow = wire.send(&tcp_window(SERVER, CLIENT, "A", (6, 101), 5, 33)).one_flow();
    assert_eq!(
        [&flow.originator, &flow.responder].map(|side| side.detail.unwrap().initial_window),
        [Some(11), Some(22)]
    );
}

#[test]
fn zero_windows_are_counted_but_not_those_of_a_reset() {
    let mut wire = Wire::new();
    wire.send_all(&opening());
    wire.send(&tcp_window(SERVER, CLIENT, "A", (501, 101), 0, 0));
    let flow = wire.send(&tcp_window(SERVER, CLIENT, "R", (501, 0), 0, 0)).one_flow();
    assert_eq!(flow.responder.detail.unwrap().zero_windows, 1);
}

#[test]
fn repeated_bytes_are_retransmissions() {
    let data = c("PA", 101, 501, 50);
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[data.clone(), data.clone(), data, s("A", 501, 151, 0)]));
    assert_eq!(retransmissions(&wire.one_flow()), [2, 0]);
}

#[test]
fn bytes_that_fill_a_gap_are_out_of_order_not_repeated() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[c("A", 111, 501, 10), c("A", 101, 501, 10), c("A", 121, 501, 10)]));
    let detail = wire.one_flow().originator.detail.unwrap();
    assert_eq!((detail.out_of_order, detail.retransmissions), (1, 0));
}

#[test]
fn sequence_numbers_go_over_the_end_of_their_range() {
    let mut wire = Wire::new();
    wire.send(&c("S", u32::MAX - 4, 0, 0)).send(&c("A", u32::MAX - 3, 1, 10)).send(&c("A", 6, 1, 10));
    let flow = wire.send(&c("A", 6, 1, 10)).one_flow();
    assert_eq!(retransmissions(&flow), [1, 0]);
}

#[test]
fn keep_alives_are_no_retransmissions() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[
        c("PA", 101, 501, 10),
        c("A", 110, 501, 0),
        c("A", 110, 501, 1),
        s("A", 501, 111, 0),
    ]));
    assert_eq!(retransmissions(&wire.one_flow()), [0, 0]);
}

#[test]
fn a_conversation_that_goes_on_after_a_stray_reset_stays_one_flow() {
    let mut wire = Wire::new();
    wire.send_all(&opened_then(&[s("R", 501, 0, 0)]));
    for part in 0..20 {
        wire.wait(2.0).send(&c("A", 101 + part, 501, 1));
    }
    assert_eq!(wire.one_flow().packets(), Some(24));
}

#[test]
fn closed_conversations_do_not_outlive_one_that_goes_on() {
    let mut wire = Wire::new();
    let other = (CLIENT.0, 41_000);
    wire.send(&c("S", 1, 0, 0)).send(&s("RA", 0, 2, 0));
    wire.send(&tcp(other, SERVER, "S", 1, 0, 0)).send(&tcp(SERVER, other, "RA", 0, 2, 0));
    for _ in 0..5 {
        wire.wait(3.0).send(&s("RA", 0, 2, 0));
    }
    // Packets wait a little in line before they are booked.
    wire.send_all(&vec![s("RA", 0, 2, 0); 64]);
    assert_eq!(wire.meter.open_flows(), 1);
}

#[test]
fn a_header_longer_than_its_segment_is_skipped() {
    let mut bytes = tcp(CLIENT, SERVER, "S", 1, 0, 0);
    bytes[14 + 20 + 12] = 15 << 4;
    let (flows, counts) = Wire::new().send(&bytes).end();
    assert_eq!((flows.len(), counts.skipped_packets()), (0, 1));
    assert_eq!(segment(1, 2, "", (0, 0), 0, 0).len(), 20);
}

#[test]
fn the_history_tells_what_happened_in_zeeks_letters() {
    let history = |frames: &[Vec<u8>]| Wire::new().send_all(frames).one_flow().history.unwrap().as_str().to_owned();
    assert_eq!(history(&whole_conversation()), "ShADdfFa");
    assert_eq!(history(&[tcp(CLIENT, SERVER, "S", 1, 0, 0), tcp(CLIENT, SERVER, "S", 1, 0, 0)]), "S", "the same SYN");
    assert_eq!(history(&[tcp(CLIENT, SERVER, "S", 1, 0, 0), tcp(SERVER, CLIENT, "RA", 0, 2, 0)]), "Sr");
    assert_eq!(history(&[tcp(SERVER, CLIENT, "SA", 1, 5, 0)]), "^h");
    assert_eq!(history(&[tcp(SERVER, CLIENT, "PA", 1, 5, 9)]), "^d");
    assert_eq!(history(&[tcp(CLIENT, SERVER, "R", 1, 0, 0), tcp(CLIENT, SERVER, "R", 9, 0, 0)]), "RR");
    assert_eq!(history(&[tcp(CLIENT, SERVER, "SF", 1, 0, 0)]), "QSF");
    assert_eq!(history(&[tcp(CLIENT, SERVER, "FR", 1, 0, 0)]), "IFR");
}

#[test]
fn the_history_tells_repeats_zero_windows_and_gaps_at_powers_of_ten() {
    let mut wire = Wire::new();
    wire.send(&tcp(CLIENT, SERVER, "PA", 1, 1, 100));
    for _ in 0..10 {
        wire.send(&tcp(CLIENT, SERVER, "PA", 1, 1, 100));
    }
    wire.send(&tcp_window(SERVER, CLIENT, "A", (1, 101), 0, 0));
    wire.send(&tcp(CLIENT, SERVER, "PA", 201, 1, 100)).send(&tcp(SERVER, CLIENT, "A", 1, 301, 0));
    let flow = wire.one_flow();
    assert_eq!(flow.history.unwrap().as_str(), "DTTwaG");
    let detail = flow.originator.detail.unwrap();
    assert_eq!((detail.retransmissions, flow.responder.detail.unwrap().zero_windows), (10, 1));
}

#[test]
fn udp_has_a_history_of_data_and_icmp_has_none() {
    let mut wire = Wire::new();
    wire.send(&packets::udp(CLIENT, SERVER, 0)).send(&packets::udp(SERVER, CLIENT, 9));
    assert_eq!(wire.one_flow().history.unwrap().as_str(), "Dd");
    assert_eq!(Wire::new().send(&packets::icmp(CLIENT.0, SERVER.0, 8, 0, 9)).one_flow().history, None);
}
