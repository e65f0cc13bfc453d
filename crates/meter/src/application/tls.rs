//! The ClientHello of TLS (RFC 8446 s.4.1.2; RFC 5246 s.7.4.1.2), the last that a client says before encryption.

use std::borrow::Cow;

use flow::Tls;

use super::bytes::{Bytes, printable};
use super::ja4;

/// What is spoken of a ClientHello, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Hello<'a> {
    pub(super) legacy_version: u16,
    /// Cipher suites in the client's order, GREASE (RFC 8701) left out here and below.
    pub(super) ciphers: Vec<u16>,
    /// Types of the extensions in the client's order.
    pub(super) extensions: Vec<u16>,
    pub(super) server_name: Option<&'a [u8]>,
    /// The first protocol of ALPN.
    pub(super) protocol: Option<&'a [u8]>,
    /// The highest of the supported versions, where the extension is there.
    pub(super) supported_version: Option<u16>,
    pub(super) signatures: Vec<u16>,
    /// It was seen to its end.
    pub(super) is_whole: bool,
}

/// The start of a TLS stream.
pub(super) enum Start<'a> {
    /// A handshake message with its header, as far as it was seen; `true` where that is to its end.
    Message(Cow<'a, [u8]>, bool),
    /// Too few bytes to tell.
    Short,
    /// No handshake message of TLS.
    Not,
}

/// Gathers the first handshake message from the records (RFC 8446 s.5.1) at the start of a stream.
pub(super) fn first_message(stream: &[u8]) -> Start<'_> {
    let mut records = Bytes(stream);
    let mut message = Cow::Borrowed(&[][..]);
    loop {
        let mut header = records;
        let Some(kind) = header.u8() else { break };
        let major = header.u8();
        let (minor, length) = (header.u8(), header.u16());
        if kind != HANDSHAKE
            || major.is_some_and(|major| major != 3)
            || minor.is_some_and(|minor| minor > 4)
            || length.is_some_and(|length| length == 0 || length > MAX_RECORD_BYTES)
        {
            return Start::Not;
        }
        let Some(length) = length else { break };
        let (fragment, is_whole) = header.up_to(length.into());
        records = header;
        if message.is_empty() {
            message = Cow::Borrowed(fragment);
        } else {
            message.to_mut().extend_from_slice(fragment);
        }
        match message[..] {
            [kind, ..] if kind != CLIENT_HELLO && kind != SERVER_HELLO => return Start::Not,
            [_, a, b, c, ..] => {
                let length = 4 + usize::from(a) * 65_536 + usize::from(b) * 256 + usize::from(c);
                if length > MAX_MESSAGE_BYTES {
                    return Start::Not;
                }
                if message.len() >= length {
                    match &mut message {
                        Cow::Borrowed(bytes) => *bytes = &bytes[..length],
                        Cow::Owned(bytes) => bytes.truncate(length),
                    }
                    return Start::Message(message, true);
                }
            }
            _ => {}
        }
        if !is_whole {
            break;
        }
    }
    if message.is_empty() { Start::Short } else { Start::Message(message, false) }
}

/// What a handshake message with its header tells: nothing but that TLS is spoken, where it is not the client's.
pub(super) fn facts(message: &[u8], transport: ja4::Transport) -> Tls {
    if message.first() == Some(&CLIENT_HELLO) { Hello::read(message).facts(transport) } else { Tls::default() }
}

