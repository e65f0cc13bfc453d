//! `lapwing scan`: alerts from captures and flow logs.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alert::page::{self, Account};
use alert::sink::{Format, Observer, Occasion, who};
use alert::{Alert, Severity};
use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser};
use flow::features::Set;
use model::Detector;
use sensor::anomaly;
use sensor::config::Config;
use sensor::delivery::{Delivery, Kept, Sink, observer};
use sensor::keep::{Keeper, Used};
use sensor::run::{self, Outcome, Told};
use source::Report;
use store::Retention;

use crate::input::{Live, Reader, Reading, hint};
use crate::output;
use crate::pages;
use crate::settings::Threshold;
use crate::state::State;

/// Read captures or flow logs and print what must be looked at, most urgent first.
///
/// Behaviours (scans, sweeps, floods, reflection, password guessing) need no training. Beside them an isolation forest
/// learns what is normal, from --baseline or from the input itself where it is long enough, and points at what is not. A detector that was trained on
/// a table of `lapwing flows` takes the forest's place: --detector, or the active one (`lapwing activate`).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing scan capture.pcap
  lapwing scan monday.pcap.gz tuesday.pcap.gz --baseline quiet-sunday.pcap.gz
  lapwing scan capture.pcap --detector flows.lapwing
  lapwing scan conn.log --json | jq 'select(.severity == \"high\")'
  lapwing scan conn.log --format ecs        # what Elastic reads; also ocsf, cef, leef, stix
  lapwing scan conn.log dns.log ssl.log notice.log
  lapwing scan eve.json                     # Suricata's own alerts stand beside Lapwing's
  tcpdump -r big.pcap -w - host 10.0.0.1 | lapwing scan -
  zcat vpc/*.log.gz | lapwing scan -
  lapwing scan capture.pcap --html report.html
  lapwing scan capture.pcap -v              # what was skipped, and why
  lapwing scan --source netflow export.pcap # the flows that routers told of, not the export traffic itself
  lapwing scan -i eth0                      # alerts as they come, until Ctrl-C
  lapwing scan -i eth0 --keep               # and kept, for `lapwing alerts`, `lapwing verdict`, `lapwing suppress`
  lapwing scan --follow /var/log/zeek/conn.log")]
pub(crate) struct Arguments {
    /// Captures (pcap, pcapng) or flow logs (Zeek, Suricata EVE, VPC Flow Logs, NetFlow and IPFIX, nfdump, Argus, tables
    /// of known columns), plain or compressed, or folders of them, - for stdin; read as one stream in the order of time.
    #[arg(required_unless_present_any = ["interface", "listen"])]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    live: Live,
    /// Captures or flow logs of quiet days: what the anomaly voice takes as normal. May be given several times.
    #[arg(long)]
    baseline: Vec<PathBuf>,
    /// A detector that judges the flows, as `lapwing train` wrote it from a table of `lapwing flows`. [default: the active one,
    /// unless --baseline or --threshold say how to learn]
    #[arg(long, value_name = "FILE", conflicts_with = "threshold")]
    detector: Option<PathBuf>,
    /// Do not use the active detector.
    #[arg(long, conflicts_with = "detector")]
    no_detector: bool,
    #[command(flatten)]
    state: State,
    /// Keep flows, alerts and incidents in the store of the state folder, where the other verbs find them; what it suppresses
    /// is not told, and the sinks of the configuration get what is. Keep each input once.
    #[arg(long)]
    keep: bool,
    /// Print alerts on stdout in this format, one a line, instead of text for people; docs/outputs.md describes each.
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), default_value = "text", hide_default_value = true)]
    format: String,
    /// Short for --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Also write a report of the alerts for people to this file: one HTML page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Leave out alerts less urgent than this: info by default, with a budget low.
    #[arg(long, value_name = "SEVERITY")]
    least: Option<Least>,
    /// How many alerts a day somebody wants to read: 20/day, 100/week. The anomaly voice is as loud as behaviours leave it
    /// room, by a line that is drawn from a baseline of a week or more; less urgent than low is left out.
    #[arg(long, value_name = "ALERTS/TIME", value_parser = budget, conflicts_with = "threshold")]
    budget: Option<f64>,
    /// Where an unusual flow begins, without a budget: contamination=SHARE of what is learned from (0.001 by default),
    /// fpr=RATE, alerts=A/FLOWS (so many of that many flows a day), or a score from 0 to 1.
    #[arg(long, value_name = "RULE")]
    threshold: Option<Threshold>,
    /// The most hosts that the anomaly voice may speak of without a budget, 10 by default.
    #[arg(long, value_name = "HOSTS", conflicts_with = "budget")]
    most_hosts: Option<usize>,
    /// Where the anomaly voice's random numbers come from, 1 by default.
    #[arg(long)]
    seed: Option<u64>,
}

/// The least severity that is wanted.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Least {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Severity {
        match least {
            Least::Info => Severity::Info,
            Least::Low => Severity::Low,
            Least::Medium => Severity::Medium,
            Least::High => Severity::High,
            Least::Critical => Severity::Critical,
        }
    }
}

/// Alerts a day: `20/day`, `100/week`, or a number alone.
pub(crate) fn budget(text: &str) -> Result<f64, String> {
    let (alerts, days) = match text.split_once('/') {
        None => (text, 1.0),
        Some((alerts, "day")) => (alerts, 1.0),
        Some((alerts, "week")) => (alerts, 7.0),
        Some((_, time)) => return Err(format!("`{time}` is neither day nor week")),
    };
    let alerts = alerts.parse::<f64>().map_err(|_| format!("`{alerts}` is not a number"))?;
    let is_some = alerts > 0.0 && alerts.is_finite();
    if is_some { Ok(alerts / days) } else { Err("a budget is above 0".to_owned()) }
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let config = arguments.reading.config()?;
    let detector = arguments.detector()?;
    let set = detector.as_ref().map_or(Ok(Set::Lapwing), |(detector, _)| anomaly::feature_set(detector))?;
    let reading = || arguments.reading.settings(&config, set);
    let configured = config.anomaly();
    let alerts_a_day = arguments.budget.or(configured.alerts_a_day).filter(|_| arguments.threshold.is_none());
    let mut settings = run::Settings {
        anomaly: anomaly::Settings {
            threshold: arguments.threshold.map_or(configured.threshold, |threshold| threshold.0),
            alerts_a_day,
            most_hosts: arguments.most_hosts.unwrap_or(configured.most_hosts),
            seed: arguments.seed.unwrap_or(configured.seed),
            ..configured
        },
        detector,
        ..run::Settings::default()
    };
    // Before the privileges go that opening an interface needs.
    let mut baseline = match arguments.baseline.as_slice() {
        [] => None,
        paths => Some(Reader::open(paths, reading()?)?),
    };
    let mut reader = Reader::open_live(&arguments.inputs, &arguments.live, reading()?)?;
    settings.every = reader.goes_on().then_some(run::Settings::OFTEN);
    let usual = if alerts_a_day.is_some() { Severity::Low } else { Severity::Info };
    let least = arguments.least.map_or(usual, Severity::from);
    let mut printer = Printer { format: arguments.format(), observer: observer(&config), told: HashSet::new() };
    let mut told = Ok(());
    let (mut keeper, delivery) = if arguments.keep {
        let folder = arguments.state.folder()?;
        let is_active = arguments.detector.is_none();
        let used = Used::of(&settings, is_active, &arguments.baseline);
        let keeper = Keeper::open(&folder, &used, Retention::default())?;
        (Some(keeper), deliver(&config, &folder, settings.anomaly.seed)?)
    } else {
        (None, None)
    };
    let wake = || delivery.iter().for_each(Delivery::wake);
    let outcome = run::scan_and_keep(&mut reader, baseline.as_mut(), &settings, keeper.as_mut(), |what| match what {
        Told::Progress(reader) => reader.show_progress(),
        Told::Alert(reader, alert) if alert.severity >= least && told.is_ok() => {
            wake();
            told = reader.print_alert(|| printer.print_now(alert));
            if told.is_err() {
                reader.stop();
            }
        }
        Told::Alert(..) => wake(),
    });
    tell_delivered(delivery);
    let outcome = outcome?;
    told?;
    if let Some(baseline) = &baseline {
        baseline.finish("baseline", verbose);
    }
    let report = reader.finish("input", verbose);
    eprintln!("{} flows; the anomaly voice {}", outcome.flows, outcome.anomaly);
    if outcome.flows + outcome.notices == 0 && !reader.goes_on() {
        bail!("no flow in the input{}", hint(&report, verbose));
    }
    for breach in &outcome.breaches {
        eprintln!("{breach}");
    }
    if let Some((p, nearest)) = outcome.below.first() {
        let count = outcome.below.len();
        eprintln!(
            "left below the line: {count} or more hours of hosts, the rarest of {} at {} (1 in {:.0})",
            nearest.host,
            time(nearest.time),
            1.0 / p
        );
    }
    pages::write(arguments.html.as_deref(), || {
        let alerts: Vec<&Alert> = outcome.alerts.iter().filter(|alert| alert.severity >= least).collect();
        page::report("Network report", &alerts, &arguments.account(&report, &outcome))
    })?;
    let alerts: Vec<&Alert> = outcome.news.iter().filter(|alert| alert.severity >= least).collect();
    let hidden = outcome.news.len() - alerts.len();
    match printer.format {
        Some(format) => printer.print_lines(format, &alerts),
        None => print_text(&alerts, hidden, outcome.flows),
    }
}

/// Starts the sinks of the configuration.
fn deliver(config: &Config, folder: &Path, seed: u64) -> Result<Option<Delivery>> {
    if config.sink.is_empty() {
        return Ok(None);
    }
    let outbox = Kept::open(folder, config.sink.iter().map(|sink| sink.name.as_str()))?;
    let sinks = config.sink.iter().map(|settings| Sink::open(settings, observer(config)));
    Ok(Some(Delivery::start(sinks.collect::<Result<_, _>>()?, Arc::new(outbox), seed)?))
}

/// Ends the sinks and says how each stands.
fn tell_delivered(delivery: Option<Delivery>) {
    for (name, state) in delivery.map_or_else(Vec::new, |delivery| delivery.stop(LAST_SENDING)) {
        let mut line = format!("sink {}: {} sent", flow::printable(&name), state.sent);
        for (count, what) in [(state.refused, "refused"), (state.queued as u64, "or more wait for the next run")] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        if let Some(error) = state.last_error {
            line.push_str(&format!("; {error}"));
        }
        eprintln!("{}", output::shown(&line));
    }
}

impl Arguments {
    /// The format for programs, where one was asked for.
    fn format(&self) -> Option<Format> {
        let name = if self.json { Format::Json.name() } else { &self.format };
        Format::ALL.into_iter().find(|format| *format != Format::Text && format.name() == name)
    }

    /// What a report says of the input.
    fn account(&self, report: &Report, outcome: &Outcome) -> Account {
        let inputs = self.inputs.iter().map(|path| path.display().to_string()).chain(self.live.names());
        let mut read: Vec<(String, String)> = vec![("Input".to_owned(), inputs.collect::<Vec<_>>().join(", "))];
        let counts = [("Packets", report.packets), ("Records", report.lines), ("Flows", outcome.flows)];
        let counts = counts.into_iter().chain([("Reports of other detectors", outcome.notices)]);
        read.extend(counts.filter(|(_, count)| *count > 0).map(|(what, count)| (what.to_owned(), count.to_string())));
        read.push(("The anomaly voice".to_owned(), outcome.anomaly.clone()));
        let skipped = report.skipped.iter().chain(&report.notes).map(|(what, count)| ((*what).to_owned(), *count));
        Account { read, skipped: skipped.collect(), damage: report.damage.clone() }
    }

    /// The detector that is named, or the active one where it can judge flows and nothing else was asked for.
    fn detector(&self) -> Result<Option<(Detector, String)>> {
        let learns = !self.baseline.is_empty() || self.threshold.is_some();
        if self.no_detector || (learns && self.detector.is_none()) {
            return Ok(None);
        }
        if !self.baseline.is_empty() && self.budget.is_none() && self.detector.is_some() {
            bail!(
                "a detector has learned already: a baseline beside it draws the line of a --budget, and there is none"
            );
        }
        let Some((detector, name)) = self.state.detector(self.detector.as_deref())? else { return Ok(None) };
        match anomaly::feature_set(&detector) {
            Err(error) if self.detector.is_some() => Err(anyhow!("{name} cannot judge flows: {error}")),
            Err(error) => {
                eprintln!("it is not used here: {error}");
                Ok(None)
            }
            Ok(_) => Ok(Some((detector, name))),
        }
    }
}

/// Prints alerts in the format that was asked for.
struct Printer {
    /// None: text for people.
    format: Option<Format>,
    observer: Observer,
    /// The alerts that were printed while the input goes on.
    told: HashSet<String>,
}

impl Printer {
    /// Prints an alert while the input goes on.
    fn print_now(&mut self, alert: &Alert) -> Result<()> {
        match self.format {
            Some(format) => self.print_lines(format, &[alert]),
            None => print_alert(&mut anstream::stdout().lock(), alert),
        }
    }

    fn print_lines(&mut self, format: Format, alerts: &[&Alert]) -> Result<()> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for alert in alerts {
            if self.told.len() >= MOST_TOLD {
                self.told.clear();
            }
            let occasion = if self.told.insert(alert.id.clone()) { Occasion::First } else { Occasion::Again };
            writeln!(out, "{}", format.write(alert, occasion, &self.observer))?;
        }
        Ok(out.flush()?)
    }
}

/// Reads the name of a format.
pub(crate) fn format_parser() -> PossibleValuesParser {
    let for_people = PossibleValue::new(Format::Text.name()).help("for people, the default");
    let others = Format::ALL.into_iter().filter(|format| *format != Format::Text);
    let others = others.map(|format| PossibleValue::new(format.name()).help(format.what()));
    PossibleValuesParser::new(std::iter::once(for_people).chain(others))
}

fn print_text(alerts: &[&Alert], hidden: usize, flows: u64) -> Result<()> {
    let mut out = anstream::stdout().lock();
    if alerts.is_empty() {
        match hidden {
            0 => writeln!(out, "No alerts: nothing in {flows} flows needs to be looked at.")?,
            hidden => writeln!(out, "No alerts of that severity in {flows} flows; {hidden} less urgent.")?,
        }
        return Ok(());
    }
    for alert in alerts {
        print_alert(&mut out, alert)?;
    }
    if std::io::stdout().is_terminal() {
        let mut table = output::table(&["severity", "behaviour", "who", "technique", "since", "flows"]);
        for alert in alerts {
            table.add_row([
                alert.severity.to_string(),
                alert.behaviour.name().to_owned(),
                who(&alert.hosts),
                alert.technique.map_or_else(String::new, |technique| technique.id().to_owned()),
                time(alert.start),
                alert.flows.to_string(),
            ]);
        }
        writeln!(out, "{table}")?;
    }
    let plural = if alerts.len() == 1 { "alert" } else { "alerts" };
    writeln!(out, "{} {plural}", alerts.len())?;
    Ok(())
}

pub(crate) fn print_alert(out: &mut impl Write, alert: &Alert) -> Result<()> {
    let style = style(alert.severity);
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let technique =
        alert.technique.map_or_else(String::new, |technique| format!("  {} {}", technique.id(), technique.name()));
    writeln!(
        out,
        "{style}{:<8}{style:#} {bold}{}{bold:#}  {}{technique}",
        alert.severity.to_string().to_uppercase(),
        alert.behaviour.name(),
        who(&alert.hosts),
    )?;
    writeln!(out, "         {}", alert.summary)?;
    writeln!(
        out,
        "         {dim}{} to {} · {} flows · score {:.2} · id {}{dim:#}",
        time(alert.start),
        time(alert.end),
        alert.flows,
        alert.score,
        alert.id,
    )?;
    for example in alert.evidence.iter().flat_map(|evidence| &evidence.examples).take(2) {
        let state = example.state.map_or_else(String::new, |state| format!(" {state}"));
        let size = match (example.packets, example.bytes) {
            (None, None) => String::new(),
            (packets, bytes) => format!(" · {} packets, {} bytes", counted(packets), counted(bytes)),
        };
        writeln!(
            out,
            "         {dim}e.g. {} → {} {}{state}{size}{dim:#}",
            example.originator(),
            example.responder(),
            example.key.protocol,
        )?;
    }
    Ok(writeln!(out)?)
}

/// A count, where somebody counted.
fn counted(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

/// A time in UTC to the second, as people read it.
pub(crate) fn time(time: flow::Time) -> String {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |seconds| format!("{} UTC", seconds.replace('T', " ")))
}

pub(crate) fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Info => AnsiColor::Cyan,
        Severity::Low => AnsiColor::Green,
        Severity::Medium => AnsiColor::Yellow,
        Severity::High => AnsiColor::Red,
        Severity::Critical => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into())).bold()
}

/// How long the sinks may go on sending when the input has ended.
const LAST_SENDING: Duration = Duration::from_secs(10);
/// More alerts than a person reads: beyond it the first are told as if they were new.
const MOST_TOLD: usize = 1 << 16;
