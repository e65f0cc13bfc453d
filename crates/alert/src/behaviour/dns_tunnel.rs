//! DNS tunnelling: data in the names that one host asks for under one domain, and in the records that come back.
//!
//! Test: distinct names under one registered domain (or under none, which a tunnel straight to its server needs not) that
//! one client asks for, in a minute, in ten, in an hour. A client that browses asks for a few names under a domain and asks
//! them again. Fewer are enough where the names carry data by their looks. Null model of that: a benign question under one
//! domain is for a record that can carry anything (TXT, NULL, CNAME, MX, KEY, private types) with a chance of at most 0.1,
//! and for a name that goes more than 24 bytes beyond the domain with a chance of at most 0.1; binomial test of either,
//! corrected for both and for all pairs of client and domain that asked for so many names, at 1e-6. Of the lengths only
//! sum and largest are known, from which follows the least number of long names; they count only where the mean is beyond
//! 40 bytes, because antivirus programs ask for names of some thirty. Without these marks many names are low: look-ups of
//! such programs and of block lists carry data by design. A domain that three clients and a tenth of all ask for
//! is a service, not a tunnel. Reverse look-ups and names of the link are left out.
//!
//! The subject is the client, as the attacker; where it asks through a resolver, and only what that asks was seen, the
//! resolver. The servers asked are peers. Technique: DNS as the channel of commands (T1071.004), or data out over it
//! (T1048.003) where the names are long and the answers bring next to nothing.

use std::net::IpAddr;

use flow::{Application, Dns, Flow, Moments, Time, fingerprint, registered_domain};

use super::contacts::{Contacts, Outcome};
use super::load::Span;
use super::scale::{Crossing, SIGNIFICANCE, Scale, binomial_tail, crossing};
use super::timeline::Timeline;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who asks for which names.
#[derive(Default)]
pub(super) struct DnsTunnels {
    /// By client and fingerprint of the domain.
    pairs: Tracks<(IpAddr, u64), Questions>,
    /// Who asks for names under each domain.
    askers: Tracks<u64, Contacts<IpAddr>>,
    clients: Contacts<IpAddr>,
}

/// One client's questions for names under one domain.
#[derive(Default)]
struct Questions {
    domain: Box<str>,
    servers: Contacts<IpAddr>,
    /// Names of conversations with one question.
    names: Contacts<u64>,
    /// Distinct names of conversations with many, about.
    streamed: Timeline,
    questions: u64,
    data_questions: u64,
    /// Bytes of the names, the domain's among them.
    lengths: Option<Moments>,
    entropy: Option<Moments>,
    asked_bytes: u64,
    answered_bytes: u64,
    first_name: Box<str>,
    span: Span,
}

impl Weigh for Questions {
    fn weight(&self) -> usize {
        self.names.weight() + self.streamed.weight()
    }
}

