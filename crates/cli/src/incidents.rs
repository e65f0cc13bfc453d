//! `lapwing incidents`: alerts that are one story, and the hosts that give most cause for concern.

use std::io::Write;

use alert::{Alert, Incident, risks};
use anyhow::{Result, bail};
use flow::{Duration, printable};
use store::{Filter, Reader};

use crate::input::duration;
use crate::kept;
use crate::output;
use crate::scan::time;
use crate::state::State;

/// List the incidents that are kept, the latest first, and the hosts at risk; or show one with its alerts.
///
/// Alerts about the same actors that follow one another are one incident. The risk of a host is the chance that it is in an
/// attacker's hands by its alerts, each of which counts half as much after a day.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing incidents --last 7d
  lapwing incidents 9c41                    # the story of one, alert by alert
  lapwing incidents --json")]
pub(crate) struct Arguments {
    /// Show this incident: its identifier, or how it begins.
    #[arg(value_name = "ID", conflicts_with_all = ["last", "limit"])]
    incident: Option<String>,
    /// Those that start in the last hours or days: 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    last: Option<Duration>,
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// Print incidents as JSON, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: State,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let reader = arguments.state.reader()?;
    let mut out = anstream::stdout().lock();
    if let Some(prefix) = &arguments.incident {
        let all = reader.incidents(None, MOST)?;
        let mut found = all.iter().filter(|incident| incident.id.starts_with(prefix.as_str()));
        return match (found.next(), found.next()) {
            (None, _) => bail!("no incident {} is kept; `lapwing incidents` lists those that are", printable(prefix)),
            (Some(one), Some(other)) => bail!("{} and {} both begin so: give more of the identifier", one.id, other.id),
            (Some(one), None) if arguments.json => Ok(writeln!(out, "{}", serde_json::to_string(one)?)?),
            (Some(one), None) => show(&reader, one, &mut out),
        };
    }
    let now = kept::now(&reader)?;
    let since = arguments.last.map(|last| kept::before(now, last));
    let mut incidents = reader.incidents(None, arguments.limit)?;
    incidents.retain(|incident| since.is_none_or(|since| incident.start >= since));
    if arguments.json {
        for incident in &incidents {
            writeln!(out, "{}", serde_json::to_string(incident)?)?;
        }
        return Ok(());
    }
    if incidents.is_empty() {
        return Ok(writeln!(out, "No incidents: nothing that is more than odd was found.")?);
    }
    let mut table = output::table(&["id", "severity", "since", "alerts", "tactics", "what happened"]);
    for incident in &incidents {
        table.add_row([
            incident.id.get(..8).unwrap_or(&incident.id).to_owned(),
            incident.severity.to_string(),
            time(incident.start),
            incident.alerts.len().to_string(),
            incident.tactics.iter().map(|tactic| tactic.name()).collect::<Vec<_>>().join(", "),
            printable(&incident.summary).into_owned(),
        ]);
    }
    writeln!(out, "{table}")?;
    let filter = Filter { since: Some(kept::before(now, RISKY)), ..Filter::default() };
    let alerts: Vec<Alert> = kept::all(&reader, &filter)?.into_iter().map(|kept| kept.alert).collect();
    let mut table = output::table(&["host", "risk"]);
    let risks = risks(&alerts, now);
    for (host, risk) in risks.iter().filter(|(_, risk)| *risk >= LEAST_RISK).take(HOSTS) {
        table.add_row([host.to_string(), format!("{risk:.2}")]);
    }
    if table.row_count() > 0 {
        writeln!(out, "\nHosts at risk\n{table}")?;
    }
    Ok(())
}

fn show(reader: &Reader, incident: &Incident, out: &mut impl Write) -> Result<()> {
    let Incident { id, severity, score, start, end, .. } = incident;
    writeln!(out, "Incident {id}: {severity}, score {score:.2}, {} to {}", time(*start), time(*end))?;
    writeln!(out, "  {}", printable(&incident.summary))?;
    if !incident.taken_over.is_empty() {
        let hosts: Vec<String> = incident.taken_over.iter().map(ToString::to_string).collect();
        writeln!(out, "  attacked first, attacks now: {}", hosts.join(", "))?;
    }
    let alerts = incident.alerts.iter().filter_map(|id| reader.alert(id).transpose());
    let alerts = alerts.collect::<Result<Vec<_>, _>>()?;
    Ok(writeln!(out, "\n{}", crate::alerts::table(alerts.iter()))?)
}

/// After two weeks an alert counts for next to nothing.
const RISKY: Duration = Duration::from_secs(14 * 86_400);
const LEAST_RISK: f64 = 0.01;
const HOSTS: usize = 10;
const MOST: usize = 100_000;
