//! The head of the first request and the status of the first answer of HTTP/1 (RFC 9112).

use flow::{Application, Http};

use super::bytes::printable;

/// What the start of a stream that opens with a method tells.
pub(super) enum Request {
    /// All that the head tells, or as much of it as was seen.
    Told(Application),
    /// The request line goes on.
    Unfinished,
    /// It is no request.
    Not,
}

/// Whether the head has ended, or is too long to wait for its end.
pub(super) fn is_whole(stream: &[u8]) -> bool {
    stream.len() >= MAX_HEAD_BYTES || lines(stream).any(|(line, _)| line.is_empty())
}

/// Reads the head of a request as far as it goes. RTSP and SIP look like HTTP but for the name in the request line.
pub(super) fn request(stream: &[u8]) -> Request {
    let mut lines = lines(stream);
    let Some((line, true)) = lines.next() else {
        return if stream.len() >= MAX_HEAD_BYTES { Request::Not } else { Request::Unfinished };
    };
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Request::Not };
    let version = words.next_back().unwrap_or_default();
    if version.starts_with(b"RTSP/1.") || version.starts_with(b"SIP/2.") {
        return Request::Told(Application::Other(if version[0] == b'R' { "rtsp" } else { "sip" }.into()));
    }
    if !version.starts_with(b"HTTP/1.") {
        return Request::Not;
    }
    let mut http = Http {
        method: printable(method, MAX_METHOD_BYTES),
        target: Some(printable(target, MAX_TEXT_BYTES)),
        ..Http::default()
    };
    for (line, is_whole) in lines {
        if line.is_empty() || !is_whole {
            break;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"host") && http.host.is_none() {
            http.host = Some(printable(&without_port(value).to_ascii_lowercase(), MAX_HOST_BYTES));
        } else if name.eq_ignore_ascii_case(b"user-agent") && http.user_agent.is_none() {
            http.user_agent = Some(printable(value, MAX_TEXT_BYTES));
        }
    }
    Request::Told(Application::Http(http))
}

/// The status of an answer whose stream starts so; `None` where it is none. `HTTP/1.1 200`.
pub(super) fn status(stream: &[u8]) -> Option<u16> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', b' ', code @ ..] = stream else { return None };
    let &[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = code.first_chunk()? else { return None };
    Some([a, b, c].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0')))
}

/// The lines of a stream, each without its end and with whether it has one.
pub(super) fn lines(stream: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let stream = &stream[..stream.len().min(MAX_HEAD_BYTES)];
    stream.split_inclusive(|&byte| byte == b'\n').map(|line| match line.strip_suffix(b"\n") {
        Some(line) => (line.strip_suffix(b"\r").unwrap_or(line), true),
        None => (line, false),
    })
}

/// `example.org:8080` without the port; an IPv6 address stands in brackets.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|&byte| byte == b':') {
        Some(colon)
            if host[colon + 1..].iter().all(u8::is_ascii_digit) && !host[..colon].contains(&b':')
                || host[..colon].ends_with(b"]") =>
        {
            &host[..colon]
        }
        _ => host,
    }
}

/// Servers take no longer heads than this.
pub(super) const MAX_HEAD_BYTES: usize = 8192;
/// The longest in use are those of WebDAV and SSDP.
const MAX_METHOD_BYTES: usize = 24;
const MAX_HOST_BYTES: usize = 255;
/// What a person reads of a target or a user agent.
const MAX_TEXT_BYTES: usize = 256;
