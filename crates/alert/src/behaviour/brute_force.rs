//! Password guessing: the same short session with the same service, again and again.
//!
//! Test: completed sessions from one host to one service that are short, small, and alike in what the server answers
//! (coefficient of variation of its bytes), in a minute, in ten, in an hour, and in the whole input. Failed log-ins are
//! alike because the server says the same each time. Services that people log in to need fewer; for any other the pattern must be
//! stronger; services that machines call in just this way (web, DNS, directory, databases' pools) are left out or need
//! far more.

use std::cell::LazyCell;
use std::net::IpAddr;

use flow::features::ports;
use flow::{Duration, Flow, Protocol, Time};

use super::load::Span;
use super::scale::{Crossing, Scale, crossing};
use super::tracks::{Tracks, Weigh};
use super::usual::Usual;
use super::words::{grouped, hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who holds short sessions with which service.
#[derive(Default)]
pub(super) struct Guesses {
    sessions: Tracks<(IpAddr, IpAddr, u16), Sessions>,
}

/// One host's sessions with one service.
#[derive(Default)]
struct Sessions {
    /// Start, the server's payload and the log-ins tried in each short session.
    short: Vec<(Time, u64, u64)>,
    /// Start and payload of each longer session.
    long: Vec<(Time, u64)>,
    /// They look like SSH, whatever the port.
    are_ssh: bool,
    span: Span,
}

impl Weigh for Sessions {
    fn weight(&self) -> usize {
        self.short.len() + self.long.len()
    }
}

impl Watch for Guesses {
    fn observe(&mut self, flow: &Flow) {
        let (caller, service) = (flow.key.originator.address, flow.key.responder);
        let Some(session) = Session::of(flow) else { return };
        let sessions = self.sessions.touch((caller, service.address, service.port), flow.end);
        if session.is_short {
            sessions.are_ssh |= is_ssh(flow);
            if sessions.short.len() < MAX_SESSIONS {
                sessions.short.push((flow.start, session.answered, tries(flow)));
            }
            sessions.span.add(flow);
        } else if sessions.long.len() < MAX_SESSIONS {
            sessions.long.push((flow.start, session.asked + session.answered));
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let sessions = self.sessions.sorted();
        let short = |sessions: &Sessions| sessions.short.len() as u64;
        let counts = || sessions.iter().map(|((caller, ..), sessions)| (*caller, short(sessions)));
        let usual = LazyCell::new(|| Usual::of(counts()));
        sessions
            .iter()
            .filter_map(|&((caller, server, port), sessions)| {
                Some(usual.beside(sessions.evidence(caller, server, port)?, short(sessions)))
            })
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.sessions.forget(before);
    }
}

/// A session over which somebody may have logged in.
pub(super) struct Session {
    asked: u64,
    answered: u64,
    /// No more was said than when a log-in fails.
    pub(super) is_short: bool,
}

impl Session {
    /// `None` where the flow is no such session.
    pub(super) fn of(flow: &Flow) -> Option<Session> {
        let port = flow.key.responder.port;
        let (asked, answered) = (flow.originator.payload_bytes?, flow.responder.payload_bytes?);
        let can_be_login = asked >= least_asked(port) && answered > 0 && is_dialogue(flow);
        let answers = flow.responder.detail.map_or(0, |detail| detail.payload_packets);
        let (most_bytes, most_answers) = most_answered(flow);
        let is_short =
            asked <= MAX_ASKED && answered <= most_bytes && answers <= most_answers && flow.duration() <= MAX_DURATION;
        (flow.key.protocol == Protocol::Tcp && scales(port).is_some() && can_be_login).then_some(Session {
            asked,
            answered,
            is_short,
        })
    }
}

impl Sessions {
    fn evidence(&self, caller: IpAddr, server: IpAddr, port: u16) -> Option<Evidence> {
        let (scales, most_variation) = if self.are_ssh { (&LOGIN[..], 0.5) } else { scales(port)? };
        let mut times: Vec<Time> = self.short.iter().map(|&(start, ..)| start).collect();
        times.sort_unstable();
        let crossing = crossing(&times, scales).or_else(|| self.many_tries())?;
        let variation = variation(self.short.iter().map(|&(_, answered, _)| answered as f64));
        if variation > most_variation {
            return None;
        }
        let sessions = self.short.len() as u64;
        let tries: u64 = self.short.iter().map(|&(.., tries)| tries).sum();
        let (first, last) = (times[0], times[times.len() - 1]);
        // A guess that succeeded goes on: a longer session soon after, by one who had none before.
        let middle = times[times.len() / 2];
        let is_new = self.long.iter().all(|&(start, _)| start > first);
        let soon = |start: Time| start >= middle && start <= last + SOON;
        let followed = self.long.iter().filter(|&&(start, _)| is_new && soon(start)).map(|&(_, bytes)| bytes).max();
        let service = port_words(port);
        let mut summary = format!(
            "{caller} held {} short sessions, alike, with {server} port {service} in {}",
            grouped(sessions),
            seconds(last.since(first)),
        );
        if let Some(bytes) = followed {
            summary.push_str(&format!(", then a longer one of {} bytes: a guess may have succeeded", grouped(bytes)));
        }
        let is_fast = crossing.scale.window.is_some_and(|window| window.as_secs() <= 60);
        Some(Evidence {
            behaviour: Behaviour::PasswordGuessing,
            subject: caller,
            hosts: hosts((caller, Role::Attacker), [server], Role::Victim),
            start: self.span.start(),
            end: self.span.end(),
            severity: match (followed, is_fast) {
                (Some(_), true) => Severity::Critical,
                (Some(_), false) | (None, true) => Severity::High,
                (None, false) => Severity::Medium,
            },
            score: crossing.score(),
            technique: Some(Technique::PasswordGuessing),
            flows: sessions,
            summary,
            facts: Facts::from([
                ("service", Fact::Text(service)),
                ("sessions", Fact::Count(sessions)),
                ("log_ins_at_least", Fact::Count(tries)),
                ("window", Fact::Text(crossing.scale.name())),
                ("count_in_window", Fact::Count(crossing.count)),
                ("variation_of_answers", Fact::Number(variation)),
                ("longer_sessions_after", Fact::Count(followed.map_or(0, |_| self.long.len() as u64))),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

impl Sessions {
    /// Few sessions with many log-ins tried in each.
    fn many_tries(&self) -> Option<Crossing> {
        let mut times: Vec<Time> =
            self.short.iter().flat_map(|&(start, _, tries)| std::iter::repeat_n(start, tries as usize)).collect();
        times.sort_unstable();
        crossing(&times, &TRIES).filter(|_| self.short.len() >= 5 && times.len() >= self.short.len() * 2)
    }
}

/// Whether both sides speak more than once, as they do over a log-in. One question and one answer over an unknown
/// service is how machines ask each other how they are.
fn is_dialogue(flow: &Flow) -> bool {
    let often = |side: &flow::Side| side.detail.is_none_or(|detail| detail.payload_packets >= 2);
    ports::service(flow.key.responder.port).is_some() || (often(&flow.originator) && often(&flow.responder))
}

/// The log-ins tried in a session, at least. SSH exchanges versions and keys in some five packets each way; whatever the
/// server says after that in a session that comes to nothing is a refusal (RFC 4252 s.5.1).
fn tries(flow: &Flow) -> u64 {
    match flow.responder.detail {
        Some(detail) if is_ssh(flow) => u64::from(detail.payload_packets.saturating_sub(5)).clamp(1, 20),
        _ => 1,
    }
}

/// The most that a server says in a session that comes to nothing: bytes, and packets with payload.
fn most_answered(flow: &Flow) -> (u64, u32) {
    match ports::service(flow.key.responder.port) {
        // Versions, keys and refusals. A session that is let in hears more, even where it only runs one command.
        _ if is_ssh(flow) => (3200, 40),
        // A welcome, and two answers for each of three tries.
        Some("ftp") => (20_000, 8),
        _ => (20_000, u32::MAX),
    }
}

/// Whether it is SSH, on its own port or by its look on another: keys take a kibibyte each way, and many packets.
fn is_ssh(flow: &Flow) -> bool {
    let looks_so = |side: &flow::Side| {
        side.payload_bytes.is_some_and(|bytes| bytes >= 1000)
            && side.detail.is_some_and(|detail| (7..=40).contains(&detail.payload_packets))
    };
    match ports::service(flow.key.responder.port) {
        Some(service) => service == "ssh",
        None => looks_so(&flow.originator) && looks_so(&flow.responder),
    }
}

/// What is too many sessions with that service and how alike they must be; `None` where it is not looked at.
fn scales(port: u16) -> Option<(&'static [Scale], f64)> {
    match ports::service(port) {
        Some("ssh" | "ftp" | "telnet" | "rdp" | "smb" | "vnc" | "winrm" | "pop3" | "imap" | "smtp" | "netbios") => {
            Some((&LOGIN, 0.5))
        }
        Some("mysql" | "mssql" | "postgresql" | "oracle" | "redis" | "mongodb" | "ldap" | "kerberos") => {
            Some((&POOLED, 0.1))
        }
        Some(_) => None,
        None => Some((&UNKNOWN, 0.15)),
    }
}

/// The bytes without which nobody can try a password with that service: less is a check that it is up.
fn least_asked(port: u16) -> u64 {
    match ports::service(port) {
        // Versions and key exchange come before any log-in.
        Some("ssh") => 500,
        Some("rdp" | "smb" | "netbios" | "winrm" | "ldap" | "kerberos") => 150,
        // EHLO, AUTH and a name with its password in Base64.
        Some("smtp") => 40,
        // A user and a password, each with its command.
        Some("ftp" | "pop3" | "imap" | "vnc") => 16,
        _ => 4,
    }
}

/// Standard deviation over mean.
fn variation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt() / mean
}

/// People mistype a password a few times; nobody does ten times a minute.
const LOGIN: [Scale; 4] = [Scale::within(60, 10), Scale::within(600, 20), Scale::within(3600, 30), Scale::whole(60)];
/// Log-ins tried over few sessions.
const TRIES: [Scale; 3] = [Scale::within(60, 20), Scale::within(600, 40), Scale::within(3600, 60)];
const POOLED: [Scale; 2] = [Scale::within(60, 200), Scale::within(600, 1000)];
const UNKNOWN: [Scale; 2] = [Scale::within(60, 25), Scale::within(600, 60)];
/// A log-in that fails is no longer than this: what is asked, and how long.
const MAX_ASKED: u64 = 10_000;
const MAX_DURATION: Duration = Duration::from_secs(60);
/// How long after the last failure a session is still taken for the success.
const SOON: Duration = Duration::from_secs(300);
/// Sessions kept of one host with one service.
const MAX_SESSIONS: usize = 10_000;
