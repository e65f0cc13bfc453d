//! What TCP says of itself: flags, windows, repeated and disordered segments. Missing for other protocols and where no
//! meter saw the packets.

use super::{Feature, Value, is_metered_tcp, number};
use crate::{Detail, Flags, Flow, Side, State};

pub(super) const FEATURES: &[Feature] = &[
    number("fin_flags", "count", "Packets of both sides with FIN.", |flow| flags(flow, |flags| flags.fin)),
    number("syn_flags", "count", "Packets of both sides with SYN.", |flow| flags(flow, |flags| flags.syn)),
    number("rst_flags", "count", "Packets of both sides with RST.", |flow| flags(flow, |flags| flags.rst)),
    number("psh_flags", "count", "Packets of both sides with PSH.", |flow| flags(flow, |flags| flags.psh)),
    number("ack_flags", "count", "Packets of both sides with ACK.", |flow| flags(flow, |flags| flags.ack)),
    number("urg_flags", "count", "Packets of both sides with URG.", |flow| flags(flow, |flags| flags.urg)),
    number("ece_flags", "count", "Packets of both sides with ECE.", |flow| flags(flow, |flags| flags.ece)),
    number("cwr_flags", "count", "Packets of both sides with CWR.", |flow| flags(flow, |flags| flags.cwr)),
    number("originator_rst_flags", "count", "Packets of the originator with RST.", |flow| {
        side(flow, &flow.originator, |detail| detail.flags.rst)
    }),
    number("responder_rst_flags", "count", "Packets of the responder with RST.", |flow| {
        side(flow, &flow.responder, |detail| detail.flags.rst)
    }),
    number("originator_window", "bytes", "TCP window of the originator's first packet, unscaled.", |flow| {
        window(&flow.originator)
    }),
    number("responder_window", "bytes", "TCP window of the responder's first packet, unscaled.", |flow| {
        window(&flow.responder)
    }),
    number(
        "originator_retransmissions",
        "count",
        "Segments of the originator that repeat bytes sent before.",
        |flow| side(flow, &flow.originator, |detail| detail.retransmissions),
    ),
    number("responder_retransmissions", "count", "Segments of the responder that repeat bytes sent before.", |flow| {
        side(flow, &flow.responder, |detail| detail.retransmissions)
    }),
    number("out_of_order", "count", "Segments of both sides that came after a later one.", |flow| {
        both(flow, |detail| detail.out_of_order)
    }),
    number("zero_windows", "count", "Segments of both sides that advertise a window of 0.", |flow| {
        both(flow, |detail| detail.zero_windows)
    }),
    Feature {
        name: "state",
        unit: "category",
        meaning: "How the conversation opened and closed, as Zeek names it.",
        value: Value::Category(
            || State::ALL.iter().map(|state| state.name().to_owned()).collect(),
            |flow| State::ALL.iter().position(|state| Some(*state) == flow.state),
        ),
    },
];

fn flags(flow: &Flow, count: fn(&Flags) -> u32) -> f32 {
    if !is_metered_tcp(flow) {
        return f32::NAN;
    }
    [&flow.originator, &flow.responder]
        .iter()
        .filter_map(|side| side.detail.as_ref())
        .map(|detail| count(&detail.flags) as f32)
        .sum()
}

fn side(flow: &Flow, side: &Side, count: fn(&Detail) -> u32) -> f32 {
    match &side.detail {
        Some(detail) if is_metered_tcp(flow) => count(detail) as f32,
        _ => f32::NAN,
    }
}

fn both(flow: &Flow, count: fn(&Detail) -> u32) -> f32 {
    side(flow, &flow.originator, count) + side(flow, &flow.responder, count)
}

fn window(side: &Side) -> f32 {
    side.detail.as_ref().and_then(|detail| detail.initial_window).map_or(f32::NAN, f32::from)
}
