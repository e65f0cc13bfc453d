//! Beaconing: one inside host that calls one service outside, or asks for names under one domain, again and again, at
//! intervals alike.
//!
//! Null model: the calls are Poisson, so that intervals are exponential. An interval then lies within a share `t` of the
//! median interval around any whole multiple of that (a beat, or a few that were missed) with a chance of at most
//! `2^t - 2^-t`; that is taken a quarter higher, because calls in quick succession are taken for one. Test: the beats
//! among the intervals, by binomial test against that chance, for the best of four `t`, or the evenness of all
//! intervals by Bartlett's test; at least three quarters must be beats. Both are corrected for these five tests and for all
//! the pairs of host and service that called often enough. A false alarm among all pairs of one input has a chance of at
//! most 1e-6 under that model. Programs that are regular without harm break it; what is asked beyond it keeps them quiet:
//! small answers, a service that few hosts here call, none that machines keep time or addresses with. A domain is told only
//! of who asks a name server and is none, and is low unless at least five hosts are seen, of which two at most ask for it:
//! the host and the name server that passes it on.
//!
//! How sure it is, is scored as RITA does (github.com/activecm/rita): dispersion (median absolute deviation about the
//! median) and Bowley's skewness of the intervals and of the bytes sent, and the share of the observed time in which there
//! were calls. The subject is the host inside, as the attacker, because it is the one to look at; the service is a peer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flow::{Application, Duration, Flow, Protocol, Time, fingerprint, registered_domain};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::contacts::{Contacts, Outcome};
use super::destination::{self, Destination};
use super::load::Span;
use super::scale::{SIGNIFICANCE, binomial_tail};
use super::spread::{Spread, quantile};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity, Technique};

/// Watches who calls whom outside how regularly.
pub(super) struct Beacons {
    home: Home,
    pairs: Tracks<(IpAddr, Whom), Calls>,
    /// Who calls each: what is known of a network in the long run.
    callers: Tracks<Whom, Contacts<IpAddr>>,
    name_servers: BTreeSet<IpAddr>,
    /// Everyone who calls anyone outside.
    everyone: Contacts<IpAddr>,
    span: Option<(Time, Time)>,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whom {
    Service(Destination),
    /// Whoever answers for the names under a domain, by its fingerprint.
    Domain(u64),
}

/// One host's calls of one service.
#[derive(Default)]
struct Calls {
    calls: Vec<Call>,
    name: Option<Box<str>>,
    /// Who was called, or asked for the names.
    peer: Option<IpAddr>,
    /// What is spoken, where that is told by content.
    spoken: Option<Spoken>,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    start: Time,
    port: u16,
    asked: u64,
    answered: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Web,
    Dns,
    Other,
}

/// How regular the calls are.
struct Rhythm {
    intervals: Spread,
    beats: u64,
    missed: u64,
    of: u64,
    /// As if this were the only pair.
    p: f64,
}

impl Beacons {
    pub(super) fn new(home: &Home) -> Beacons {
        Beacons {
            home: home.clone(),
            pairs: Tracks::default(),
            callers: Tracks::default(),
            name_servers: BTreeSet::new(),
            everyone: Contacts::default(),
            span: None,
        }
    }
}

impl Weigh for Calls {
    fn weight(&self) -> usize {
        self.calls.len()
    }
}

impl Watch for Beacons {
    fn observe(&mut self, flow: &Flow) {
        let (start, end) = self.span.unwrap_or((flow.start, flow.end));
        self.span = Some((start.min(flow.start), end.max(flow.end)));
        let Some((whom, name)) = self.whom(flow) else { return };
        let (caller, called) = (flow.key.originator, flow.key.responder.address);
        if matches!(whom, Whom::Domain(_)) && self.name_servers.len() < MAX_NAME_SERVERS {
            self.name_servers.insert(called);
        }
        self.everyone.add(caller.address, flow.start, Outcome::Used);
        self.callers.touch(whom, flow.end).add(caller.address, flow.start, Outcome::Used);
        let calls = self.pairs.touch((caller.address, whom), flow.end);
        calls.add(Call {
            start: flow.start,
            port: caller.port,
            asked: flow.originator.payload_bytes.or(flow.originator.bytes).unwrap_or(0),
            answered: flow.responder.payload_bytes.or(flow.responder.bytes),
        });
        calls.spoken = calls.spoken.or(flow.application.as_deref().map(Spoken::of));
        calls.peer = Some(calls.peer.map_or(called, |peer| peer.min(called)));
        if let Some(name) = name
            && calls.name.as_deref().is_none_or(|known| name < known)
        {
            calls.name = Some(name.into());
        }
        calls.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let pairs: Vec<_> =
            self.pairs.sorted().into_iter().filter(|(_, calls)| calls.calls.len() > LEAST_INTERVALS).collect();
        let tested = pairs.len() as f64;
        pairs
            .into_iter()
            .filter(|((caller, whom), _)| matches!(whom, Whom::Service(_)) || !self.name_servers.contains(caller))
            .filter_map(|((caller, whom), calls)| {
                let rhythm = calls.rhythm().filter(|rhythm| rhythm.p * tested <= SIGNIFICANCE)?;
                self.of(caller, whom, calls, &rhythm, rhythm.p * tested)
            })
            .collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
    }
}

impl Beacons {
    /// Whom the flow calls, and by what name; `None` where it opens no conversation with anyone of whom it would tell.
    fn whom<'a>(&self, flow: &'a Flow) -> Option<(Whom, Option<&'a str>)> {
        if !destination::opens(flow) {
            return None;
        }
        if let Some(Application::Dns(dns)) = flow.application.as_deref() {
            let domain = registered_domain(&dns.query).filter(|domain| !domain.ends_with(".arpa"))?;
            let is_question = dns.queries > 0 && dns.domains.estimate() == 1 && !flow.key.to_group();
            return (is_question && flow.key.responder.port == 53)
                .then(|| (Whom::Domain(fingerprint(domain.as_bytes())), Some(domain)));
        }
        let destination = Destination::of(flow, &self.home)?;
        let is_lookup = destination.service() == Some("dns") && destination.protocol == Protocol::Udp;
        (!destination.keeps_house() && !is_lookup).then(|| (Whom::Service(destination), destination::name(flow)))
    }

