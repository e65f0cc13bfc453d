//! `lapwing suppress`: what need not be looked at, by decision of a person.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;

use alert::{Alert, Behaviour, Finding, Scope, Suppression};
use anyhow::{Result, bail};
use flow::{Duration, Time, printable};
use ipnet::IpNet;
use store::{Filter, Hits, Kept, Reader};

use crate::alerts::{behaviour, table};
use crate::input::duration;
use crate::kept::{self, moment, user};
use crate::output;
use crate::scan::time;
use crate::state::State;

/// Decide that some alerts need not be looked at, list such decisions, end one, or tell what it hid.
///
/// A suppression covers what lies wholly within its scope, from now on until it expires. What it hides is kept and counted. It
/// is shown beforehand what it would have hidden; where an alert that was confirmed as an attack is among that, --force is
/// needed. A sensor that runs takes notice by itself.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing suppress --source 10.0.0.7 --behaviour port-scan --reason 'our own scanner'
  lapwing suppress --source 10.0.0.9 --destination 192.0.2.0/24 --port 443 --reason backup --expires never --past
  lapwing suppress --list
  lapwing suppress --report 3               # what it hid
  lapwing suppress --end 3 --past           # and shows again what it hid")]
pub(crate) struct Arguments {
    #[command(flatten)]
    scope: ScopeArguments,
    /// Why it need not be looked at.
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
    /// Who answers for it. [default: $USER]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// When it ends by itself: after 30d, on 2027-01-31, or never.
    #[arg(long, value_name = "TIME", value_parser = expiry, default_value = "90d")]
    expires: Expiry,
    /// Hide the alerts, too, that are kept already and that it covers; with --end, show again what it hid.
    #[arg(long)]
    past: bool,
    /// Make it even though it covers an alert that was confirmed as an attack.
    #[arg(long)]
    force: bool,
    /// List the suppressions that were not ended.
    #[arg(long, conflicts_with_all = ["end", "report"])]
    list: bool,
    /// End this one.
    #[arg(long, value_name = "NUMBER", conflicts_with = "report")]
    end: Option<u64>,
    /// Tell what this one hid, or each.
    #[arg(long, value_name = "NUMBER", num_args = 0..=1)]
    report: Option<Option<u64>>,
    #[command(flatten)]
    state: State,
}

/// What a suppression covers: that for which everything holds that is named.
#[derive(clap::Args)]
struct ScopeArguments {
    /// Who does it: an address or a network.
    #[arg(long, value_name = "NETWORK", value_parser = network, help_heading = "Scope")]
    source: Option<IpNet>,
    /// To whom.
    #[arg(long, value_name = "NETWORK", value_parser = network, help_heading = "Scope")]
    destination: Option<IpNet>,
    /// Among whom: all that take part.
    #[arg(long, value_name = "NETWORK", value_parser = network, help_heading = "Scope")]
    network: Option<IpNet>,
    /// The port of the service.
    #[arg(long, help_heading = "Scope")]
    port: Option<u16>,
    /// What is going on: port-scan, beacon, anomaly.
    #[arg(long, value_name = "NAME", value_parser = behaviour, help_heading = "Scope")]
    behaviour: Option<Behaviour>,
    /// What the detector that speaks is called (`learned_from` in its evidence).
    #[arg(long, value_name = "NAME", help_heading = "Scope")]
    model: Option<String>,
}

impl ScopeArguments {
    fn scope(&self) -> Scope {
        let ScopeArguments { source, destination, network, port, behaviour, model } = self;
        Scope {
            source: *source,
            destination: *destination,
            network: *network,
            port: *port,
            behaviour: *behaviour,
            model: model.clone(),
        }
    }
}

#[derive(Clone, Copy)]
enum Expiry {
    After(Duration),
    At(Time),
    Never,
}

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        text if text.contains('-') => moment(text).map(Expiry::At),
        text => duration(text).map(Expiry::After),
    }
}

/// An address or a network: 10.0.0.7, 10.0.0.0/8.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
    network.or_else(address).ok_or_else(|| format!("`{}` is neither an address nor a network", printable(text)))
}

