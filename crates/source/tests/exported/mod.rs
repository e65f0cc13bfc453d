//! Makes export messages byte by byte.
#![allow(dead_code, reason = "each test file uses a part")]

use std::net::{IpAddr, Ipv4Addr};

use flow::Time;
use source::Batch;
use source::format::Decoder;
use source::format::netflow::NetFlow;

/// Seconds since 1970 at which the first message is sent.
pub(crate) const EXPORTED: u32 = 1_700_000_000;
/// Milliseconds for which the exporter is up by then.
pub(crate) const UPTIME: u32 = 1_000_000;

/// One direction of a flow.
#[derive(Clone, Copy)]
pub(crate) struct OneWay {
    pub(crate) source: (u8, u16),
    pub(crate) destination: (u8, u16),
    pub(crate) protocol: u8,
    pub(crate) flags: u8,
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
    /// Milliseconds of the exporter's uptime.
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// A client's packets to a web server, with SYN, ACK and FIN.
pub(crate) const CALL: OneWay = OneWay {
    source: (1, 50_000),
    destination: (2, 443),
    protocol: 6,
    flags: 0x1b,
    packets: 10,
    bytes: 1000,
    first: UPTIME - 5000,
    last: UPTIME - 2000,
};

/// The server's packets to it.
pub(crate) const ANSWER: OneWay = OneWay {
    source: CALL.destination,
    destination: CALL.source,
    packets: 12,
    bytes: 9000,
    first: CALL.first + 1,
    ..CALL
};

pub(crate) fn address(host: u8) -> [u8; 4] {
    [10, 0, 0, host]
}

pub(crate) fn host(host: u8) -> IpAddr {
    Ipv4Addr::from(address(host)).into()
}

/// A message of NetFlow version 5; `sampling` as its header has it.
pub(crate) fn version_5(sequence: u32, sampling: u16, flows: &[OneWay]) -> Vec<u8> {
    let mut message = [5u16.to_be_bytes(), (flows.len() as u16).to_be_bytes()].concat();
    message.extend([UPTIME, EXPORTED, 0, sequence].map(u32::to_be_bytes).concat());
    message.extend([0, 0]);
    message.extend(sampling.to_be_bytes());
    for flow in flows {
        message.extend([address(flow.source.0), address(flow.destination.0), [0; 4], [0, 1, 0, 2]].concat());
        message.extend([flow.packets, flow.bytes, flow.first, flow.last].map(u32::to_be_bytes).concat());
        message.extend([flow.source.1, flow.destination.1].map(u16::to_be_bytes).concat());
        message.extend([0, flow.flags, flow.protocol, 0, 0, 0, 0, 0, 24, 24, 0, 0]);
    }
    message
}

/// A message of NetFlow version 7.
pub(crate) fn version_7(sequence: u32, flows: &[OneWay]) -> Vec<u8> {
    let mut message = version_5(sequence, 0, flows);
    message[1] = 7;
    for number in (1..=flows.len()).rev() {
        let end = 24 + 48 * number;
        message.splice(end..end, address(254));
    }
    message
}

/// A set: a number and a body.
pub(crate) fn set(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(4 + body.len() as u16).to_be_bytes(), body].concat()
}

/// A message of NetFlow version 9, sent `later` seconds after the first.
pub(crate) fn version_9(sequence: u32, later: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut message = [9u16.to_be_bytes(), (sets.len() as u16).to_be_bytes()].concat();
    message.extend([UPTIME + later * 1000, EXPORTED + later, sequence, 7].map(u32::to_be_bytes).concat());
    message.extend(sets.concat());
    message
}

/// An IPFIX message.
pub(crate) fn ipfix(sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let mut message = [10u16.to_be_bytes(), (16 + sets.len() as u16).to_be_bytes()].concat();
    message.extend([EXPORTED, sequence, 7].map(u32::to_be_bytes).concat());
    message.extend(sets);
    message
}

/// The body of a template: number, then number and length of each field.
pub(crate) fn template(number: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let mut body = [number.to_be_bytes(), (fields.len() as u16).to_be_bytes()].concat();
    body.extend(fields.iter().flat_map(|(element, length)| [element.to_be_bytes(), length.to_be_bytes()].concat()));
    body
}

/// The template of [`record`].
pub(crate) const FIELDS: &[(u16, u16)] =
    &[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4), (22, 4), (21, 4)];

pub(crate) fn record(flow: &OneWay) -> Vec<u8> {
    [
        &address(flow.source.0)[..],
        &address(flow.destination.0),
        &flow.source.1.to_be_bytes(),
        &flow.destination.1.to_be_bytes(),
        &[flow.protocol, flow.flags],
        &flow.packets.to_be_bytes(),
        &flow.bytes.to_be_bytes(),
        &flow.first.to_be_bytes(),
        &flow.last.to_be_bytes(),
    ]
    .concat()
}

/// A template and these records in one message of version 9.
pub(crate) fn with_template(flows: &[OneWay]) -> Vec<u8> {
    let records: Vec<u8> = flows.iter().flat_map(record).collect();
    version_9(1, 0, &[set(0, &template(256, FIELDS)), set(256, &records)])
}

/// Decodes messages without addresses, as from files.
pub(crate) fn decode(messages: &[Vec<u8>]) -> Batch {
    let (mut decoder, mut batch) = (NetFlow::default(), Batch::default());
    messages.iter().for_each(|message| decoder.decode(message, &mut batch));
    decoder.finish(&mut batch);
    batch
}

/// Decodes datagrams of exporters 1, 2, ... received so many seconds after the first message was sent.
pub(crate) fn decode_from(messages: &[(u8, u32, Vec<u8>)]) -> Batch {
    let (mut decoder, mut batch) = (NetFlow::default(), Batch::default());
    for (exporter, later, message) in messages {
        let received = Time::from_nanoseconds(i64::from(EXPORTED + later) * 1_000_000_000);
        decoder.datagram(host(200 + exporter), received, message, &mut batch);
    }
    decoder.finish(&mut batch);
    batch
}
