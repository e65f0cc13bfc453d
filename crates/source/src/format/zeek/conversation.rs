//! What a line tells of a conversation.

use flow::{Application, Dns, Duration, Flow, History, Http, Label, Side, State, Time, Tls};

use super::record::{Field, Kind, Record};
use crate::Batch;
use crate::format::literal;

/// The flow of a line of conn.log.
#[inline]
pub(super) fn flow(record: &Record<'_>, start: Time) -> Result<Flow, &'static str> {
    let key = record.key()?;
    let duration = match record.bytes(Field::Duration) {
        b"" => Duration::ZERO,
        text => duration(text).ok_or("no readable duration")?,
    };
    let side = |packets, bytes, payload| {
        Ok::<_, &'static str>(Side {
            packets: count(record, packets)?,
            bytes: count(record, bytes)?,
            payload_bytes: count(record, payload)?,
            country: None,
            detail: None,
        })
    };
    Ok(Flow {
        vlan: literal::port(record.bytes(Field::Vlan)),
        originator: side(Field::OriginatorPackets, Field::OriginatorBytes, Field::OriginatorPayload)?,
        responder: side(Field::ResponderPackets, Field::ResponderBytes, Field::ResponderPayload)?,
        state: state(record.bytes(Field::State)),
        history: history(record),
        application: record.name(Field::Service).and_then(|services| service(&services)).map(Box::new),
        id: record.name(Field::Uid),
        label: label(record),
        ..Flow::between(key, start, start + duration)
    })
}

/// Notes what Zeek says of a conversation and a flow has no place for.
#[inline]
pub(super) fn note(record: &Record<'_>, batch: &mut Batch) {
    if !record.bytes(Field::TunnelParents).is_empty() {
        batch.note("flows inside a tunnel of which Zeek's conn.log does not say more", 1);
    }
    if !matches!(record.bytes(Field::MissedBytes), b"" | b"0") {
        batch.note("flows of which Zeek missed bytes", 1);
    }
}