/// Reads a scope in one word: `source=10.0.0.7,behaviour=port-scan`.
pub(crate) fn scope(text: &str) -> Result<Scope, String> {
    let mut scope = Scope::default();
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE,...: source=10.0.0.7,behaviour=port-scan")?;
        match name {
            "source" => scope.source = Some(network(value)?),
            "destination" => scope.destination = Some(network(value)?),
            "network" => scope.network = Some(network(value)?),
            "port" => scope.port = Some(value.parse().map_err(|_| format!("`{}` is no port", printable(value)))?),
            "behaviour" => scope.behaviour = Some(behaviour(value)?),
            "model" => scope.model = Some(value.to_owned()),
            _ => return Err("a scope has source, destination, network, port, behaviour, model".to_owned()),
        }
    }
    Ok(scope)
}

/// The command that suppresses this scope.
pub(crate) fn command(scope: &Scope, reason: &str) -> String {
    let mut text = "lapwing suppress".to_owned();
    let networks = [("source", scope.source), ("destination", scope.destination), ("network", scope.network)];
    for (name, network) in networks.into_iter().filter_map(|(name, network)| Some((name, network?))) {
        let _ = write!(text, " --{name} {network}");
    }
    if let Some(port) = scope.port {
        let _ = write!(text, " --port {port}");
    }
    if let Some(behaviour) = scope.behaviour {
        let _ = write!(text, " --behaviour {}", behaviour.name());
    }
    for (name, value) in scope.model.as_deref().map(|model| ("model", model)).into_iter().chain([("reason", reason)]) {
        let _ = write!(text, " --{name} '{}'", printable(value).replace('\'', r"'\''"));
    }
    text
}

/// What a scope does to the alerts that are kept and shown.
pub(crate) struct Effect {
    pub(crate) covered: Vec<Kept>,
    /// How many are kept and shown.
    total: usize,
    days: f64,
}

impl Effect {
    /// What the scope would have hidden of these alerts.
    pub(crate) fn of(scope: &Scope, alerts: &[Kept]) -> Effect {
        let spans = (alerts.iter().map(|kept| kept.alert.start).min(), alerts.iter().map(|kept| kept.alert.end).max());
        let days = match spans {
            (Some(start), Some(end)) => end.since(start).as_secs_f64() / 86_400.0,
            _ => 0.0,
        };
        let covered = alerts.iter().filter(|kept| covers(scope, &kept.alert)).cloned().collect();
        Effect { covered, total: alerts.len(), days: days.max(1.0) }
    }

    /// Those of them that were confirmed as attacks.
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = &Kept> {
        self.covered.iter().filter(|kept| is_confirmed(kept))
    }

    /// In words: `37 of 120 alerts (5.3 a day) and none of the confirmed attacks`.
    pub(crate) fn in_words(&self) -> String {
        let count = self.covered.len();
        let a_day = count as f64 / self.days;
        let lost = match self.confirmed().count() {
            0 => "none of the confirmed attacks".to_owned(),
            1 => "ONE CONFIRMED ATTACK".to_owned(),
            many => format!("{many} CONFIRMED ATTACKS"),
        };
        format!("{count} of {} alerts in {:.1} days ({a_day:.1} a day), {lost} among them", self.total, self.days)
    }
}

/// Whether all that the alert tells of lies within the scope.
pub(crate) fn covers(scope: &Scope, alert: &Alert) -> bool {
    !alert.evidence.is_empty() && alert.evidence.iter().all(|evidence| scope.covers(evidence))
}

pub(crate) fn is_confirmed(kept: &Kept) -> bool {
    kept.verdict.as_ref().is_some_and(|verdict| verdict.finding == Finding::True)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        return list(&arguments.state.reader()?);
    }
    if let Some(which) = arguments.report {
        return report(&arguments.state.reader()?, which);
    }
    match arguments.end {
        Some(id) => end(arguments, id),
        None => add(arguments),
    }
}