    fn of(&self, caller: IpAddr, whom: Whom, calls: &Calls, rhythm: &Rhythm, p: f64) -> Option<Evidence> {
        let number = calls.calls.len() as u64;
        let callers = self.callers.get(&whom).map_or(1, Contacts::len).max(1);
        let everyone = self.everyone.len().max(callers);
        let is_popular = callers >= 3 && callers * 10 >= everyone;
        let answered = Spread::of(calls.calls.iter().map(|call| call.answered.unwrap_or(0) as f64).collect());
        if is_popular || answered.median > LARGEST_ANSWER {
            return None;
        }
        let failed = calls.calls.iter().filter(|call| call.answered == Some(0)).count() as u64;
        let is_failing = failed * 10 >= number * 9;
        let sizes = Spread::of(calls.calls.iter().map(|call| call.asked as f64).collect());
        let coverage = self.coverage(calls, rhythm.intervals.median);
        let score = (rhythm.intervals.regularity() + sizes.regularity() + coverage) / 3.0;
        let is_rare = everyone >= 5 && callers == 1;
        let (is_odd, is_usual) = match whom {
            Whom::Service(to) => {
                let is_bare = calls.name.is_none() && calls.spoken == Some(Spoken::Web);
                (to.service().is_none() || is_bare, keeps_in_touch(to))
            }
            Whom::Domain(_) => (false, everyone < 5 || callers > 2),
        };
        let length = calls.span.end().since(calls.span.start());
        let severity = match () {
            () if is_failing || score < LEAST_SCORE || is_usual => Severity::Low,
            () if length < SHORT => Severity::Low,
            () if is_odd && is_rare => Severity::High,
            () => Severity::Medium,
        };
        let name = calls.name.as_deref();
        let (called, words) = match whom {
            Whom::Service(to) => ("called", to.words(name)),
            Whom::Domain(_) => ("asked for names under", name.unwrap_or_default().to_owned()),
        };
        let mut summary = format!(
            "{caller} {called} {words} every {} (±{}) {} times over {}",
            seconds(Duration::from_secs_f64(rhythm.intervals.median)),
            seconds(Duration::from_secs_f64(rhythm.intervals.deviation)),
            grouped(number),
            seconds(length),
        );
        if everyone > 1 {
            let does = if callers == 1 { "does" } else { "do" };
            summary.push_str(&format!("; {callers} of {everyone} hosts {does}"));
        }
        if is_failing {
            summary.push_str("; nobody answers");
        }
        Some(Evidence {
            behaviour: Behaviour::Beacon,
            subject: caller,
            hosts: hosts((caller, Role::Attacker), calls.peer, Role::Peer),
            start: calls.span.start(),
            end: calls.span.end(),
            severity,
            score: score.clamp(0.0, 1.0),
            technique: (!is_failing).then(|| calls.technique(whom)),
            flows: number,
            summary,
            facts: Facts::from([
                ("destination", Fact::Text(words)),
                ("calls", Fact::Count(number)),
                ("calls_unanswered", Fact::Count(failed)),
                ("period_seconds", Fact::Number(rhythm.intervals.median)),
                ("interval_deviation_seconds", Fact::Number(rhythm.intervals.deviation)),
                ("interval_skewness", Fact::Number(rhythm.intervals.skewness)),
                ("intervals", Fact::Count(rhythm.of)),
                ("intervals_on_the_beat", Fact::Count(rhythm.beats)),
                ("beats_missed", Fact::Count(rhythm.missed)),
                ("bytes_asked", Fact::Number(sizes.median)),
                ("size_dispersion", Fact::Number(sizes.dispersion())),
                ("size_skewness", Fact::Number(sizes.skewness)),
                ("share_of_time_covered", Fact::Number(coverage)),
                ("callers", Fact::Count(callers as u64)),
                ("hosts", Fact::Count(everyone as u64)),
                ("p_value", Fact::Number(p.min(1.0))),
            ]),
            examples: calls.span.examples.clone(),
        })
    }

