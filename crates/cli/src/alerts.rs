//! `lapwing alerts`: the alerts that are kept, and everything about one of them.

use std::io::Write;
use std::net::IpAddr;

use alert::sink::{Format, Observer, Occasion, who};
use alert::{Alert, Behaviour, Fact, Severity, Technique};
use anyhow::Result;
use flow::printable;
use sensor::config::Config;
use sensor::delivery::observer;
use store::{Filter, Kept, Reader};

use crate::kept::{self, When};
use crate::output;
use crate::scan::{Least, format_parser, print_alert, time};
use crate::state::State;

/// List the alerts that are kept, the newest first, or show everything about one of them.
///
/// A part of an identifier is enough where only one alert begins with it. What is shown of one alert is its evidence in
/// words, the incident that it belongs to, what was said of it, what hides it, and the nearest past alerts with what was
/// said of those.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing alerts --last 7d
  lapwing alerts --least high --host 10.0.0.7
  lapwing alerts --behaviour port-scan --hidden
  lapwing alerts 3f2a                       # everything about the alert whose id begins so
  lapwing alerts --json | jq .summary
  lapwing alerts --limit 1000 --format ocsf")]
pub(crate) struct Arguments {
    /// Show everything about this alert: its identifier, or how it begins.
    #[arg(value_name = "ID", conflicts_with_all = ["last", "since", "until", "host", "least", "technique", "behaviour", "hidden", "limit", "after"])]
    alert: Option<String>,
    #[command(flatten)]
    when: When,
    /// Those in which this address takes part.
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Those of this severity or a higher one.
    #[arg(long, value_name = "SEVERITY")]
    least: Option<Least>,
    /// Those of this ATT&CK technique: T1046.
    #[arg(long, value_name = "ID", value_parser = technique)]
    technique: Option<Technique>,
    /// Those of this behaviour: port-scan, beacon, anomaly.
    #[arg(long, value_name = "NAME", value_parser = behaviour)]
    behaviour: Option<Behaviour>,
    /// Those that a suppression hides, too.
    #[arg(long)]
    hidden: bool,
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on behind a list that ended before: what it named at its end.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Print alerts in this format, one a line, instead of a table.
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), default_value = "text", hide_default_value = true)]
    format: String,
    /// Short for --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    state: State,
}

/// Reads the identifier of a technique.
fn technique(id: &str) -> Result<Technique, String> {
    Technique::from_id(id).ok_or_else(|| "no alert has this technique: T1046 is one".to_owned())
}

/// Reads the name of a behaviour.
pub(crate) fn behaviour(name: &str) -> Result<Behaviour, String> {
    let names = || Behaviour::ALL.map(Behaviour::name).join(", ");
    Behaviour::ALL.into_iter().find(|behaviour| behaviour.name() == name).ok_or_else(|| format!("one of {}", names()))
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let reader = arguments.state.reader()?;
    let name = if arguments.json { Format::Json.name() } else { &arguments.format };
    let format = Format::ALL.into_iter().find(|format| *format != Format::Text && format.name() == name);
    if let Some(prefix) = &arguments.alert {
        let kept = kept::alert(&reader, prefix)?;
        return match format {
            Some(format) => print_lines(format, &observer(&Config::default()), &[kept]),
            None => show(&reader, &kept),
        };
    }
    let filter = Filter {
        host: arguments.host,
        severity: arguments.least.map(Severity::from),
        technique: arguments.technique,
        behaviour: arguments.behaviour,
        with_hidden: arguments.hidden,
        ..arguments.when.filter(&reader)?
    };
    let page = reader.page(&filter, arguments.after.as_deref(), arguments.limit.into())?;
    match format {
        Some(format) => print_lines(format, &observer(&Config::default()), &page.alerts)?,
        None => list(&reader, &page.alerts)?,
    }
    if let Some(next) = page.next {
        eprintln!("there are more: --after {next}");
    }
    Ok(())
}

fn print_lines(format: Format, observer: &Observer, alerts: &[Kept]) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for kept in alerts {
        let is_true = kept.verdict.as_ref().is_some_and(|verdict| verdict.finding == alert::Finding::True);
        let occasion = if is_true { Occasion::Confirmed } else { Occasion::First };
        writeln!(out, "{}", format.write(&kept.alert, occasion, observer))?;
    }
    Ok(out.flush()?)
}

fn list(reader: &Reader, alerts: &[Kept]) -> Result<()> {
    let mut out = anstream::stdout().lock();
    if alerts.is_empty() {
        let kept = reader.alert_count()?;
        match kept {
            0 => writeln!(out, "No alerts: nothing that was read needs to be looked at.")?,
            kept => writeln!(out, "No such alerts among the {kept} that are kept (--hidden shows suppressed ones).")?,
        }
        return Ok(());
    }
    writeln!(out, "{}", table(alerts.iter()))?;
    Ok(())
}

