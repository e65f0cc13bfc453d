//! What other detectors said becomes evidence: the alerts of Suricata, the notices of Zeek.

use std::net::IpAddr;

use flow::{Notice, Time};

use crate::behaviour::tracks::{Map, Tracks, Weigh};
use crate::behaviour::words::{grouped, hosts, list};
use crate::{Behaviour, Evidence, Example, Fact, Facts, Role, Severity};

/// Gathers notices by the host that they are about and by what they say.
#[derive(Default)]
pub struct Reports {
    /// Reporter and name of every notice told apart, numbered in the order of their first coming.
    names: Map<(&'static str, Box<str>), u32>,
    reports: Tracks<(IpAddr, u32), Reported>,
    /// Notices that name no host.
    homeless: u64,
}

/// The notices of one name about one host.
#[derive(Default)]
struct Reported {
    span: Option<(Time, Time)>,
    notices: u64,
    /// 1 the most urgent, as the reporter has it.
    severity: Option<u8>,
    detail: Box<str>,
    others: Vec<IpAddr>,
    examples: Vec<Example>,
}

impl Weigh for Reported {
    fn weight(&self) -> usize {
        self.others.len() + self.examples.len()
    }
}

impl Reports {
    /// Takes in one more notice.
    pub fn observe(&mut self, notice: &Notice) {
        let Some((subject, other)) = parties(notice) else {
            self.homeless += 1;
            return;
        };
        let number = self.number(notice);
        let reported = self.reports.touch((subject, number), notice.time);
        let (start, end) = reported.span.unwrap_or((notice.time, notice.time));
        reported.span = Some((start.min(notice.time), end.max(notice.time)));
        reported.notices += 1;
        reported.severity = [reported.severity, notice.severity].into_iter().flatten().min();
        if reported.detail.is_empty() {
            reported.detail.clone_from(&notice.detail);
        }
        if let Some(other) = other
            && reported.others.len() < Evidence::MAX_HOSTS
            && !reported.others.contains(&other)
        {
            reported.others.push(other);
        }
        if let Some(key) = notice.key
            && reported.examples.len() < EXAMPLES
        {
            reported.examples.push(Example { start: notice.time, key, state: None, packets: None, bytes: None });
        }
    }

    /// Drops the notices of those of whom none came since that time.
    pub fn forget(&mut self, before: Time) {
        self.reports.forget(before);
        if self.reports.sorted().is_empty() {
            self.names.clear();
        }
    }

    /// Notices that named no host, so that nobody can be told of.
    pub fn homeless(&self) -> u64 {
        self.homeless
    }