    /// The share of the observed time with calls in it: of 24 parts of it, or of fewer that are no shorter than four beats.
    fn coverage(&self, calls: &Calls, period: f64) -> f64 {
        let Some((start, end)) = self.span else { return 0.0 };
        let observed = end.since(start).as_secs_f64();
        let parts = (observed / (4.0 * period)).clamp(1.0, 24.0).floor() as usize;
        let mut covered = vec![false; parts];
        for call in &calls.calls {
            let place = call.start.since(start).as_secs_f64() / observed.max(f64::MIN_POSITIVE) * parts as f64;
            covered[(place as usize).min(parts - 1)] = true;
        }
        covered.iter().filter(|&&is_covered| is_covered).count() as f64 / parts as f64
    }
}

impl Calls {
    fn add(&mut self, call: Call) {
        if self.calls.len() == MAX_CALLS {
            // The older half goes: what lasts shows in the other.
            self.calls.sort_unstable();
            self.calls.drain(..MAX_CALLS / 2);
        }
        self.calls.push(call);
    }

    /// `None` where the intervals are not alike, or where the calls are one conversation in parts.
    fn rhythm(&self) -> Option<Rhythm> {
        let mut calls = self.calls.clone();
        calls.sort_unstable();
        let mut ports: Vec<u16> = calls.iter().map(|call| call.port).collect();
        ports.sort_unstable();
        ports.dedup();
        // A datagram between the same two ports now and then keeps one conversation alive.
        if ports.len() * 2 < calls.len().min(10_000) {
            return None;
        }
        let times: Vec<Time> = calls.iter().map(|call| call.start).collect();
        let (intervals, quick) = beats(&times)?;
        let spread = Spread::of(intervals.clone());
        let period = spread.median;
        if period < SHORTEST_PERIOD {
            return None;
        }
        let of = intervals.len() as u64;
        let even = too_even(&intervals, quick);
        TOLERANCES
            .iter()
            .filter_map(|&tolerance| {
                let (mut beats, mut missed, mut folded) = (0, 0, Vec::with_capacity(intervals.len()));
                for interval in &intervals {
                    let multiple = (interval / period).round().clamp(1.0, MOST_MISSED + 1.0);
                    if (interval - multiple * period).abs() <= tolerance * period {
                        beats += 1;
                        missed += multiple as u64 - 1;
                        folded.push(interval - (multiple - 1.0) * period);
                    }
                }
                let chance = (1.25 * (tolerance.exp2() - (-tolerance).exp2())).min(0.9);
                let p = binomial_tail(beats, of, chance).min(even) * (TOLERANCES.len() + 1) as f64;
                let is_steady = beats as f64 >= LEAST_ON_BEAT * of as f64;
                is_steady.then(|| Rhythm { intervals: Spread::of(folded), beats, missed, of, p })
            })
            .min_by(|a, b| a.p.total_cmp(&b.p))
    }

