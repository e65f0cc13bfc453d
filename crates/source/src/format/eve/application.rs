//! What an event of an application tells of its conversation.

use flow::{Application, Dns, Http, Tls};

use super::event::{Event, scalar};
use super::nested;
use crate::format::json::{Json, Malformed, Text, Value};
use crate::format::literal;

/// The application that an event is about, with nothing known of it.
pub(super) fn of(event: &Event<'_>) -> Application {
    match event.kind.raw() {
        "dns" | "mdns" => Application::Dns(Default::default()),
        "http" | "http2" => Application::Http(Http::default()),
        "tls" => Application::Tls(Tls::default()),
        "quic" => Application::Quic(Tls::default()),
        kind => Application::Other(kind.into()),
    }
}

/// The application that a flow event names without saying more of it.
pub(super) fn named(name: Text<'_>) -> Option<Box<Application>> {
    match name.raw() {
        "" | "failed" | "unknown" => None,
        _ => Some(Box::new(Application::Other(kept(name)))),
    }
}

/// Takes in an event. Where events of several applications have the same conversation, the first one says what it was.
pub(super) fn tell(application: &mut Application, event: &Event<'_>) -> Result<(), Malformed> {
    match (application, event.kind.raw()) {
        (Application::Dns(dns), "dns" | "mdns") => tell_dns(dns, event.nested),
        (Application::Http(http), "http" | "http2") => tell_http(http, event.nested),
        (Application::Tls(tls), "tls") | (Application::Quic(tls), "quic" | "tls") => tell_tls(tls, event),
        _ => Ok(()),
    }
}

/// Suricata has three forms of DNS events: one a question and one a record of the answer (1), one an answer (2), and
/// both with an array of questions (3).
fn tell_dns(dns: &mut Dns, object: &str) -> Result<(), Malformed> {
    let (mut kind, mut code) = (Text::default(), Text::default());
    let mut question = Question::default();
    let mut questions = None;
    nested(object, |json, name| {
        match name {
            "type" => kind = scalar(json)?,
            "rcode" => code = scalar(json)?,
            "queries" | "query" => questions = Some(json.value()?),
            _ => question.member(json, name)?,
        }
        Ok(())
    })?;
    let is_answer = matches!(kind.raw(), "answer" | "response");
    if is_answer && !matches!(code.raw(), "" | "NOERROR" | "0") {
        dns.failures = dns.failures.saturating_add(1);
    }
    if is_answer && matches!(code.raw(), "NXDOMAIN" | "3") {
        dns.no_such_name = dns.no_such_name.saturating_add(1);
    }
    // An answer repeats the questions; of a question that was not seen it is all that is known.
    if is_answer && dns.queries > 0 {
        return Ok(());
    }
    question.ask(dns);
    let Some(Value::Nested(questions)) = questions else { return Ok(()) };
    let mut json = Json::new(questions);
    if json.is_at_object() {
        return Ok(());
    }
    json.array(|json| {
        if !json.is_at_object() {
            return json.skip();
        }
        let mut question = Question::default();
        json.object(|json, name| question.member(json, name))?;
        question.ask(dns);
        Ok(())
    })
}

#[derive(Default)]
struct Question<'a> {
    name: Option<Text<'a>>,
    record_type: Text<'a>,
}

impl<'a> Question<'a> {
    fn member(&mut self, json: &mut Json<'a>, name: &str) -> Result<(), Malformed> {
        match name {
            "rrname" => self.name = Some(scalar(json)?),
            "rrtype" => self.record_type = scalar(json)?,
            _ => json.skip()?,
        }
        Ok(())
    }

    fn ask(&self, dns: &mut Dns) {
        if let Some(name) = self.name {
            dns.ask(&kept(name), record_type(self.record_type.raw()));
        }
    }
}