fn add(arguments: &Arguments) -> Result<()> {
    let scope = arguments.scope.scope();
    if scope.is_empty() {
        bail!("say what need not be looked at: --source, --destination, --network, --port, --behaviour or --model");
    }
    let reason = arguments.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let Some(reason) = reason else { bail!("say why it need not be looked at: --reason WHY") };
    let mut store = arguments.state.store()?;
    let now = kept::now(&store)?;
    let expires = match arguments.expires {
        Expiry::After(span) => Some(now + span),
        Expiry::At(time) if time <= now => bail!("it would expire at {}, before it acts", self::time(time)),
        Expiry::At(time) => Some(time),
        Expiry::Never => None,
    };
    let effect = Effect::of(&scope, &kept::all(&store, &Filter::default())?);
    println!("{scope}: this would have hidden {}", effect.in_words());
    if !effect.covered.is_empty() {
        println!("{}", table(effect.covered.iter().take(SHOWN)));
    }
    if effect.confirmed().next().is_some() && !arguments.force {
        bail!("it covers a confirmed attack; narrow the scope, or add --force");
    }
    let owner = user(arguments.owner.as_deref());
    let suppression =
        Suppression { id: 0, scope, reason: reason.to_owned(), owner: owner.clone(), created: now, expires };
    let id = store.add_suppression(&suppression, &owner, now)?;
    let until = expires.map_or_else(|| "until it is ended".to_owned(), |expires| format!("until {}", time(expires)));
    println!("suppression {id} acts from now on, {until}; `lapwing suppress --end {id}` ends it");
    if arguments.past && !effect.covered.is_empty() {
        let ids: Vec<&str> = effect.covered.iter().map(|kept| kept.alert.id.as_str()).collect();
        store.hide(&ids, id)?;
        let last = effect.covered.iter().map(|kept| kept.alert.end).max();
        store.add_hits(&[Hits { suppression: id, count: ids.len() as u64, last }])?;
        println!("{} alerts that were kept are hidden", ids.len());
    }
    Ok(())
}

fn end(arguments: &Arguments, id: u64) -> Result<()> {
    let mut store = arguments.state.store()?;
    let now = kept::now(&store)?;
    store.end_suppression(id, &user(arguments.owner.as_deref()), now)?;
    println!("suppression {id} is ended");
    let hidden = kept::all(&store, &Filter { hidden_by: Some(id), ..Filter::default() })?;
    if arguments.past {
        let ids: Vec<&str> = hidden.iter().map(|kept| kept.alert.id.as_str()).collect();
        store.show(&ids)?;
        println!("{} alerts that it hid are shown again", ids.len());
    } else if !hidden.is_empty() {
        println!("{} alerts that it hid stay hidden", hidden.len());
    }
    Ok(())
}

fn list(reader: &Reader) -> Result<()> {
    let suppressions = reader.suppressions()?;
    if suppressions.is_empty() {
        println!("Nothing is suppressed.");
        return Ok(());
    }
    let (now, hits) = (kept::now(reader)?, reader.hits()?);
    let mut table = output::table(&["number", "what", "why", "owner", "until", "hits", "last hit"]);
    for Suppression { id, scope, reason, owner, expires, .. } in suppressions {
        let until = match expires {
            None => "ended by hand".to_owned(),
            Some(expires) if expires <= now => format!("expired {}", time(expires)),
            Some(expires) => time(expires),
        };
        let hits = hits.iter().find(|hits| hits.suppression == id);
        table.add_row([
            id.to_string(),
            scope.to_string(),
            printable(&reason).into_owned(),
            printable(&owner).into_owned(),
            until,
            hits.map_or(0, |hits| hits.count).to_string(),
            hits.and_then(|hits| hits.last).map_or_else(String::new, time),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn report(reader: &Reader, which: Option<u64>) -> Result<()> {
    let hits: Vec<Hits> =
        reader.hits()?.into_iter().filter(|hits| which.is_none_or(|which| hits.suppression == which)).collect();
    match which {
        Some(id) if hits.is_empty() => {
            bail!("there is no suppression {id}; `lapwing suppress --list` shows those that are")
        }
        None if hits.is_empty() => println!("Nothing was ever suppressed."),
        _ => {}
    }
    let mut out = anstream::stdout().lock();
    for Hits { suppression: id, count, last } in hits {
        let last = last.map_or_else(String::new, |last| format!(", the last at {}", time(last)));
        writeln!(out, "Suppression {id} hid {count} alerts{last}")?;
        for change in reader.suppression_history(id)? {
            let (when, by) = (time(change.time), printable(&change.by).into_owned());
            match change.suppression {
                Some(one) => writeln!(out, "  {when} {by}: {}, because {}", one.scope, printable(&one.reason))?,
                None => writeln!(out, "  {when} {by} ended it")?,
            }
        }
        let hidden = kept::all(reader, &Filter { hidden_by: Some(id), ..Filter::default() })?;
        if !hidden.is_empty() {
            writeln!(out, "{}", table(hidden.iter()))?;
        }
    }
    Ok(())
}

const SHOWN: usize = 10;
