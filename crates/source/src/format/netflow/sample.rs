//! A template and a record with all that a flow can take from a record.

/// An IPFIX message with a template, and one with a record of both directions.
pub(super) fn messages() -> Vec<Vec<u8>> {
    let (mut template, mut record) = (Vec::new(), Vec::new());
    for (enterprise, number, value) in fields() {
        let bit = if enterprise > 0 { 0x8000 } else { 0 };
        template.extend((number | bit).to_be_bytes());
        template.extend((value.len() as u16).to_be_bytes());
        if enterprise > 0 {
            template.extend(enterprise.to_be_bytes());
        }
        record.extend(value);
    }
    let head = [256u16.to_be_bytes(), (fields().len() as u16).to_be_bytes()].concat();
    vec![message(0, 2, &[head, template].concat()), message(0, 256, &record)]
}

/// Enterprise, number and value.
fn fields() -> Vec<(u32, u16, Vec<u8>)> {
    let milliseconds = |time: u64| time.to_be_bytes().to_vec();
    vec![
        (0, 8, vec![10, 0, 0, 1]),
        (0, 12, vec![10, 0, 0, 2]),
        (0, 7, 50_000u16.to_be_bytes().to_vec()),
        (0, 11, 443u16.to_be_bytes().to_vec()),
        (0, 4, vec![6]),
        (0, 6, vec![0x1b]),
        (super::REVERSE, 6, vec![0x1b]),
        (0, 2, 10u64.to_be_bytes().to_vec()),
        (0, 1, 1500u64.to_be_bytes().to_vec()),
        (super::REVERSE, 2, 12u64.to_be_bytes().to_vec()),
        (super::REVERSE, 1, 9000u64.to_be_bytes().to_vec()),
        (0, 152, milliseconds(1_700_000_000_000)),
        (0, 153, milliseconds(1_700_000_002_500)),
        (0, 136, vec![3]),
        (0, 58, 7u16.to_be_bytes().to_vec()),
        (0, 351, (1u64 << 56 | 5000).to_be_bytes().to_vec()),
    ]
}

/// An IPFIX message of one set (RFC 7011 s.3.1, s.3.3).
fn message(sequence: u32, set: u16, body: &[u8]) -> Vec<u8> {
    let length = 20 + body.len() as u16;
    let mut message = [10u16.to_be_bytes(), length.to_be_bytes()].concat();
    message.extend([1_700_000_010u32, sequence, 1].map(u32::to_be_bytes).concat());
    message.extend([set.to_be_bytes(), (length - 16).to_be_bytes()].concat());
    message.extend(body);
    message
}
