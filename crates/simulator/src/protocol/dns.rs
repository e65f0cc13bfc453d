//! Domain names (RFC 1035), also as multicast DNS speaks them (RFC 6762).

use std::net::IpAddr;

/// The port of name servers.
pub(crate) const PORT: u16 = 53;
/// IPv4 addresses.
pub(crate) const A: u16 = 1;
/// Other names.
pub(crate) const CNAME: u16 = 5;
/// Anything at all.
pub(crate) const NULL: u16 = 10;
/// Where mail goes.
pub(crate) const MX: u16 = 15;
/// Pointers to other names.
pub(crate) const PTR: u16 = 12;
/// Free text.
pub(crate) const TXT: u16 = 16;
/// IPv6 addresses.
pub(crate) const AAAA: u16 = 28;
/// Everything that the server has, which amplifies best.
pub(crate) const ANY: u16 = 255;

/// A client's question.
pub(crate) fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    message(id, 0x0100, name, kind, &[])
}

/// The answer with addresses of the kind that was asked for; it may be empty.
pub(crate) fn answer(id: u16, name: &str, kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let records: Vec<_> = addresses
        .iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(v4), A) => Some((A, v4.octets().to_vec())),
            (IpAddr::V6(v6), AAAA) => Some((AAAA, v6.octets().to_vec())),
            _ => None,
        })
        .collect();
    message(id, 0x8180, name, kind, &records)
}

/// The answer with one record of the kind that was asked for, whatever is in it.
pub(crate) fn record(id: u16, name: &str, kind: u16, data: Vec<u8>) -> Vec<u8> {
    message(id, 0x8180, name, kind, &[(kind, data)])
}

/// A name as records hold it.
pub(crate) fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The same question by one who can take long answers (RFC 6891).
pub(crate) fn extended(mut question: Vec<u8>) -> Vec<u8> {
    question[11] = 1;
    question.extend([0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]);
    question
}

/// The answer that there is no such name.
pub(crate) fn no_such_name(id: u16, name: &str, kind: u16) -> Vec<u8> {
    message(id, 0x8183, name, kind, &[])
}

/// The answer to a question for everything, with so many long texts.
pub(crate) fn amplified(id: u16, name: &str, texts: usize) -> Vec<u8> {
    let text = [&[250][..], &[b'v'; 250]].concat();
    message(id, 0x8180, name, ANY, &vec![(TXT, text); texts])
}

/// A question to the neighbours (multicast DNS): no identifier, nothing desired.
pub(crate) fn neighbour_question(name: &str) -> Vec<u8> {
    message(0, 0, name, PTR, &[])
}

fn message(id: u16, flags: u16, name: &str, kind: u16, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    for word in [id, flags, 1, records.len() as u16, 0, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(encoded(name));
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    for (kind, data) in records {
        // The name of the question, five minutes to live.
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 1, 44]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    bytes
}
