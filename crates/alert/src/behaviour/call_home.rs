//! Calling home: an inside host whose web conversations are a program's with somebody who goes by no name.
//!
//! Two tests, either of them enough:
//!
//! * **Bare addresses**: conversations over TLS without a server's name, or over HTTP that ask for a bare address, again
//!   with the same server outside, small ones. Null model: a benign web conversation is bare with a chance of at most 0.02
//!   (few programs still leave the name out; the chance is that of the captures at hand). Binomial test over all web
//!   conversations of the host, at 0.005, so one host in two hundred that speaks to some bare server is told falsely under
//!   it; hence no more than medium, and low where the port is the web's own and the test is not met but the server is
//!   called often.
//! * **Posts without a page**: HTTP requests that send to a server from which the host never fetched anything, alike in
//!   the size of their answers, to a script rather than to a root (which leaves out the status of certificates).
//!   Null model: a first request to a server sends something with a chance of at most 0.2, because people and programs
//!   fetch first. Binomial test over the conversations with the servers concerned, at 1e-4.
//!
//! Downloads (answers of many times the request) are no call home. The subject is the host inside, as the attacker; the
//! servers are peers. Technique: web protocols (T1071.001), on a port that is not the web's T1571.

use std::net::IpAddr;

use flow::{Application, Flow, Protocol, Time};

use super::destination::{self, Destination};
use super::load::Span;
use super::scale::binomial_tail;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, list};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity, Technique};

/// Watches who speaks web protocols with whom outside.
pub(super) struct HomeCalls {
    home: Home,
    hosts: Tracks<IpAddr, Web>,
    pairs: Tracks<(IpAddr, Destination), Pair>,
    servers: Tracks<IpAddr, Callers>,
}

/// All web conversations of one host.
#[derive(Default)]
struct Web {
    conversations: u64,
    bare: u64,
}

/// One host's conversations with one server.
#[derive(Default)]
struct Pair {
    conversations: u64,
    bare: u64,
    /// Bare ones that are small.
    small: u64,
    posts: u64,
    fetches: u64,
    asked: u64,
    answered: u64,
    answers: Vec<u64>,
    name: Option<Box<str>>,
    target: Option<Box<str>>,
    is_tls: bool,
    span: Span,
}

/// Who calls one server, as many as tell that it is popular.
#[derive(Default)]
struct Callers(Vec<IpAddr>);

impl Weigh for Web {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Pair {
    fn weight(&self) -> usize {
        4 + self.answers.len() / 4
    }
}

impl Weigh for Callers {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl HomeCalls {
    pub(super) fn new(home: &Home) -> HomeCalls {
        HomeCalls { home: home.clone(), hosts: Tracks::default(), pairs: Tracks::default(), servers: Tracks::default() }
    }

    fn is_popular(&self, server: IpAddr) -> bool {
        self.servers.get(&server).is_some_and(|callers| callers.0.len() >= POPULAR)
    }
}

impl Watch for HomeCalls {
    fn observe(&mut self, flow: &Flow) {
        let Some(destination) = Destination::of(flow, &self.home).filter(|to| to.protocol == Protocol::Tcp) else {
            return;
        };
        let Some(talk) = Talk::of(flow) else { return };
        let host = flow.key.originator.address;
        let web = self.hosts.touch(host, flow.end);
        web.conversations += 1;
        web.bare += u64::from(talk.is_bare);
        let callers = self.servers.touch(destination.address, flow.end);
        if callers.0.len() < POPULAR && !callers.0.contains(&host) {
            callers.0.push(host);
        }
        let (asked, answered) = (flow.originator.payload_bytes, flow.responder.payload_bytes);
        let (asked, answered) = (asked.unwrap_or(0), answered.unwrap_or(0));
        let pair = self.pairs.touch((host, destination), flow.end);
        pair.conversations += 1;
        pair.bare += u64::from(talk.is_bare);
        pair.small += u64::from(talk.is_bare && answered <= LARGEST_ANSWER.max(4 * asked));
        pair.posts += u64::from(talk.is_post);
        pair.fetches += u64::from(talk.is_fetch);
        pair.is_tls |= talk.is_tls;
        pair.asked = pair.asked.saturating_add(asked);
        pair.answered = pair.answered.saturating_add(answered);
        if talk.is_post && pair.answers.len() < MAX_ANSWERS {
            pair.answers.push(answered);
        }
        let least = |known: &mut Option<Box<str>>, told: Option<&str>| {
            if let Some(told) = told
                && known.as_deref().is_none_or(|known| told < known)
            {
                *known = Some(told.into());
            }
        };
        least(&mut pair.name, destination::name(flow));
        least(&mut pair.target, talk.target);
        pair.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut found = Vec::new();
        let pairs = self.pairs.sorted();
        for hosts in pairs.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let Some(((host, _), _)) = hosts.first() else { continue };
            let Some(web) = self.hosts.get(host) else { continue };
            let unpopular = hosts.iter().filter(|((_, to), _)| !self.is_popular(to.address));
            let bare = unpopular.clone().filter_map(|((_, to), pair)| pair.bare_evidence(*host, *to, web));
            found.extend(bare);
            let posted: Vec<(Destination, &Pair)> =
                unpopular.filter(|(_, pair)| pair.posts_alone()).map(|((_, to), pair)| (*to, *pair)).collect();
            found.extend(posts_evidence(*host, &posted));
        }
        found
    }