/// Alerts as a table for people.
pub(crate) fn table<'a>(alerts: impl Iterator<Item = &'a Kept>) -> comfy_table::Table {
    let mut table = output::table(&["id", "severity", "behaviour", "who", "technique", "since", "flows", "verdict"]);
    for kept in alerts {
        let alert = &kept.alert;
        let said = kept.verdict.as_ref().map_or_else(String::new, |verdict| verdict.finding.to_string());
        let hidden = kept.suppressed_by.map_or_else(String::new, |by| format!("hidden by {by}"));
        table.add_row([
            alert.id.get(..8).unwrap_or(&alert.id).to_owned(),
            alert.severity.to_string(),
            alert.behaviour.name().to_owned(),
            who(&alert.hosts),
            alert.technique.map_or_else(String::new, |technique| technique.id().to_owned()),
            time(alert.start),
            alert.flows.to_string(),
            [said, hidden].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}

/// Everything about one alert.
fn show(reader: &Reader, kept: &Kept) -> Result<()> {
    let mut out = anstream::stdout().lock();
    let alert = &kept.alert;
    print_alert(&mut out, alert)?;
    writeln!(out, "Evidence")?;
    for evidence in &alert.evidence {
        writeln!(
            out,
            "  {} · score {:.2} · {} flows: {}",
            evidence.severity,
            evidence.score,
            evidence.flows,
            printable(&evidence.summary)
        )?;
        for (name, fact) in evidence.facts.iter() {
            writeln!(out, "    {} = {}", printable(name), in_words(fact))?;
        }
    }
    if let Some(incident) = kept.incident.as_deref().map(|id| reader.incident(id)).transpose()?.flatten() {
        writeln!(out, "\nIncident {} ({}, {} alerts)", incident.id, incident.severity, incident.alerts.len())?;
        writeln!(out, "  {}", printable(&incident.summary))?;
    }
    let verdicts = reader.verdicts(&alert.id)?;
    writeln!(out, "\nVerdicts")?;
    if verdicts.is_empty() {
        writeln!(out, "  none: lapwing verdict {} true|false|benign --note WHY", alert.id)?;
    }
    for verdict in verdicts {
        let (by, note) = (printable(&verdict.by), printable(&verdict.note));
        writeln!(out, "  {} by {by}, {}: {note}", verdict.finding, time(verdict.time))?;
    }
    if let Some(id) = kept.suppressed_by {
        writeln!(out, "\nHidden by suppression {id}")?;
        match reader.suppression(id)? {
            Some(one) => writeln!(out, "  {}: {} ({})", one.scope, printable(&one.reason), printable(&one.owner))?,
            None => writeln!(out, "  which was ended")?,
        }
    }
    let similar = similar(reader, alert)?;
    if !similar.is_empty() {
        writeln!(out, "\nThe nearest past alerts\n{}", table(similar.iter()))?;
    }
    Ok(())
}

fn in_words(fact: &Fact) -> String {
    match fact {
        Fact::Count(count) => count.to_string(),
        Fact::Number(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:.1e}"),
        Fact::Number(number) => format!("{number:.4}"),
        Fact::Text(text) => printable(text).into_owned(),
        Fact::List(items) => items.iter().map(|item| printable(item).into_owned()).collect::<Vec<_>>().join(", "),
    }
}

/// Past alerts about the same, the nearest first: the same behaviour of the same host, then the same pair of hosts, then the
/// same technique; of equal ones the latest.
fn similar(reader: &Reader, alert: &Alert) -> Result<Vec<Kept>> {
    let past = Filter { until: Some(alert.start), host: Some(alert.subject), with_hidden: true, ..Filter::default() };
    let of_host = reader.page(&past, None, LOOKED_AT)?.alerts;
    let past = Filter { host: None, behaviour: Some(alert.behaviour), ..past };
    let of_behaviour = reader.page(&past, None, LOOKED_AT)?.alerts;
    let others = |one: &Alert| {
        one.hosts.iter().filter(|host| host.address != one.subject).map(|host| host.address).collect::<Vec<_>>()
    };
    let own = others(alert);
    let nearness = |other: &Alert| {
        let same_host = other.subject == alert.subject;
        let same_pair = same_host && others(other).iter().any(|host| own.contains(host));
        let same_technique = alert.technique.is_some() && alert.technique == other.technique;
        let points = [(same_host && other.behaviour == alert.behaviour, 4), (same_pair, 2), (same_technique, 1)];
        points.into_iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum::<u8>()
    };
    let mut near: Vec<(u8, Kept)> = Vec::new();
    for kept in of_host.into_iter().chain(of_behaviour) {
        let nearness = nearness(&kept.alert);
        let is_new = kept.alert.id != alert.id && near.iter().all(|(_, known)| known.alert.id != kept.alert.id);
        if nearness > 0 && is_new {
            near.push((nearness, kept));
        }
    }
    near.sort_by(|(a, one), (b, other)| {
        b.cmp(a).then(other.alert.start.cmp(&one.alert.start)).then(one.alert.id.cmp(&other.alert.id))
    });
    near.truncate(SHOWN);
    Ok(near.into_iter().map(|(_, kept)| kept).collect())
}

const LOOKED_AT: usize = 500;
const SHOWN: usize = 5;