/// The first request only; requests of one connection follow each other in the log.
fn tell_http(http: &mut Http, object: &str) -> Result<(), Malformed> {
    if *http != Http::default() {
        return Ok(());
    }
    nested(object, |json, name| {
        match name {
            "http_method" => http.method = optional(json)?.unwrap_or_default(),
            "hostname" => http.host = optional(json)?,
            "url" => http.target = optional(json)?,
            "http_user_agent" => http.user_agent = optional(json)?,
            "status" => http.status = literal::port(scalar(json)?.raw().as_bytes()),
            _ => json.skip()?,
        }
        Ok(())
    })
}

fn tell_tls(tls: &mut Tls, event: &Event<'_>) -> Result<(), Malformed> {
    let mut told = Tls::default();
    let mut offered = None;
    nested(event.nested, |json, name| {
        match name {
            "sni" => told.server_name = optional(json)?,
            // That of a `quic` event is QUIC's own.
            "version" if event.kind.raw() == "tls" => told.version = version(&scalar(json)?.get()),
            "client_alpns" => offered = first(json)?,
            "server_alpns" | "alpn" => told.protocol = first(json)?,
            "ja3" => told.ja3 = fingerprint(json)?,
            "ja4" => told.ja4 = fingerprint(json)?,
            _ => json.skip()?,
        }
        Ok(())
    })?;
    tls.server_name = tls.server_name.take().or(told.server_name);
    tls.version = tls.version.or(told.version);
    tls.protocol = tls.protocol.take().or(offered).or(told.protocol);
    tls.ja3 = tls.ja3.take().or(told.ja3);
    tls.ja4 = tls.ja4.take().or(told.ja4);
    Ok(())
}

/// A string by itself or under `hash`.
fn fingerprint(json: &mut Json<'_>) -> Result<Option<Box<str>>, Malformed> {
    if !json.is_at_object() {
        return optional(json);
    }
    let mut hash = None;
    json.object(|json, name| {
        match name {
            "hash" => hash = optional(json)?,
            _ => json.skip()?,
        }
        Ok(())
    })?;
    Ok(hash)
}

/// A string, or the first of several.
fn first(json: &mut Json<'_>) -> Result<Option<Box<str>>, Malformed> {
    let Value::Nested(array) = json.value()? else { return Ok(None) };
    let mut json = Json::new(array);
    let mut first = None;
    if !json.is_at_object() {
        json.array(|json| {
            let element = optional(json)?;
            first = first.take().or(element);
            Ok(())
        })?;
    }
    Ok(first)
}

fn optional(json: &mut Json<'_>) -> Result<Option<Box<str>>, Malformed> {
    let text = scalar(json)?;
    Ok((!text.raw().is_empty()).then(|| kept(text)))
}

/// As text of its own, cut where it is longer than anybody needs.
fn kept(text: Text<'_>) -> Box<str> {
    let text = text.get();
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].into()
}

/// The number of a version as Suricata names it.
fn version(name: &str) -> Option<u16> {
    Some(match name {
        "SSLv2" => 0x0002,
        "SSLv3" => 0x0300,
        "TLSv1" | "TLS 1.0" => 0x0301,
        "TLS 1.1" => 0x0302,
        "TLS 1.2" => 0x0303,
        // Its drafts too.
        _ if name.starts_with("TLS 1.3") => 0x0304,
        _ => u16::from_str_radix(name.strip_prefix("0x")?, 16).ok()?,
    })
}

/// The number of a record type (IANA, "DNS Parameters"; RFC 3597 s.5 for those without a name).
fn record_type(name: &str) -> Option<u16> {
    let name = name.trim();
    RECORD_TYPES
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|&(_, number)| number)
        .or_else(|| name.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().ok())
}

const RECORD_TYPES: [(&str, u16); 33] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("KEY", 25),
    ("AAAA", 28),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("A6", 38),
    ("DNAME", 39),
    ("OPT", 41),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("HTTPS", 65),
    ("ANY", 255),
];

/// Of a name that is kept: more than a domain name has, and most of a path.
const MAX_TEXT_BYTES: usize = 512;
