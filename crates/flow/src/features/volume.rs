//! How much was sent, how fast, and in which direction.

use super::{Feature, number, or_missing, ratio};
use crate::{Flow, Moments, Side};

pub(super) const FEATURES: &[Feature] = &[
    number("duration", "s", "Time between the first and the last packet.", seconds),
    number("packets", "count", "Packets of both sides.", |flow| count(flow.packets())),
    number("bytes", "bytes", "Bytes of both sides, from the IP header on.", |flow| count(flow.bytes())),
    number("originator_packets", "count", "Packets that the originator sent.", |flow| count(flow.originator.packets)),
    number("responder_packets", "count", "Packets that the responder sent.", |flow| count(flow.responder.packets)),
    number("originator_bytes", "bytes", "Bytes that the originator sent, from the IP header on.", |flow| {
        count(flow.originator.bytes)
    }),
    number("responder_bytes", "bytes", "Bytes that the responder sent, from the IP header on.", |flow| {
        count(flow.responder.bytes)
    }),
    number("originator_payload_bytes", "bytes", "Bytes above the transport header that the originator sent.", |flow| {
        payload(&flow.originator)
    }),
    number("responder_payload_bytes", "bytes", "Bytes above the transport header that the responder sent.", |flow| {
        payload(&flow.responder)
    }),
    number("originator_header_bytes", "bytes", "Transport header bytes that the originator sent.", |flow| {
        header(&flow.originator)
    }),
    number("responder_header_bytes", "bytes", "Transport header bytes that the responder sent.", |flow| {
        header(&flow.responder)
    }),
    number("bytes_per_second", "bytes/s", "Bytes of both sides over the duration; missing where it is 0.", |flow| {
        rate(flow.bytes(), flow)
    }),
    number("packets_per_second", "1/s", "Packets of both sides over the duration; missing where it is 0.", |flow| {
        rate(flow.packets(), flow)
    }),
    number("originator_packets_per_second", "1/s", "Packets of the originator over the duration.", |flow| {
        rate(flow.originator.packets, flow)
    }),
    number("responder_packets_per_second", "1/s", "Packets of the responder over the duration.", |flow| {
        rate(flow.responder.packets, flow)
    }),
    number("packet_ratio", "ratio", "Packets forward to backward: the originator's over the responder's.", |flow| {
        quotient(flow.originator.packets, flow.responder.packets)
    }),
    number("byte_ratio", "ratio", "Bytes forward to backward: the originator's over the responder's.", |flow| {
        quotient(flow.originator.bytes, flow.responder.bytes)
    }),
    number("originator_byte_share", "share", "The originator's bytes over the bytes of both sides.", |flow| {
        quotient(flow.originator.bytes, flow.bytes())
    }),
    number("payload_share", "share", "Payload bytes over all bytes, of both sides.", |flow| {
        quotient(flow.payload_bytes(), flow.bytes())
    }),
    number("originator_payload_packets", "count", "Packets of the originator that carry payload.", |flow| {
        payload_packets(&flow.originator)
    }),
    number("responder_payload_packets", "count", "Packets of the responder that carry payload.", |flow| {
        payload_packets(&flow.responder)
    }),
    number("packet_length_mean", "bytes", "Mean length of the packets of both sides, from the IP header on.", |flow| {
        quotient(flow.bytes(), flow.packets())
    }),
    number("originator_length_min", "bytes", "Shortest packet of the originator.", |flow| {
        length(&flow.originator, |lengths| lengths.min().map(|min| min as f64))
    }),
    number("originator_length_mean", "bytes", "Mean packet length of the originator.", |flow| {
        quotient(flow.originator.bytes, flow.originator.packets)
    }),
    number("originator_length_max", "bytes", "Longest packet of the originator.", |flow| {
        length(&flow.originator, |lengths| lengths.max().map(|max| max as f64))
    }),
    number("originator_length_deviation", "bytes", "Standard deviation of the originator's packet lengths.", |flow| {
        length(&flow.originator, Moments::deviation)
    }),
    number("responder_length_min", "bytes", "Shortest packet of the responder.", |flow| {
        length(&flow.responder, |lengths| lengths.min().map(|min| min as f64))
    }),
    number("responder_length_mean", "bytes", "Mean packet length of the responder.", |flow| {
        quotient(flow.responder.bytes, flow.responder.packets)
    }),
    number("responder_length_max", "bytes", "Longest packet of the responder.", |flow| {
        length(&flow.responder, |lengths| lengths.max().map(|max| max as f64))
    }),
    number("responder_length_deviation", "bytes", "Standard deviation of the responder's packet lengths.", |flow| {
        length(&flow.responder, Moments::deviation)
    }),
];

fn seconds(flow: &Flow) -> f32 {
    flow.duration().as_secs_f32()
}

fn count(count: Option<u64>) -> f32 {
    count.map_or(f32::NAN, |count| count as f32)
}

/// The one over the other, missing where either is or the other is 0.
fn quotient(numerator: Option<u64>, denominator: Option<u64>) -> f32 {
    match (numerator, denominator) {
        (Some(numerator), Some(denominator)) => ratio(numerator as f64, denominator as f64),
        _ => f32::NAN,
    }
}

/// So many a second of the flow's duration.
fn rate(count: Option<u64>, flow: &Flow) -> f32 {
    count.map_or(f32::NAN, |count| ratio(count as f64, flow.duration().as_secs_f64()))
}

fn payload(side: &Side) -> f32 {
    count(side.payload_bytes)
}

fn header(side: &Side) -> f32 {
    or_missing(side.detail.as_ref().map(|detail| detail.header_bytes as f64))
}

fn payload_packets(side: &Side) -> f32 {
    or_missing(side.detail.as_ref().map(|detail| f64::from(detail.payload_packets)))
}

fn length(side: &Side, statistic: fn(&Moments) -> Option<f64>) -> f32 {
    or_missing(side.detail.as_ref().and_then(|detail| statistic(&detail.lengths)))
}