impl<'a> Hello<'a> {
    /// Reads a ClientHello with its header, as far as it goes.
    pub(super) fn read(message: &'a [u8]) -> Hello<'a> {
        let mut hello = Hello::default();
        hello.is_whole = hello.read_body(Bytes(message)).is_some();
        hello
    }

    /// `None` where the bytes end too early.
    fn read_body(&mut self, mut bytes: Bytes<'a>) -> Option<()> {
        let [_, a, b, c] = *bytes.take(4)?.first_chunk()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let is_long_enough = bytes.0.len() >= length;
        bytes.0 = &bytes.0[..bytes.0.len().min(length)];
        self.legacy_version = bytes.u16()?;
        bytes.take(32)?;
        let session = bytes.u8()?;
        bytes.take(session.into())?;
        let length = bytes.u16()?;
        let mut ciphers = Bytes(bytes.take(length.into())?);
        self.ciphers.reserve(usize::from(length) / 2);
        self.extensions.reserve(USUAL_EXTENSIONS);
        while let Some(cipher) = ciphers.u16() {
            push(&mut self.ciphers, cipher);
        }
        let compressions = bytes.u8()?;
        bytes.take(compressions.into())?;
        // Extensions are optional before TLS 1.3.
        if bytes.0.is_empty() && is_long_enough {
            return Some(());
        }
        let length = bytes.u16()?;
        let (extensions, is_whole) = bytes.up_to(length.into());
        let mut extensions = Bytes(extensions);
        while !extensions.0.is_empty() {
            let (kind, length) = (extensions.u16()?, extensions.u16()?);
            let data = extensions.take(length.into())?;
            push(&mut self.extensions, kind);
            self.read_extension(kind, Bytes(data));
        }
        is_whole.then_some(())
    }

    /// Takes what it can of an extension; a malformed one tells nothing.
    fn read_extension(&mut self, kind: u16, mut data: Bytes<'a>) -> Option<()> {
        match kind {
            SERVER_NAME => {
                let length = data.u16()?;
                let mut names = Bytes(data.take(length.into())?);
                while let Some(kind) = names.u8() {
                    let length = names.u16()?;
                    let name = names.take(length.into())?;
                    if kind == 0 {
                        self.server_name.get_or_insert(name);
                    }
                }
            }
            PROTOCOLS => {
                let length = data.u16()?;
                let mut protocols = Bytes(data.take(length.into())?);
                let length = protocols.u8()?;
                let protocol = protocols.take(length.into())?;
                self.protocol.get_or_insert(protocol);
            }
            SUPPORTED_VERSIONS => {
                let length = data.u8()?;
                let mut versions = Bytes(data.take(length.into())?);
                while let Some(version) = versions.u16() {
                    if !is_grease(version) {
                        self.supported_version = self.supported_version.max(Some(version));
                    }
                }
            }
            SIGNATURES => {
                let length = data.u16()?;
                let mut signatures = Bytes(data.take(length.into())?);
                self.signatures.reserve(usize::from(length) / 2);
                while let Some(signature) = signatures.u16() {
                    push(&mut self.signatures, signature);
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The highest version that it offers.
    pub(super) fn version(&self) -> u16 {
        self.supported_version.unwrap_or(self.legacy_version)
    }

    fn facts(&self, transport: ja4::Transport) -> Tls {
        Tls {
            server_name: self.server_name.map(|name| printable(&name.to_ascii_lowercase(), MAX_NAME_BYTES)),
            version: self.supported_version.or(self.is_whole.then_some(self.legacy_version)),
            protocol: self.protocol.map(|protocol| printable(protocol, MAX_PROTOCOL_BYTES)),
            ja4: self.is_whole.then(|| ja4::fingerprint(self, transport).into()),
            ja3: None,
        }
    }
}

fn push(list: &mut Vec<u16>, value: u16) {
    if !is_grease(value) {
        list.push(value);
    }
}

/// Whether the value is one of those that clients strew in to keep servers tolerant (RFC 8701): 0x?a?a, twice the same.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// RFC 5246 s.6.2.1 has 2^14; some go beyond it by a little.
const MAX_RECORD_BYTES: u16 = (1 << 14) + 2048;
/// Post-quantum key shares make some 2,000 bytes; more than this is no browser.
pub(super) const MAX_MESSAGE_BYTES: usize = 16_000;
pub(super) const SERVER_NAME: u16 = 0;
const SIGNATURES: u16 = 13;
pub(super) const PROTOCOLS: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
/// The longest name of a host (RFC 1035 s.2.3.4).
const MAX_NAME_BYTES: usize = 255;
const MAX_PROTOCOL_BYTES: usize = 32;
const USUAL_EXTENSIONS: usize = 20;