    fn forget(&mut self, before: Time) {
        self.hosts.forget(before);
        self.pairs.forget(before);
    }
}

/// What one flow says over the web's protocols.
struct Talk<'a> {
    is_bare: bool,
    is_tls: bool,
    is_post: bool,
    is_fetch: bool,
    target: Option<&'a str>,
}

impl Talk<'_> {
    /// `None` where it says nothing of them, or where nobody answered.
    fn of(flow: &Flow) -> Option<Talk<'_>> {
        if flow.conversation_start != flow.start || flow.responder.is_silent() {
            return None;
        }
        match flow.application.as_deref()? {
            Application::Tls(tls) if tls.version.is_some() || tls.server_name.is_some() => Some(Talk {
                is_bare: tls.server_name.as_deref().is_none_or(destination::is_address),
                is_tls: true,
                is_post: false,
                is_fetch: false,
                target: None,
            }),
            Application::Http(http) if !http.method.is_empty() => Some(Talk {
                is_bare: http.host.as_deref().is_none_or(destination::is_address),
                is_tls: false,
                is_post: &*http.method == "POST" && http.target.as_deref().is_some_and(is_script),
                is_fetch: matches!(&*http.method, "GET" | "HEAD"),
                target: http.target.as_deref(),
            }),
            _ => None,
        }
    }
}

impl Pair {
    fn bare_evidence(&self, host: IpAddr, server: Destination, web: &Web) -> Option<Evidence> {
        let p = binomial_tail(web.bare, web.conversations, BENIGN_BARE);
        let is_odd_port = !matches!(server.service(), Some("http" | "https"));
        let is_asked_again = self.bare >= 2 && self.small * 2 >= self.bare;
        if !is_asked_again || self.bare < self.conversations {
            return None;
        }
        let is_likely = p <= LIKELY && (self.is_tls || is_odd_port || self.posts > 0);
        let severity = if is_likely { Severity::Medium } else { Severity::Low };
        if severity == Severity::Low && !(is_odd_port && self.bare >= 5) {
            return None;
        }
        let spoken = if self.is_tls { "TLS" } else { "HTTP" };
        Some(Evidence {
            severity,
            score: 1.0 - p.clamp(0.02, 0.5),
            technique: Some(if is_odd_port { Technique::NonStandardPort } else { Technique::WebProtocols }),
            flows: self.bare,
            summary: format!(
                "{host} spoke {spoken} {} times with the bare address {}, {} bytes out and {} in; {} of its {} web \
                 conversations give no name",
                grouped(self.bare),
                server.words(None),
                grouped(self.asked),
                grouped(self.answered),
                grouped(web.bare),
                grouped(web.conversations),
            ),
            facts: Facts::from([
                ("told_by", Fact::Text("bare address".to_owned())),
                ("destination", Fact::Text(server.words(None))),
                ("conversations", Fact::Count(self.conversations)),
                ("bytes_asked", Fact::Count(self.asked)),
                ("bytes_answered", Fact::Count(self.answered)),
                ("bare_of_host", Fact::Count(web.bare)),
                ("web_conversations_of_host", Fact::Count(web.conversations)),
                ("p_value", Fact::Number(p)),
            ]),
            ..self.of(host, [server.address])
        })
    }

