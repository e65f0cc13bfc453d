//! The report: alerts as one HTML file for people who were not there.
//!
//! It needs nothing but itself, runs nothing and loads nothing, follows the reader's choice of a dark or light display, and
//! can be printed.

mod timeline;

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::Time;
use maud::{Markup, html};
use model::page::{count, section, styled, table};

use crate::sink::scale::{confidence, risk};
use crate::sink::{title, value, who};
use crate::{Alert, Evidence, Role, Severity, Tactic, Technique, risks};

/// What the alerts were found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What was read, by what it is: inputs, flows, packets.
    pub read: Vec<(String, String)>,
    /// What was skipped and why, or happened otherwise, and how often.
    pub skipped: Vec<(String, u64)>,
    /// Where the input was damaged.
    pub damage: Vec<String>,
}

/// The report of these alerts, most urgent first, and of what they were found in.
pub fn report(name: &str, alerts: &[&Alert], account: &Account) -> String {
    let mut alerts = alerts.to_vec();
    alerts.sort_by(|a, b| a.by_urgency(b));
    let shown = &alerts[..alerts.len().min(MOST_ALERTS)];
    let body = html! {
        (section("Summary", summary(&alerts)))
        @if !alerts.is_empty() {
            (section("When", timeline::picture(&alerts)))
            (section("Alerts, most urgent first", html! {
                @for alert in shown { (article(alert)) }
                @if shown.len() < alerts.len() {
                    p class="hint" { (count((alerts.len() - shown.len()) as u64)) " less urgent alerts are left out here." }
                }
            }))
            (section("Hosts by risk", hosts(&alerts)))
            (section("ATT&CK", tactics(&alerts)))
        }
        (section("What was read", read(account)))
    };
    styled(name, &lead(&alerts), include_str!("style.css"), body)
}

fn lead(alerts: &[&Alert]) -> String {
    let start = alerts.iter().map(|alert| alert.start).min();
    let end = alerts.iter().map(|alert| alert.end).max();
    let number = count(alerts.len() as u64);
    let plural = if alerts.len() == 1 { "alert" } else { "alerts" };
    match (start, end) {
        (Some(start), Some(end)) => format!("{number} {plural}, {} to {}", moment(start), moment(end)),
        _ => "No alerts: nothing needs to be looked at.".to_owned(),
    }
}

/// How many of each severity, as a row of numbers.
fn summary(alerts: &[&Alert]) -> Markup {
    let of = |severity: Severity| alerts.iter().filter(|alert| alert.severity == severity).count() as u64;
    html! {
        ul class="severities" {
            @for severity in SEVERITIES {
                li class=(severity) { strong { (count(of(severity))) } " " (severity) }
            }
        }
        @if let Some(first) = alerts.first() {
            p { "Look first at: " (plain(&first.summary)) "." }
        } @else {
            p { "Nothing was found that needs to be looked at." }
        }
    }
}

/// One alert with its reasons.
fn article(alert: &Alert) -> Markup {
    html! {
        article class=(alert.severity) {
            h3 {
                span class="badge" { (alert.severity) } " " (title(alert.behaviour))
                span class="who" { " " (who(&alert.hosts)) }
            }
            p { (plain(&alert.summary)) "." }
            dl {
                dt { "When" } dd { (moment(alert.start)) " to " (moment(alert.end)) }
                @if let Some(technique) = alert.technique {
                    dt { "Technique" }
                    dd {
                        a href=(technique.reference()) rel="noreferrer" { (technique.id()) } " " (technique.name())
                        " (" (technique.tactic().name()) ")"
                    }
                }
                dt { "Confidence" } dd { (confidence(alert)) " %; risk " (risk(alert)) " of 100" }
                dt { "Flows" } dd { (count(alert.flows)) }
                dt { "Identifier" } dd { code { (plain(&alert.id)) } }
            }
            @for evidence in alert.evidence.iter().take(MOST_EVIDENCE) { (reason(alert, evidence)) }
            @if alert.evidence.len() > MOST_EVIDENCE {
                p class="hint" { (alert.evidence.len() - MOST_EVIDENCE) " more findings alike are not shown." }
            }
        }
    }
}

