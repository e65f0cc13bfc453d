//! The fingerprint of a TLS client: JA4, as FoxIO's technical details of it define. Only this one of their family.

use sha2::{Digest, Sha256};

use super::tls::{Hello, PROTOCOLS, SERVER_NAME};

/// What the ClientHello came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Quic,
}

/// The fingerprint of a whole ClientHello: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(super) fn fingerprint(hello: &Hello<'_>, transport: Transport) -> String {
    let transport = if transport == Transport::Tcp { 't' } else { 'q' };
    let version = match hello.version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    };
    let to_name = if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let (ciphers, extensions) = (hello.ciphers.len().min(99), hello.extensions.len().min(99));
    let [first, last] = ends(hello.protocol.unwrap_or_default());

    let mut sorted = hello.ciphers.clone();
    sorted.sort_unstable();
    let cipher_hash = hash(&list(&sorted));
    let mut sorted: Vec<u16> =
        hello.extensions.iter().copied().filter(|&kind| kind != SERVER_NAME && kind != PROTOCOLS).collect();
    sorted.sort_unstable();
    let mut described = list(&sorted);
    if !described.is_empty() && !hello.signatures.is_empty() {
        described.push('_');
        described.push_str(&list(&hello.signatures));
    }
    let extension_hash = hash(&described);
    format!("{transport}{version}{to_name}{ciphers:02}{extensions:02}{first}{last}_{cipher_hash}_{extension_hash}")
}

/// The first and the last character of a protocol's name, or of its hexadecimal form where one of them is no letter or
/// digit; zeros where there is none.
fn ends(protocol: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (protocol.first(), protocol.last()) else { return ['0'; 2] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first.into(), last.into()];
    }
    [first >> 4, last & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
}

/// Values as four hexadecimal digits each, with commas between.
fn list(values: &[u16]) -> String {
    let mut list = String::with_capacity(values.len() * 5);
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            list.push(',');
        }
        for byte in value.to_be_bytes() {
            push_digits(&mut list, byte);
        }
    }
    list
}

/// The first twelve digits of the SHA-256 of a list; zeros for an empty one.
fn hash(list: &str) -> String {
    if list.is_empty() {
        return "0".repeat(12);
    }
    let mut digits = String::with_capacity(12);
    for &byte in &Sha256::digest(list)[..6] {
        push_digits(&mut digits, byte);
    }
    digits
}

fn push_digits(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chrome() -> Hello<'static> {
        Hello {
            legacy_version: 0x0303,
            ciphers: vec![
                0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
                0x002f, 0x0035,
            ],
            extensions: vec![
                0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01,
                0x000b, 0x000a, 0x0015,
            ],
            server_name: None,
            protocol: Some(b"h2"),
            supported_version: Some(0x0304),
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            is_whole: true,
        }
    }

    #[test]
    fn the_published_example_has_the_published_fingerprint() {
        assert_eq!(fingerprint(&chrome(), Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn a_bare_hello_of_ssl_3_has_zeros() {
        let hello = Hello { legacy_version: 0x0300, is_whole: true, ..Hello::default() };
        assert_eq!(fingerprint(&hello, Transport::Quic), "qs3i000000_000000000000_000000000000");
    }

    #[test]
    fn a_hundred_ciphers_count_as_ninety_nine() {
        let hello = Hello { ciphers: (0..100).collect(), ..chrome() };
        assert!(fingerprint(&hello, Transport::Tcp).starts_with("t13d9916h2_"));
    }

    #[test]
    fn odd_protocol_names_are_told_by_their_hexadecimal_ends() {
        // The examples of the definition.
        let ends = |bytes: &[u8]| ends(bytes).iter().collect::<String>();
        assert_eq!(ends(&[0xab]), "ab");
        assert_eq!(ends(&[0xab, 0xcd]), "ad");
        assert_eq!(ends(&[0x30, 0xab]), "3b");
        assert_eq!(ends(&[0x30, 0x31, 0xab, 0xcd]), "3d");
        assert_eq!(ends(&[0x30, 0xab, 0xcd, 0x31]), "01");
        assert_eq!((ends(b"http/1.1"), ends(b"h"), ends(b"")), ("h1".into(), "hh".into(), "00".into()));
    }
}