    /// Whether the host sends to this server and fetches nothing, and is answered alike.
    fn posts_alone(&self) -> bool {
        let (least, most) = (self.answers.iter().min(), self.answers.iter().max());
        let are_alike = least.zip(most).is_some_and(|(least, most)| most - least <= SLACK.max(most / 4));
        // One answer may bring what is asked for: a task.
        let mut sorted = self.answers.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let near = sorted.iter().filter(|answer| answer.abs_diff(middle) <= SLACK.max(middle / 4)).count();
        self.posts >= 2 && self.fetches == 0 && (are_alike || near * 3 >= sorted.len() * 2) && middle <= LARGEST_ANSWER
    }

    fn of(&self, host: IpAddr, servers: impl IntoIterator<Item = IpAddr>) -> Evidence {
        Evidence {
            behaviour: Behaviour::CallHome,
            subject: host,
            hosts: hosts((host, Role::Attacker), servers, Role::Peer),
            start: self.span.start(),
            end: self.span.end(),
            severity: Severity::Low,
            score: 0.0,
            technique: None,
            flows: 0,
            summary: String::new(),
            facts: Facts::default(),
            examples: self.span.examples.clone(),
        }
    }
}

/// All servers to which a host only sends, as one.
fn posts_evidence(host: IpAddr, servers: &[(Destination, &Pair)]) -> Option<Evidence> {
    let (_, first) = servers.first()?;
    let posts: u64 = servers.iter().map(|(_, pair)| pair.posts).sum();
    let conversations: u64 = servers.iter().map(|(_, pair)| pair.conversations).sum();
    let p = binomial_tail(posts, conversations, BENIGN_POST);
    if p > POSTS_SIGNIFICANCE {
        return None;
    }
    let is_scattered = servers.len() >= 2;
    let is_bare = servers.iter().any(|(_, pair)| pair.bare > 0);
    let names: Vec<String> = servers.iter().map(|(to, pair)| to.words(pair.name.as_deref())).collect();
    let whom = if servers.len() == 1 { names[0].clone() } else { format!("{} servers", servers.len()) };
    let start = servers.iter().map(|(_, pair)| pair.span.start()).min()?;
    let end = servers.iter().map(|(_, pair)| pair.span.end()).max()?;
    Some(Evidence {
        start,
        end,
        severity: if is_scattered || is_bare { Severity::Medium } else { Severity::Low },
        score: if is_scattered { 0.8 } else { 0.6 },
        technique: Some(Technique::WebProtocols),
        flows: conversations,
        summary: format!(
            "{host} sent to {whom} {} times over HTTP without ever fetching a page there, and was answered alike each \
             time",
            grouped(posts),
        ),
        facts: Facts::from([
            ("told_by", Fact::Text("posts without a page".to_owned())),
            ("destinations", list(&names)),
            ("posts", Fact::Count(posts)),
            ("conversations", Fact::Count(conversations)),
            ("targets", list(servers.iter().filter_map(|(_, pair)| pair.target.as_deref()))),
            ("p_value", Fact::Number(p)),
        ]),
        ..first.of(host, servers.iter().map(|(to, _)| to.address))
    })
}

/// Whether a target of a request is a script or has a query, rather than a root under which a service answers.
fn is_script(target: &str) -> bool {
    target.contains(['?', '.'])
}

/// The chance that a benign web conversation gives no name.
const BENIGN_BARE: f64 = 0.02;
const LIKELY: f64 = 0.005;
/// The chance that a first request to a server sends.
const BENIGN_POST: f64 = 0.2;
const POSTS_SIGNIFICANCE: f64 = 1e-4;
/// Bytes: more is a download.
const LARGEST_ANSWER: u64 = 20_000;
/// Bytes by which answers alike may differ: dates, cookies.
const SLACK: u64 = 100;
/// From so many callers on, a server is popular.
const POPULAR: usize = 3;
const MAX_ANSWERS: usize = 64;
