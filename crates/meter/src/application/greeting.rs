//! Protocols that are certain from their first bytes, told by name and no more.

/// A protocol of TCP by the bytes that a side starts with.
pub(super) enum Greeting {
    /// This protocol.
    Is(&'static str),
    /// Too few bytes to tell.
    Short,
    /// None that is known here.
    Unknown,
}

/// How a server may greet, and the words in its greeting that tell the protocol.
struct Banner {
    start: &'static [u8],
    words: &'static [(&'static str, &'static str)],
}

/// A binary protocol by its first bytes: what each of them may be, nothing where it may be any.
struct Message {
    start: &'static [&'static [u8]],
    name: &'static str,
}

/// Looks at the start of a TCP stream. Banners that several protocols share are told by a word in their first line.
pub(super) fn of_stream(stream: &[u8]) -> Greeting {
    let mut is_short = false;
    for &(start, name) in STARTS.iter().filter(|(start, _)| start.first() == stream.first()) {
        if stream.starts_with(start) {
            return Greeting::Is(name);
        }
        is_short |= start.starts_with(stream);
    }
    for &Banner { start, words } in BANNERS.iter().filter(|banner| banner.start.first() == stream.first()) {
        if stream.starts_with(start) {
            let line = stream.split(|&byte| byte == b'\n').next().unwrap_or_default().to_ascii_lowercase();
            let found = words.iter().find(|(word, _)| line.windows(word.len()).any(|part| part == word.as_bytes()));
            if let Some(&(_, name)) = found {
                return Greeting::Is(name);
            }
            let goes_on = line.len() == stream.len() && line.len() < MAX_LINE_BYTES;
            return if goes_on { Greeting::Short } else { Greeting::Unknown };
        }
        is_short |= start.starts_with(stream);
    }
    for &Message { start, name } in MESSAGES {
        if agrees(stream, start) {
            if stream.len() >= start.len() {
                return Greeting::Is(name);
            }
            is_short = true;
        }
    }
    match *stream {
        // TPKT (RFC 1006) with a connection request of X.224 that is RDP's ([MS-RDPBCGR] s.2.2.1.1).
        [3, 0, _, _, length, 0xe0, _, _, _, _, _, ref rest @ ..] if length >= 6 => {
            let is_rdp =
                rest.starts_with(b"Cookie: mstshash=") || rest.starts_with(&[1]) && rest.get(2..4) == Some(&[8, 0]);
            let may_be = b"Cookie: mstshash=".starts_with(rest) || rest.len() < 4 && rest.first() == Some(&1);
            match (is_rdp, may_be) {
                (true, _) => Greeting::Is("rdp"),
                (false, true) => Greeting::Short,
                (false, false) => Greeting::Unknown,
            }
        }
        _ if stream.len() < 11 && agrees(stream, CONNECTION_REQUEST) => Greeting::Short,
        // Options of Telnet (RFC 854): IAC, then WILL, WONT, DO, DONT, or a subnegotiation.
        [0xff, 0xfa..=0xfe, option, ..] if option < 50 => Greeting::Is("telnet"),
        [0xff] | [0xff, 0xfa..=0xfe] => Greeting::Short,
        [b'{', ref rest @ ..] => of_call(rest),
        _ if is_short => Greeting::Short,
        _ => Greeting::Unknown,
    }
}

/// Looks at a message of JSON in one line: what it calls tells whether it is Stratum, in which miners of any currency ask
/// pools for work (github.com/slushpool/stratumprotocol; xmrig's and EthereumStratum's variants).
fn of_call(message: &[u8]) -> Greeting {
    let line = message.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = &line[..line.len().min(MAX_CALL_BYTES)];
    let has = |text: &[u8]| line.windows(text.len()).any(|part| part == text);
    let is_login = has(b"\"login\"") && has(b"\"pass\"") && has(b"\"method\"");
    let is_job = has(b"\"job\"") && has(b"\"blob\"") && has(b"\"target\"");
    if CALLS.iter().any(|call| has(call)) || is_login || is_job {
        return Greeting::Is("stratum");
    }
    let goes_on = line.len() == message.len() && line.len() < MAX_CALL_BYTES;
    if goes_on { Greeting::Short } else { Greeting::Unknown }
}

/// Whether the stream, as far as it is there, is what each byte of a start may be.
fn agrees(stream: &[u8], start: &[&[u8]]) -> bool {
    start.iter().zip(stream).all(|(may_be, byte)| may_be.is_empty() || may_be.contains(byte))
}

