//! `lapwing verdict`: what an analyst says of an alert, and what follows from it.

use std::net::IpAddr;

use alert::{Alert, Finding, Role, Scope, Verdict};
use anyhow::Result;
use flow::{Duration, Flow, printable};
use ipnet::IpNet;
use store::{Filter, Kept, Label, Reader, Span};

use crate::kept::{self, user};
use crate::state::State;
use crate::suppress::{Effect, command, covers, is_confirmed};

/// Say what an alert was: true, false, or benign (it took place and is allowed).
///
/// What is said is kept, with the flows behind the alert as examples to learn from. Where the alert need not have been, the
/// narrowest suppression is proposed that covers it and those like it and no confirmed attack, with what it would have
/// hidden. A true one is sent to the sinks again, as confirmed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing verdict 3f2a benign --note 'the nightly backup'
  lapwing verdict 3f2a91c0aa0017be true --note 'incident 2026-17'
  lapwing verdict 3f2a false")]
pub(crate) struct Arguments {
    /// The alert's identifier, or how it begins.
    #[arg(value_name = "ALERT")]
    alert: String,
    /// What it was: true, false or benign.
    #[arg(value_name = "VERDICT", value_parser = finding)]
    finding: Finding,
    /// Why.
    #[arg(long, value_name = "WHY", default_value = "", hide_default_value = true)]
    note: String,
    /// Who says so. [default: $USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    state: State,
}

fn finding(name: &str) -> Result<Finding, String> {
    name.parse().map_err(|_| "true, false or benign".to_owned())
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut store = arguments.state.store()?;
    let Kept { alert, .. } = kept::alert(&store, &arguments.alert)?;
    let (time, by) = (kept::clock(), user(arguments.by.as_deref()));
    let flows = flows_behind(&store, &alert)?;
    let (finding, note) = (arguments.finding, arguments.note.clone());
    store.put_verdict(&Verdict { alert: alert.id.clone(), finding, note, by: by.clone(), time })?;
    let kind = if finding == Finding::True { alert.behaviour.name() } else { BENIGN };
    let label = Label { alert: alert.id.clone(), kind: kind.to_owned(), by, time, flows: flows.len() as u64 };
    store.put_label(&label, &flows)?;
    println!("{finding}: {}", printable(&alert.summary));
    match flows.len() {
        0 => println!("its flows are not kept any more: there is nothing to learn from it"),
        count => println!("{count} flows behind it are kept as examples of {kind}"),
    }
    if finding != Finding::True {
        propose(&store, &alert, finding, &arguments.note)?;
    }
    Ok(())
}

/// Proposes a suppression, with what it would have hidden.
fn propose(store: &Reader, alert: &Alert, finding: Finding, note: &str) -> Result<()> {
    let alerts = kept::all(store, &Filter::default())?;
    let Some(scope) = proposal(alert, finding, &alerts) else {
        println!("no suppression is proposed: each that covers this alert covers a confirmed attack, too");
        return Ok(());
    };
    let effect = Effect::of(&scope, &alerts);
    let reason = if note.trim().is_empty() { finding.name() } else { note };
    println!("\nTo see no more of these ({scope}):\n  {}", command(&scope, reason));
    println!("this would have hidden {}", effect.in_words());
    Ok(())
}

/// The narrowest scope that covers this alert and those like it, which were found to be the same or of which nothing was said,
/// and no confirmed attack; where there is none, the narrowest that covers this alert and no confirmed attack.
fn proposal(alert: &Alert, finding: Finding, alerts: &[Kept]) -> Option<Scope> {
    let is_alike = |kept: &&Kept| {
        kept.alert.behaviour == alert.behaviour
            && kept.alert.subject == alert.subject
            && kept.verdict.as_ref().is_none_or(|verdict| verdict.finding == finding)
    };
    let alike: Vec<&Alert> = alerts.iter().filter(is_alike).map(|kept| &kept.alert).collect();
    let loses = |scope: &Scope| alerts.iter().any(|kept| is_confirmed(kept) && covers(scope, &kept.alert));
    let of = |some: &[&Alert]| {
        let candidates = candidates(some);
        candidates.into_iter().find(|scope| some.iter().all(|alert| covers(scope, alert)) && !loses(scope))
    };
    of(&alike).filter(|scope| covers(scope, alert)).or_else(|| of(&[alert]))
}