fn duration(text: &[u8]) -> Option<Duration> {
    let nanoseconds = literal::billionths(text).filter(|&number| number >= 0)?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

/// A count of packets or bytes. Zeek reckons bytes from sequence numbers, and a lost segment can make them absurd; sums
/// over flows must not run over.
#[inline]
fn count(record: &Record<'_>, field: Field) -> Result<Option<u64>, &'static str> {
    let text = record.bytes(field);
    if text.is_empty() {
        return Ok(None);
    }
    match literal::count(text) {
        Some(number) if number <= MAX_COUNT => Ok(Some(number)),
        Some(_) => Err("count beyond what any network carries"),
        None => Err("no readable count"),
    }
}

/// What they speak, of the names that Zeek joins by commas: not what it carries (DCE-RPC over SMB) or how they sign in,
/// where more is known, and not what it withdrew (`-ssl`). Named as for other sources.
fn service(names: &str) -> Option<Application> {
    let mut names = names.split(',').filter(|name| !name.is_empty() && !name.starts_with('-'));
    let is_carried = |name: &str| ["dce_rpc", "gssapi", "ntlm", "spnego"].contains(&name);
    let first = names.next()?;
    let name = if is_carried(first) { names.find(|name| !is_carried(name)).unwrap_or(first) } else { first };
    let name = match name {
        "ssl" => "tls",
        "rfb" => "vnc",
        name => name,
    };
    Some(Application::Other(name.into()))
}

fn state(name: &[u8]) -> Option<State> {
    State::from_name(std::str::from_utf8(name).ok()?)
}

fn history(record: &Record<'_>) -> Option<History> {
    let letters = std::str::from_utf8(record.bytes(Field::History)).ok()?;
    (!letters.is_empty()).then(|| History::of(letters))
}

/// The kind of attack where it is told, otherwise the label itself.
fn label(record: &Record<'_>) -> Option<Label> {
    if record.bytes(Field::Label).is_empty() {
        return None;
    }
    let [label, detail] = [Field::Label, Field::DetailedLabel].map(|field| record.text(field));
    let label = Label::new(&label);
    if label.is_attack() && !detail.trim().is_empty() { Some(Label::new(&detail)) } else { Some(label) }
}

/// The application whose log that is, with nothing known of it.
pub(super) fn application(kind: Kind) -> Application {
    match kind {
        Kind::Dns => Application::Dns(Default::default()),
        Kind::Http => Application::Http(Http::default()),
        Kind::Ssl => Application::Tls(Tls::default()),
        Kind::Quic => Application::Quic(Tls::default()),
        Kind::Conn | Kind::Notice | Kind::Other(_) => Application::Other(Box::default()),
    }
}

/// Takes in a line of an application's log. Where several logs have the same conversation, the first one says what it
/// was; only QUIC is also TLS, in either order.
pub(super) fn tell(application: &mut Application, kind: Kind, record: &Record<'_>) {
    if let (Application::Tls(tls), Kind::Quic) = (&mut *application, kind) {
        *application = Application::Quic(std::mem::take(tls));
    }
    match (application, kind) {
        (Application::Dns(dns), Kind::Dns) => tell_dns(dns, record),
        (Application::Http(http), Kind::Http) => tell_http(http, record),
        (Application::Tls(tls) | Application::Quic(tls), Kind::Ssl) => {
            tls.version = tls.version.or_else(|| version(record.bytes(Field::Version)));
            tell_tls(tls, record, Field::NextProtocol);
        }
        // The version in quic.log is QUIC's own.
        (Application::Quic(tls), Kind::Quic) => tell_tls(tls, record, Field::ClientProtocol),
        _ => {}
    }
}

fn tell_dns(dns: &mut Dns, record: &Record<'_>) {
    // A line without a question is an answer whose question was not seen.
    if let Some(query) = record.name(Field::Query) {
        dns.ask(&query, literal::port(record.bytes(Field::RecordType)));
    }
    // RFC 1035 s.4.1.1: 0 is no error, 3 is NXDOMAIN.
    let code = record.bytes(Field::ResponseCode);
    if !matches!(code, b"" | b"0") {
        dns.failures = dns.failures.saturating_add(1);
    }
    if code == b"3" {
        dns.no_such_name = dns.no_such_name.saturating_add(1);
    }
}

/// The first request only; requests of one connection follow each other in the log.
fn tell_http(http: &mut Http, record: &Record<'_>) {
    let is_first = http.method.is_empty() && http.host.is_none() && http.target.is_none() && http.status.is_none();
    if is_first {
        *http = Http {
            method: record.name(Field::Method).unwrap_or_default(),
            host: record.name(Field::Host),
            target: record.name(Field::Target),
            user_agent: record.name(Field::UserAgent),
            status: literal::port(record.bytes(Field::Status)),
        };
    }
}

fn tell_tls(tls: &mut Tls, record: &Record<'_>, protocol: Field) {
    let tell = |known: &mut Option<Box<str>>, field| *known = known.take().or_else(|| record.name(field));
    tell(&mut tls.server_name, Field::ServerName);
    tell(&mut tls.protocol, protocol);
    tell(&mut tls.ja3, Field::Ja3);
    tell(&mut tls.ja4, Field::Ja4);
}

/// The number of a version as Zeek names it (base/protocols/ssl/consts.zeek).
fn version(name: &[u8]) -> Option<u16> {
    Some(match name {
        b"SSLv2" => 0x0002,
        b"SSLv3" => 0x0300,
        b"TLSv10" => 0x0301,
        b"TLSv11" => 0x0302,
        b"TLSv12" => 0x0303,
        b"TLSv13" => 0x0304,
        b"DTLSv10" => 0xfeff,
        b"DTLSv12" => 0xfefd,
        b"DTLSv13" => 0xfefc,
        // Drafts of TLS 1.3.
        _ if name.starts_with(b"TLSv13") => 0x0304,
        _ => return None,
    })
}

/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: u64 = 1 << 50;