/// Looks at a datagram.
pub(super) fn of_datagram(datagram: &[u8]) -> Option<&'static str> {
    let magic = |at: usize, magic: &[u8]| datagram.get(at..).is_some_and(|rest| rest.starts_with(magic));
    match *datagram {
        // Two zero bits, the length of the attributes, and the magic cookie (RFC 8489 s.5).
        [0..=0x3f, _, a, b, 0x21, 0x12, 0xa4, 0x42, ..]
            if usize::from(u16::from_be_bytes([a, b])) + 20 == datagram.len() =>
        {
            Some("stun")
        }
        [b'M', ..] if magic(0, b"M-SEARCH * HTTP/1.1\r\n") => Some("ssdp"),
        [b'N', ..] if magic(0, b"NOTIFY * HTTP/1.1\r\n") => Some("ssdp"),
        // BEP 5: queries and answers of its distributed hash table.
        [b'd', b'1', b':', b'a' | b'r', b'd', b'2', b':', b'i', b'd', b'2', b'0', b':', ..] => Some("bittorrent"),
        // Google's QUIC before the standard: a connection identifier behind its flags, then a version such as Q043.
        [flags, ..] if flags & 0x89 == 0x09 && magic(9, b"Q0") => Some("quic"),
        _ => None,
    }
}

/// Whether a datagram that starts with this byte may be of one of the protocols here.
pub(super) const fn may_datagram_start_with(byte: u8) -> bool {
    matches!(byte, 0..=0x3f | b'M' | b'N' | b'd')
}

/// Whether a TCP stream that starts with this byte may be one of the protocols here.
pub(super) const fn may_start_with(byte: u8) -> bool {
    matches!(
        byte,
        0 | 3
            | 5
            | 0x30
            | b'J'
            | 0x10
            | 0x13
            | 0xff
            | 0xf9
            | b'S'
            | b'E'
            | b'H'
            | b'R'
            | b'N'
            | b'2'
            | b'+'
            | b'*'
            | b'{'
    )
}

const STARTS: &[(&[u8], &str)] = &[
    (b"SSH-2.", "ssh"),
    (b"SSH-1.", "ssh"),
    (b"EHLO ", "smtp"),
    (b"HELO ", "smtp"),
    (b"RFB 003.", "vnc"),
    (b"NICK ", "irc"),
    (b"\x13BitTorrent protocol", "bittorrent"),
    // The main network's magic number and the first message of a node.
    (b"\xf9\xbe\xb4\xd9version\0", "bitcoin"),
];
/// What only miners call: the quotation mark before it keeps other words out.
const CALLS: &[&[u8]] = &[
    b"\"mining.subscribe\"",
    b"\"mining.authorize\"",
    b"\"mining.hello\"",
    b"\"mining.configure\"",
    b"\"mining.extranonce.subscribe\"",
    b"\"mining.notify\"",
    b"\"mining.set_difficulty\"",
    b"\"eth_submitLogin\"",
    b"\"eth_submitWork\"",
    b"\"eth_getWork\"",
];
const BANNERS: &[Banner] = &[
    Banner { start: b"220 ", words: &[("smtp", "smtp"), ("ftp", "ftp")] },
    Banner { start: b"220-", words: &[("smtp", "smtp"), ("ftp", "ftp")] },
    Banner { start: b"+OK ", words: &[("pop", "pop3")] },
    Banner { start: b"* OK ", words: &[("imap", "imap")] },
];
const MESSAGES: &[Message] = &[
    // BIND of LDAP 3 (RFC 4511 s.4.2) in a message of one length byte, and Java's remote method invocation.
    Message { start: &[&[0x30], ANY, &[2], &[1], ANY, &[0x60]], name: "ldap" },
    Message { start: &[b"J", b"R", b"M", b"I", &[0], &[2]], name: "rmi" },
    // BIND and ALTER_CONTEXT of remote procedure calls, version 5 ([C706] s.12.6.4).
    Message { start: &[&[5], &[0, 1], &[11, 14], ANY, &[0x10]], name: "dce_rpc" },
    // NetBIOS session message (RFC 1002 s.4.3.1) with SMB 1 or 2 in it.
    Message { start: &[&[0], &[0, 1], ANY, ANY, &[0xfe, 0xff], b"S", b"M", b"B"], name: "smb" },
    // CONNECT of MQTT 3.1.1 and 5 (s.3.1): the length takes one byte or two.
    Message { start: &[&[0x10], ANY, &[0], &[4], b"M", b"Q", b"T", b"T"], name: "mqtt" },
    Message { start: &[&[0x10], ANY, ANY, &[0], &[4], b"M", b"Q", b"T", b"T"], name: "mqtt" },
];
/// TPKT with a connection request of X.224 in it.
const CONNECTION_REQUEST: &[&[u8]] = &[&[3], &[0], ANY, ANY, ANY, &[0xe0]];
/// Any byte.
const ANY: &[u8] = &[];
/// Logins of miners name an address, a worker and what they compute.
const MAX_CALL_BYTES: usize = 2048;
/// RFC 5321 s.4.5.3.1.5, which is the longest of them.
const MAX_LINE_BYTES: usize = 512;
