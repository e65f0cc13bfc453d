//! `lapwing scan`: alerts from captures and flow logs.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use alert::{Alert, Evidence, Host, Role, Severity};
use anstyle::{AnsiColor, Style};
use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use flow::features::Set;
use model::Detector;
use sensor::anomaly::{self, Threshold};
use sensor::run::{self, Told};

use crate::input::{Live, Reader, Reading, hint};
use crate::output;
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
  lapwing scan conn.log dns.log ssl.log notice.log
  lapwing scan eve.json                     # Suricata's own alerts stand beside Lapwing's
  tcpdump -r big.pcap -w - host 10.0.0.1 | lapwing scan -
  zcat vpc/*.log.gz | lapwing scan -
  lapwing scan capture.pcap -v              # what was skipped, and why
  lapwing scan --source netflow export.pcap # the flows that routers told of, not the export traffic itself
  lapwing scan -i eth0                      # alerts as they come, until Ctrl-C
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
    /// unless --baseline, --contamination or --alarms-a-day say how to learn]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "contamination", "alarms_a_day"])]
    detector: Option<PathBuf>,
    /// Do not use the active detector.
    #[arg(long, conflicts_with = "detector")]
    no_detector: bool,
    #[command(flatten)]
    state: State,
    /// Print one JSON object a line on stdout instead of text (docs/alert.schema.json describes it).
    #[arg(long)]
    json: bool,
    /// Leave out alerts less urgent than this.
    #[arg(long, value_name = "SEVERITY", default_value = "info")]
    least: Least,
    /// The share of the flows learned from that may count as unusual, 0.001 by default; sets the anomaly voice's threshold.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    contamination: Option<f64>,
    /// How many flows a day may count as unusual; sets the threshold in the place of --contamination.
    #[arg(long, value_name = "FLOWS", conflicts_with = "contamination")]
    alarms_a_day: Option<f64>,
    /// The most hosts that the anomaly voice may speak of, 10 by default.
    #[arg(long)]
    budget: Option<usize>,
    /// Where the anomaly voice's random numbers come from, 1 by default.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Least {
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

/// A share of 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

pub(crate) fn run(arguments: &Arguments, verbose: bool) -> Result<()> {
    let config = arguments.reading.config()?;
    let detector = arguments.detector()?;
    let set = detector.as_ref().map_or(Ok(Set::Lapwing), |(detector, _)| anomaly::feature_set(detector))?;
    let reading = || arguments.reading.settings(&config, set);
    let configured = config.anomaly();
    let share = arguments.contamination.map(Threshold::Contamination);
    let a_day = arguments.alarms_a_day.map(Threshold::AlarmsADay);
    let mut settings = run::Settings {
        anomaly: anomaly::Settings {
            threshold: share.or(a_day).unwrap_or(configured.threshold),
            budget: arguments.budget.unwrap_or(configured.budget),
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
    let least = arguments.least.into();
    let mut told = Ok(());
    let outcome = run::scan(&mut reader, baseline.as_mut(), &settings, |what| match what {
        Told::Progress(reader) => reader.show_progress(),
        Told::Alert(reader, alert) if alert.severity >= least && told.is_ok() => {
            told = reader.print_alert(|| print_now(alert, arguments.json));
            if told.is_err() {
                reader.stop();
            }
        }
        Told::Alert(..) => {}
    })?;
    told?;
    if let Some(baseline) = &baseline {
        baseline.finish("baseline", verbose);
    }
    let report = reader.finish("input", verbose);
    eprintln!("{} flows; the anomaly voice {}", outcome.flows, outcome.anomaly);
    if outcome.flows + outcome.notices == 0 && !reader.goes_on() {
        bail!("no flow in the input{}", hint(&report, verbose));
    }
    let alerts: Vec<&Alert> = outcome.news.iter().filter(|alert| alert.severity >= least).collect();
    let hidden = outcome.news.len() - alerts.len();
    if arguments.json { print_json(&alerts) } else { print_text(&alerts, hidden, outcome.flows) }
}

impl Arguments {
    /// The detector that is named, or the active one where it can judge flows and nothing else was asked for.
    fn detector(&self) -> Result<Option<(Detector, String)>> {
        let learns = !self.baseline.is_empty() || self.contamination.is_some() || self.alarms_a_day.is_some();
        if self.no_detector || learns {
            return Ok(None);
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

/// Prints an alert while the input goes on.
fn print_now(alert: &Alert, json: bool) -> Result<()> {
    if json { print_json(&[alert]) } else { print_alert(&mut anstream::stdout().lock(), alert) }
}

fn print_json(alerts: &[&Alert]) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for alert in alerts {
        serde_json::to_writer(&mut out, alert)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
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

/// Who does what to whom: `10.0.0.1 → 10.0.0.2 and 5 more`.
pub(crate) fn who(hosts: &[Host]) -> String {
    let of = |role: Role| {
        let names: Vec<String> =
            hosts.iter().filter(|host| host.role == role).map(|host| host.address.to_string()).collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [one, other] => Some(format!("{one}, {other}")),
            // The list is bounded; the summary has the whole number.
            [one, ..] if hosts.len() >= Evidence::MAX_HOSTS => Some(format!("{one} and many more")),
            [one, rest @ ..] => Some(format!("{one} and {} more", rest.len())),
        }
    };
    match (of(Role::Attacker), of(Role::Victim), of(Role::Peer)) {
        (Some(attackers), Some(victims), _) => format!("{attackers} → {victims}"),
        (None, Some(victims), _) => format!("→ {victims}"),
        (Some(attackers), None, _) => attackers,
        (None, None, peers) => peers.unwrap_or_default(),
    }
}

/// A time in UTC to the second, as people read it.
fn time(time: flow::Time) -> String {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |seconds| format!("{} UTC", seconds.replace('T', " ")))
}

fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Info => AnsiColor::Cyan,
        Severity::Low => AnsiColor::Green,
        Severity::Medium => AnsiColor::Yellow,
        Severity::High => AnsiColor::Red,
        Severity::Critical => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into())).bold()
}