impl Watch for DnsTunnels {
    fn observe(&mut self, flow: &Flow) {
        let Some(Application::Dns(dns)) = flow.application.as_deref() else { return };
        let key = flow.key;
        if dns.queries == 0 || matches!(key.responder.port, 5353 | 5355 | 137) || key.to_group() {
            return;
        }
        let client = key.originator.address;
        self.clients.add(client, flow.start, Outcome::Used);
        let domain = match registered_domain(&dns.query) {
            Some(domain) if is_watched(domain) => domain,
            None if has_no_top_level(&dns.query) => "",
            _ => return,
        };
        // A forwarder that asks everything from one port: whose names these are is not known.
        if dns.domains.estimate() > 2 && !domain.is_empty() {
            return;
        }
        let fingerprint = fingerprint(domain.as_bytes());
        self.askers.touch(fingerprint, flow.end).add(client, flow.start, Outcome::Used);
        self.pairs.touch((client, fingerprint), flow.end).add(domain, dns, flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let pairs: Vec<_> =
            self.pairs.sorted().into_iter().filter(|(_, questions)| questions.distinct() >= LEAST_NAMES).collect();
        let is_service = |domain: &u64| {
            let askers = self.askers.get(domain).map_or(0, Contacts::len);
            askers >= 3 && askers * 10 >= self.clients.len()
        };
        let tested = pairs.len() as f64;
        pairs
            .iter()
            .filter(|((_, domain), _)| !is_service(domain))
            .filter_map(|((client, _), questions)| questions.evidence(*client, tested))
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
        self.askers.forget(before);
    }
}

impl Questions {
    fn add(&mut self, domain: &str, dns: &Dns, flow: &Flow) {
        if self.questions == 0 {
            self.domain = domain.into();
        }
        if self.questions == 0 || *dns.query < *self.first_name {
            self.first_name = dns.query.clone();
        }
        let distinct = dns.names.estimate();
        if distinct > 1 {
            self.streamed.add(flow.start, flow.end, distinct.min(dns.queries.into()));
        } else {
            self.names.add(fingerprint(dns.query.as_bytes()), flow.start, Outcome::Used);
        }
        self.servers.add(flow.key.responder.address, flow.start, Outcome::Used);
        self.questions = self.questions.saturating_add(dns.queries.into());
        self.data_questions = self.data_questions.saturating_add(dns.data_questions.into());
        self.lengths.get_or_insert_default().append(&dns.lengths);
        self.entropy.get_or_insert_default().append(&dns.entropy);
        self.asked_bytes = self.asked_bytes.saturating_add(flow.originator.payload_bytes.unwrap_or(0));
        self.answered_bytes = self.answered_bytes.saturating_add(flow.responder.payload_bytes.unwrap_or(0));
        self.span.add(flow);
    }

    fn distinct(&self) -> u64 {
        self.names.len() as u64 + self.streamed.total
    }

    fn crossing(&self, scales: &[Scale]) -> Option<Crossing> {
        let times: Vec<Time> = self.names.all().into_iter().map(|(time, ..)| time).collect();
        crossing(&times, scales).or_else(|| self.streamed.crossing(scales))
    }

