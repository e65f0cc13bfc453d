//! The encoding that SNMP, LDAP and Kerberos share (ITU-T X.690).

/// One value: its tag, its length, its content.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        length @ 0..=127 => bytes.push(length as u8),
        length @ 128..=255 => bytes.extend([0x81, length as u8]),
        length => {
            bytes.push(0x82);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// A sequence of values.
pub(crate) fn sequence(values: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &values.concat())
}

/// A value that holds others.
pub(crate) fn nested(tag: u8, values: &[Vec<u8>]) -> Vec<u8> {
    value(tag, &values.concat())
}

/// An integer in as few bytes as it needs.
pub(crate) fn integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let skipped = bytes.iter().take(3).take_while(|&&byte| byte == 0).count();
    let significant = &bytes[skipped..];
    let sign: &[u8] = if significant[0] & 0x80 != 0 { &[0] } else { &[] };
    value(2, &[sign, significant].concat())
}

/// An octet string.
pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    value(4, content)
}
