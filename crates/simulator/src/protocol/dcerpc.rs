//! Remote procedure calls (DCE 1.1 C706 ch.12) as they travel through named pipes.

/// A service that may be called: its interface and version.
pub(crate) type Interface = [u8; 20];

/// The services of a machine: to be listed, made and started (MS-SCMR).
pub(crate) const SERVICES: Interface =
    [0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 3, 2, 0, 0, 0];
/// The shares of a machine (MS-SRVS).
pub(crate) const SHARES: Interface =
    [0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 1, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88, 3, 0, 0, 0];

/// Asks to speak to a service.
pub(crate) fn bind(interface: &Interface) -> Vec<u8> {
    let context = [&[0, 0, 1, 0][..], interface, &SYNTAX].concat();
    pdu(11, 1, &[&FRAGMENTS[..], &[0; 4], &[1, 0, 0, 0], &context].concat())
}

/// The service is there.
pub(crate) fn bound(pipe: &str) -> Vec<u8> {
    let mut body = [&FRAGMENTS[..], &[0x29, 0x5a, 0, 0]].concat();
    let name = format!("\\PIPE\\{pipe}\0");
    body.extend((name.len() as u16).to_le_bytes());
    body.extend(name.as_bytes());
    // What follows stands at a multiple of four, the header's sixteen bytes being one.
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(SYNTAX);
    pdu(12, 1, &body)
}

/// Calls a procedure by its number.
pub(crate) fn call(id: u32, operation: u16, arguments: &[u8]) -> Vec<u8> {
    let mut body = (arguments.len() as u32).to_le_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(operation.to_le_bytes());
    body.extend(arguments);
    pdu(0, id, &body)
}

/// What it returns.
pub(crate) fn result(id: u32, values: &[u8]) -> Vec<u8> {
    let body = [&(values.len() as u32).to_le_bytes()[..], &[0; 4], values].concat();
    pdu(2, id, &body)
}

/// A string as arguments hold it: its length three times over, UTF-16, an end.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let wide: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let length = (wide.len() as u32 / 2).to_le_bytes();
    let mut bytes = [&length[..], &[0; 4], &length, &wide].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn pdu(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    bytes.extend((16 + body.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(id.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The longest fragment, each way.
const FRAGMENTS: [u8; 4] = [0xb8, 0x10, 0xb8, 0x10];
/// NDR, version 2.
const SYNTAX: [u8; 20] =
    [4, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 8, 0, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0];