    fn evidence(&self, client: IpAddr, tested: f64) -> Option<Evidence> {
        let distinct = self.distinct().min(self.questions);
        let lengths = self.lengths.unwrap_or_default();
        let beyond = |bytes: f64| (bytes - self.domain.len() as f64 - 1.0).max(0.0);
        let mean = beyond(lengths.mean().unwrap_or(0.0));
        let most = beyond(lengths.max().unwrap_or(0) as f64);
        // Were fewer names long, their sum could not be what it is.
        let share = if most > LONG_NAME { ((mean - LONG_NAME) / (most - LONG_NAME)).clamp(0.0, 1.0) } else { 0.0 };
        let long = (share * self.questions as f64).ceil() as u64;
        let by_type = binomial_tail(self.data_questions, self.questions, BENIGN_DATA);
        let by_length = binomial_tail(long, self.questions, BENIGN_LONG);
        let p = (2.0 * by_type.min(by_length) * tested).min(1.0);
        // Antivirus programs ask for addresses of names of some thirty bytes.
        let is_by_type = 2.0 * by_type * tested <= SIGNIFICANCE;
        let carries_data = p <= SIGNIFICANCE && mean >= if is_by_type { LEAST_MEAN } else { VERY_LONG };
        let crossing = if carries_data { self.crossing(&MARKED) } else { None };
        let is_marked = crossing.is_some();
        let crossing = match crossing {
            Some(crossing) => crossing,
            None if mean >= LEAST_MEAN => self.crossing(&PLAIN)?,
            None => return None,
        };
        let is_plain = crossing.count >= 3 * crossing.scale.least || is_marked && mean >= VERY_LONG;
        let severity = match (is_marked, is_plain) {
            (true, true) if is_by_type || mean >= LONGEST => Severity::High,
            (true, _) => Severity::Medium,
            (false, true) if mean >= LONG_NAME => Severity::Medium,
            (false, _) => Severity::Low,
        };
        // The question comes back with each answer; what is beyond it was brought in.
        let brought = self.answered_bytes.saturating_sub(self.asked_bytes);
        let is_upload = mean >= VERY_LONG && brought <= 24 * self.questions && self.answered_bytes > 0;
        let domain = if self.domain.is_empty() { "no domain" } else { &*self.domain };
        let entropy = self.entropy.and_then(|entropy| entropy.mean()).unwrap_or(0.0) / 1000.0;
        let data_share = self.data_questions as f64 / self.questions.max(1) as f64;
        let length = self.span.end().since(self.span.start());
        let servers = self.servers.all();
        Some(Evidence {
            behaviour: Behaviour::DnsTunnel,
            subject: client,
            hosts: hosts((client, Role::Attacker), servers.iter().map(|&(_, address, _)| address), Role::Peer),
            start: self.span.start(),
            end: self.span.end(),
            severity,
            score: if is_marked { crossing.score() } else { crossing.score() * 0.6 },
            technique: (is_marked || severity >= Severity::Medium).then_some(if is_upload {
                Technique::ExfiltrationOverUnencryptedProtocol
            } else {
                Technique::DnsProtocol
            }),
            flows: self.names.flows.max(1),
            summary: format!(
                "{client} asked for {} names under {domain} in {}, {mean:.0} bytes each beyond the domain, {:.0} % of \
                 them for records that carry data",
                grouped(distinct),
                seconds(length),
                data_share * 100.0,
            ),
            facts: Facts::from([
                ("domain", Fact::Text(domain.to_owned())),
                ("distinct_names", Fact::Count(distinct)),
                ("questions", Fact::Count(self.questions)),
                ("window", Fact::Text(crossing.scale.name())),
                ("names_in_window", Fact::Count(crossing.count)),
                ("bytes_beyond_domain", Fact::Number(mean)),
                ("longest_beyond_domain", Fact::Number(most)),
                ("bits_a_byte", Fact::Number(entropy)),
                ("data_questions", Fact::Count(self.data_questions)),
                ("long_names_at_least", Fact::Count(long)),
                ("bytes_asked", Fact::Count(self.asked_bytes)),
                ("bytes_answered", Fact::Count(self.answered_bytes)),
                ("a_name", Fact::Text(self.first_name.chars().take(120).collect())),
                ("p_value", Fact::Number(p)),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

/// Whether names under that domain are made by people: not reverse look-ups, nor those of the link.
fn is_watched(domain: &str) -> bool {
    !domain.ends_with(".arpa") && !domain.ends_with(".local") && !domain.ends_with(".localdomain")
}

/// Whether the name's last label can be of no domain, so that it was made for a server that is asked straight.
fn has_no_top_level(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, top)| top.len() > 24 || top.len() >= 8 && top.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Fewer names are not looked at.
const LEAST_NAMES: u64 = 20;
/// Distinct names that look like data.
const MARKED: [Scale; 3] = [Scale::within(60, 20), Scale::within(600, 50), Scale::within(3600, 100)];
/// Distinct names whatever they look like.
const PLAIN: [Scale; 3] = [Scale::within(60, 80), Scale::within(600, 200), Scale::within(3600, 500)];
/// The chance that a benign question is for a record that can carry anything.
const BENIGN_DATA: f64 = 0.1;
/// The chance that a benign name goes on for longer than that beyond its domain, in bytes.
const BENIGN_LONG: f64 = 0.1;
const LONG_NAME: f64 = 24.0;
/// Shorter names, on average, carry next to nothing: numbers of servers, reversed addresses.
const LEAST_MEAN: f64 = 6.0;
const VERY_LONG: f64 = 40.0;
/// Longer than what programs ask for whose look-ups carry data by design.
const LONGEST: f64 = 60.0;