    /// Evidence about each host and name, in the order of the hosts and of the names' first coming.
    pub fn evidence(&self) -> Vec<Evidence> {
        let mut names: Vec<(&(&'static str, Box<str>), u32)> =
            self.names.iter().map(|(name, number)| (name, *number)).collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        let name =
            |number: u32| names.get(number as usize).map_or(("", "more"), |((reporter, name), _)| (*reporter, name));
        let sorted = self.reports.sorted();
        sorted
            .into_iter()
            .filter_map(|((subject, number), reported)| reported.evidence(subject, name(number)))
            .collect()
    }

    fn number(&mut self, notice: &Notice) -> u32 {
        let next = self.names.len().min(MAX_NAMES) as u32;
        if next as usize == MAX_NAMES {
            return self.names.get(&(notice.reporter, notice.name.clone())).copied().unwrap_or(next);
        }
        *self.names.entry((notice.reporter, notice.name.clone())).or_insert(next)
    }
}

impl Reported {
    fn evidence(&self, subject: IpAddr, (reporter, name): (&str, &str)) -> Option<Evidence> {
        let (start, end) = self.span?;
        let name = printable(name);
        let times = if self.notices == 1 { String::new() } else { format!(" {} times", grouped(self.notices)) };
        let mut facts =
            Facts::from([("reporter", Fact::Text(reporter.to_owned())), ("name", Fact::Text(name.clone()))]);
        if !self.detail.is_empty() {
            facts.push("detail", Fact::Text(printable(&self.detail)));
        }
        if let Some(severity) = self.severity {
            facts.push("reporters_severity", Fact::Count(severity.into()));
        }
        facts.push("peers", list(&self.others));
        Some(Evidence {
            behaviour: Behaviour::Reported,
            subject,
            hosts: hosts((subject, Role::Peer), self.others.iter().copied(), Role::Peer),
            start,
            end,
            severity: severity(self.severity),
            score: SCORE,
            technique: None,
            flows: self.notices,
            summary: format!("{reporter} reported \"{name}\" about {subject}{times}"),
            facts,
            examples: self.examples.clone(),
        })
    }
}

/// The host that a notice is about, and the other one: of a conversation across the border the inner host, for it is the
/// one that somebody can look after; otherwise who did it.
fn parties(notice: &Notice) -> Option<(IpAddr, Option<IpAddr>)> {
    let ends = notice.key.map(|key| (key.originator.address, key.responder.address));
    let source = notice.source.or(ends.map(|(originator, _)| originator));
    let target = notice.target.or(ends.map(|(_, responder)| responder));
    match (source, target) {
        (Some(source), Some(target)) if !is_private(source) && is_private(target) => Some((target, Some(source))),
        (Some(source), target) => Some((source, target)),
        (None, Some(target)) => Some((target, None)),
        (None, None) => None,
    }
}

/// Whether the address belongs to a network's inside (RFC 1918, RFC 4193, link-local).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// One step below what the reporter's own scale says: signatures alarm often, and what they mean shows beside our own
/// evidence.
fn severity(reported: Option<u8>) -> Severity {
    match reported {
        Some(0 | 1) => Severity::Medium,
        Some(2) | None => Severity::Low,
        Some(_) => Severity::Info,
    }
}

/// The text without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// Names told apart; a rule set has some ten thousands.
const MAX_NAMES: usize = 1 << 16;
const EXAMPLES: usize = 5;
/// A signature matched: that says nothing of how sure it is.
const SCORE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn notice(second: i64, name: &str, source: [u8; 4], target: [u8; 4], severity: Option<u8>) -> Notice {
        let address = |bytes: [u8; 4]| Some(IpAddr::V4(Ipv4Addr::from(bytes)));
        Notice {
            time: Time::from_nanoseconds(second * 1_000_000_000),
            reporter: "suricata",
            name: name.into(),
            detail: "".into(),
            severity,
            source: address(source),
            target: address(target),
            key: None,
            id: None,
        }
    }

    #[test]
    fn notices_alike_are_one_piece_of_evidence_about_the_inner_host() {
        let mut reports = Reports::default();
        for second in 0..3 {
            reports.observe(&notice(second, "ET SCAN", [203, 0, 113, second as u8], [10, 0, 0, 1], Some(2)));
        }
        reports.observe(&notice(9, "ET TROJAN", [10, 0, 0, 1], [203, 0, 113, 9], Some(1)));
        let evidence = reports.evidence();
        assert_eq!(evidence.iter().map(|one| one.flows).collect::<Vec<_>>(), [3, 1]);
        assert!(evidence.iter().all(|one| one.subject == IpAddr::from([10, 0, 0, 1])));
        assert_eq!(
            (evidence[0].hosts.len(), evidence[0].severity, evidence[1].severity),
            (4, Severity::Low, Severity::Medium)
        );
    }

    #[test]
    fn a_notice_about_nobody_is_counted() {
        let mut reports = Reports::default();
        reports.observe(&Notice { source: None, target: None, ..notice(0, "x", [0; 4], [0; 4], None) });
        assert_eq!((reports.homeless(), reports.evidence().len()), (1, 0));
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut reports = Reports::default();
        reports.observe(&notice(0, "x\u{1b}[2J", [10, 0, 0, 1], [10, 0, 0, 2], None));
        assert!(!reports.evidence()[0].summary.contains('\u{1b}'));
    }
}