fn reason(alert: &Alert, evidence: &Evidence) -> Markup {
    let flows: Vec<Vec<String>> = evidence
        .examples
        .iter()
        .map(|example| {
            let number = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), count);
            vec![
                moment(example.start),
                example.originator(),
                example.responder(),
                example.key.protocol.to_string(),
                example.state.map_or_else(String::new, |state| state.to_string()),
                number(example.packets),
                number(example.bytes),
            ]
        })
        .collect();
    html! {
        @if alert.evidence.len() > 1 { p class="finding" { (plain(&evidence.summary)) "." } }
        dl class="facts" {
            @for (name, fact) in evidence.facts.iter() {
                dt { (plain(&name.replace('_', " "))) } dd { (value(fact).replace(',', ", ")) }
            }
        }
        @if !flows.is_empty() {
            (table(&["For example", "From", "To", "Protocol", "State", "Packets", "Bytes"], &flows))
        }
    }
}

/// What a host did and suffered.
#[derive(Default)]
struct Part {
    risk: f64,
    worst: Option<Severity>,
    alerts: u64,
    does: u64,
    suffers: u64,
    what: Vec<String>,
}

fn hosts(alerts: &[&Alert]) -> Markup {
    let mut hosts: BTreeMap<IpAddr, Part> = BTreeMap::new();
    for alert in alerts {
        let mut counted: Vec<IpAddr> = Vec::new();
        for host in &alert.hosts {
            let of = hosts.entry(host.address).or_default();
            of.does += u64::from(host.role == Role::Attacker);
            of.suffers += u64::from(host.role == Role::Victim);
            if counted.contains(&host.address) {
                continue;
            }
            counted.push(host.address);
            of.alerts += 1;
            of.worst = of.worst.max(Some(alert.severity));
            let what = title(alert.behaviour);
            if !of.what.contains(&what) {
                of.what.push(what);
            }
        }
    }
    let end = alerts.iter().map(|alert| alert.end).max().unwrap_or(Time::MIN);
    for (address, risk) in risks(alerts.iter().copied(), end) {
        hosts.entry(address).or_default().risk = risk;
    }
    let mut hosts: Vec<(IpAddr, Part)> = hosts.into_iter().collect();
    hosts.sort_by(|(a, of_a), (b, of_b)| {
        let rest = (of_b.does, of_b.alerts).cmp(&(of_a.does, of_a.alerts));
        of_b.risk.total_cmp(&of_a.risk).then(rest).then(a.cmp(b))
    });
    let left_out = hosts.len().saturating_sub(MOST_HOSTS);
    let rows: Vec<Vec<String>> = hosts
        .into_iter()
        .take(MOST_HOSTS)
        .map(|(address, of)| {
            vec![
                address.to_string(),
                format!("{:.2}", of.risk),
                of.worst.map_or_else(String::new, |severity| severity.to_string()),
                count(of.alerts),
                count(of.does),
                count(of.suffers),
                of.what.join(", "),
            ]
        })
        .collect();
    html! {
        (table(&["Host", "Risk", "Most urgent", "Alerts", "As attacker", "As victim", "What"], &rows))
        p class="hint" {
            "The chance that a host is in an attacker's hands, by the alerts about what it does; it halves each day up to the end \
             of the last alert. Nobody is a risk by being attacked."
        }
        @if left_out > 0 { p class="hint" { (count(left_out as u64)) " more hosts take part." } }
    }
}