/// Scopes that may cover these alerts of one behaviour, the narrowest first.
fn candidates(alerts: &[&Alert]) -> Vec<Scope> {
    let behaviour = alerts.first().map(|alert| alert.behaviour);
    let (mut sources, mut destinations, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for alert in alerts {
        let has_attacker = alert.hosts.iter().any(|host| host.role == Role::Attacker);
        for host in &alert.hosts {
            let is_source = if has_attacker { host.role == Role::Attacker } else { host.address == alert.subject };
            if is_source { &mut sources } else { &mut destinations }.push(host.address);
        }
        let examples = alert.evidence.iter().flat_map(|evidence| &evidence.examples);
        ports.extend(examples.map(|example| example.key.responder.port));
    }
    ports.dedup();
    let port = if let [port] = ports.as_slice() { Some(*port) } else { None };
    let (source, destination) = (enclosing(&sources), enclosing(&destinations));
    let parts = [
        (true, true, true),
        (true, true, false),
        (true, false, true),
        (true, false, false),
        (false, true, true),
        (false, true, false),
    ];
    let scopes = parts.into_iter().map(|(from, to, at)| Scope {
        behaviour,
        source: source.filter(|_| from),
        destination: destination.filter(|_| to),
        port: port.filter(|_| at),
        ..Scope::default()
    });
    // A behaviour alone, of whomever, is too much to propose.
    scopes.filter(|scope| scope.source.is_some() || scope.destination.is_some()).collect()
}

/// The smallest network that holds all of these; `None` where it would be larger than a site.
fn enclosing(addresses: &[IpAddr]) -> Option<IpNet> {
    let (first, least) = addresses.first().map(|first| (IpNet::from(*first), if first.is_ipv4() { 16 } else { 48 }))?;
    let mut networks = (least..=first.max_prefix_len()).rev();
    networks.find_map(|prefix| {
        let network = IpNet::new(first.addr(), prefix).ok()?.trunc();
        addresses.iter().all(|address| network.contains(address)).then_some(network)
    })
}

/// The flows behind an alert, as far as they are kept: those of its span between its subject and the others that take part,
/// or of the subject alone where no other is named.
fn flows_behind(store: &Reader, alert: &Alert) -> Result<Vec<Flow>> {
    let to = alert.end + Duration::from_nanos(1);
    let mut replay = store.replay(Span { from: alert.start, to })?;
    let (mut batch, mut notices, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    let mut more = true;
    while more && behind.len() < MOST_FLOWS {
        more = replay.read(&mut batch, &mut notices)?;
        behind.extend(batch.drain(..).filter(|flow| alert.covers(flow)));
        notices.clear();
    }
    behind.truncate(MOST_FLOWS);
    Ok(behind)
}

/// The kind of traffic that need not be alerted of.
const BENIGN: &str = "benign";
/// As many examples as teach anything.
const MOST_FLOWS: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_encloses_addresses_of_one_site() {
        let enclosing = |addresses: &[[u8; 4]]| {
            enclosing(&addresses.iter().map(|address| IpAddr::from(*address)).collect::<Vec<_>>())
        };
        assert_eq!(enclosing(&[[10, 0, 0, 7]]), "10.0.0.7/32".parse().ok());
        assert_eq!(enclosing(&[[10, 0, 0, 7], [10, 0, 0, 4]]), "10.0.0.4/30".parse().ok());
        assert_eq!(enclosing(&[[10, 0, 0, 7], [192, 0, 2, 1]]), None);
    }
}