    fn technique(&self, whom: Whom) -> Technique {
        match (self.spoken, whom) {
            (Some(Spoken::Web), _) => Technique::WebProtocols,
            (_, Whom::Domain(_)) => Technique::DnsProtocol,
            (None, Whom::Service(to)) if matches!(to.service(), Some("http" | "https")) => Technique::WebProtocols,
            _ => Technique::ApplicationLayerProtocol,
        }
    }
}

impl Spoken {
    fn of(application: &Application) -> Spoken {
        match application {
            Application::Http(_) | Application::Tls(_) | Application::Quic(_) => Spoken::Web,
            Application::Dns(_) => Spoken::Dns,
            Application::Other(name) if matches!(&**name, "http" | "tls" | "ssl" | "quic") => Spoken::Web,
            _ => Spoken::Other,
        }
    }
}

/// The seconds between calls, those in quick succession taken for one, and how quick that is; `None` where too few are
/// left.
fn beats(times: &[Time]) -> Option<(Vec<f64>, f64)> {
    let between =
        |times: &[Time]| -> Vec<f64> { times.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect() };
    let mut sorted = between(times);
    sorted.sort_unstable_by(f64::total_cmp);
    let quick = quantile(&sorted, 0.75) * QUICK;
    let mut kept: Vec<Time> = Vec::with_capacity(times.len());
    for &time in times {
        if kept.last().is_none_or(|last| time.since(*last).as_secs_f64() > quick) {
            kept.push(time);
        }
    }
    (kept.len() > LEAST_INTERVALS).then(|| (between(&kept), quick))
}

/// The chance that intervals of a Poisson process, of which those shorter than `least` were left out, are as even as these
/// or more so: Bartlett's test of their homogeneity (Bartlett 1937; Cox and Lewis 1966, s.6.3). What is left of each
/// interval beyond `least` is exponential again.
fn too_even(intervals: &[f64], least: f64) -> f64 {
    let number = intervals.len() as f64;
    let beyond = || intervals.iter().map(|interval| (interval - least).max(1e-9));
    let mean = beyond().sum::<f64>() / number;
    let unevenness = mean.ln() - beyond().map(f64::ln).sum::<f64>() / number;
    let statistic = 2.0 * number * unevenness.max(0.0) / (1.0 + (number + 1.0) / (6.0 * number));
    ChiSquared::new(number - 1.0).map_or(1.0, |distribution| distribution.cdf(statistic))
}

/// Whether programs look after that service by the clock on somebody's behalf: mail and the like.
fn keeps_in_touch(destination: Destination) -> bool {
    matches!(destination.service(), Some("imap" | "pop3" | "smtp" | "sip" | "mqtt" | "ssh" | "kerberos" | "ldap"))
}

/// Fewer intervals are no rhythm.
const LEAST_INTERVALS: usize = 8;
/// How far from a beat, as a share of the period, an interval may lie: a clock, a sleep between calls that take their
/// time, jitter of a fifth, of a third and more.
const TOLERANCES: [f64; 4] = [0.05, 0.1, 0.22, 0.38];
/// Longer silences break the rhythm.
const MOST_MISSED: f64 = 4.0;
const LEAST_ON_BEAT: f64 = 0.75;
/// Calls that follow another one within that share of the upper quartile of the intervals belong to it.
const QUICK: f64 = 0.1;
/// Faster is a program at work: a download in pieces, a page with its parts.
const SHORTEST_PERIOD: f64 = 0.5;
/// Bytes: a beacon is told little most of the time; pieces of films are larger.
const LARGEST_ANSWER: f64 = 50_000.0;
/// RITA calls half of the scale noteworthy.
const LEAST_SCORE: f64 = 0.55;
/// Something regular for so short a time may be anything.
const SHORT: Duration = Duration::from_secs(120);
/// Name servers known.
const MAX_NAME_SERVERS: usize = 4096;
/// Calls kept of one pair: a day at one each 20 s.
const MAX_CALLS: usize = 4320;