/// The tactics that were seen, in the order in which attacks go, and those that were not.
fn tactics(alerts: &[&Alert]) -> Markup {
    let mut seen: BTreeMap<Technique, (u64, Severity)> = BTreeMap::new();
    let mut without = 0;
    for alert in alerts {
        match alert.technique {
            Some(technique) => {
                let of = seen.entry(technique).or_insert((0, alert.severity));
                *of = (of.0 + 1, of.1.max(alert.severity));
            }
            None => without += 1,
        }
    }
    let rows: Vec<Vec<String>> = Tactic::ALL
        .into_iter()
        .flat_map(|tactic| {
            let of_tactic = seen.iter().filter(move |(technique, _)| technique.tactic() == tactic);
            of_tactic.map(move |(technique, (alerts, worst))| {
                let technique = format!("{} {}", technique.id(), technique.name());
                vec![tactic.name().to_owned(), technique, count(*alerts), worst.to_string()]
            })
        })
        .collect();
    let unseen: Vec<&str> = Tactic::ALL
        .into_iter()
        .filter(|tactic| !seen.keys().any(|technique| technique.tactic() == *tactic))
        .map(Tactic::name)
        .collect();
    html! {
        @if !rows.is_empty() { (table(&["Tactic", "Technique", "Alerts", "Most urgent"], &rows)) }
        @if !unseen.is_empty() { p class="hint" { "Nothing of: " (unseen.join(", ")) "." } }
        @if without > 0 {
            p class="hint" { (count(without)) " alerts have no technique: what was seen fits none, and none is guessed." }
        }
    }
}

fn read(account: &Account) -> Markup {
    html! {
        dl { @for (what, value) in &account.read { dt { (plain(what)) } dd { (plain(value)) } } }
        @if account.skipped.is_empty() && account.damage.is_empty() {
            p class="hint" { "Nothing was skipped." }
        } @else {
            h3 { "What was skipped, and what else is worth knowing" }
            dl {
                @for (what, times) in &account.skipped { dt { (count(*times)) } dd { (plain(what)) } }
            }
            @for damage in &account.damage { p { (plain(damage)) } }
        }
    }
}

/// Names from the network must not turn the direction of the text around them either.
fn plain(text: &str) -> String {
    flow::plain(text).into_owned()
}

/// A time in UTC to the second, as people read it.
fn moment(time: Time) -> String {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |seconds| format!("{} UTC", seconds.replace('T', " ")))
}

const SEVERITIES: [Severity; 5] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
/// The most alerts, findings of one alert, and hosts, that the page shows.
const MOST_ALERTS: usize = 500;
const MOST_EVIDENCE: usize = 3;
const MOST_HOSTS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample;

    #[test]
    fn a_report_says_who_when_and_why_and_runs_nothing() {
        let mut alert = sample();
        alert.summary = "<script>alert(1)</script>\u{202e}".to_owned();
        let account = Account { read: vec![("Flows".to_owned(), "12".to_owned())], ..Account::default() };
        let page = report("Office <b>", &[&alert], &account);
        assert!(page.contains("Office &lt;b&gt;") && !page.contains("<script") && !page.contains('\u{202e}'));
        assert!(page.contains("T1110.001") && page.contains("203.0.113.7:40000") && page.contains("Credential Access"));
        assert!(!page.contains("src=\"") && !page.contains("url(") && page.contains("Nothing was skipped"));
    }

    #[test]
    fn hosts_have_the_risk_that_incidents_show_and_victims_none() {
        let alert = sample();
        let [(attacker, risk)] = risks([&alert], alert.end)[..] else { panic!("one host attacks") };
        let shown = hosts(&[&alert]).into_string();
        let [attacker, victim] = [attacker, alert.hosts[1].address].map(|host| shown.find(&host.to_string()));
        let [risk, none] = [format!("{risk:.2}"), "0.00".to_owned()].map(|text| shown.find(&text));
        assert!(attacker < risk && risk < victim && victim < none && attacker.is_some(), "{shown}");
    }

    #[test]
    fn a_report_without_alerts_says_so() {
        let page = report("Office", &[], &Account::default());
        assert!(page.contains("No alerts") && !page.contains("NaN"));
    }
}
