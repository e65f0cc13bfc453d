//! `lapwing simulate`: a capture of an office in which it is known what is an attack.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use simulator::{Attack, Planted, Settings, Simulation, write_capture, write_labels};

use crate::output;

/// Write a capture of a simulated office network, with labelled attacks in it.
///
/// The same settings give the same bytes on every machine. The office depends on --hosts alone: another --seed is
/// another day in it, so that a detector can learn a day without attacks and be tried on one with them. Attacks fill the
/// time that there is: an hour shows most, uploads wait for a night where there is one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing simulate -o office.pcap --labels planted.csv
  lapwing simulate -o normal.pcap --seed 2 --attacks none
  lapwing simulate -o small.pcap --hours 0.1 --attacks syn-scan,ssh-guessing
  lapwing simulate -o day.pcap --hours 24 --snap 128 --attacks beacon,tls-exfiltration,campaign
  lapwing simulate -o shift.pcap --hours 48 --shift-at 24 --attacks none --snap 128
  lapwing simulate --list")]
pub(crate) struct Arguments {
    /// The capture to write (pcap); - is stdout.
    #[arg(short, long, required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Fixes every random choice.
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
    /// Machines in the office, servers and printers among them: 16 to 500.
    #[arg(long, default_value_t = Settings::default().hosts)]
    hosts: usize,
    /// How long the capture is; fractions are fine.
    #[arg(long, default_value_t = Settings::default().hours)]
    hours: f64,
    /// From when on the office is another: a new department, a program that all poll, one more backup. No attack.
    #[arg(long, value_name = "HOURS")]
    shift_at: Option<f64>,
    /// Keep so many bytes of each packet, as tcpdump -s does; 128 keep what most protocols say first.
    #[arg(long, value_name = "BYTES")]
    snap: Option<usize>,
    /// The attacks to plant: all, loud (scans, floods, reflections, guessing), none, or names separated by commas.
    #[arg(long, default_value = "all", value_name = "all|loud|none|NAME,...")]
    attacks: Attacks,
    /// Also write what was planted, as CSV.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print the names of the attacks and what a detector should call them, and do nothing else.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    if arguments.list {
        print_attacks();
        return Ok(());
    }
    let settings = Settings {
        seed: arguments.seed,
        hosts: arguments.hosts,
        hours: arguments.hours,
        shift_at: arguments.shift_at,
        snap: arguments.snap,
        attacks: arguments.attacks.0,
        ..Settings::default()
    };
    let mut simulation = Simulation::new(&settings)?;
    let mut out = output::create(arguments.output.as_deref(), &[])?;
    let mut progress = Progress::new(&settings);
    let count = write_capture(simulation.by_ref().inspect(|packet| progress.show(packet.time)), &mut out)
        .with_context(|| format!("cannot finish {}: is there room for it?", named(arguments.output.as_ref())))?;
    out.finish()?;
    progress.finish();
    if let Some(path) = &arguments.labels {
        let mut out = output::create(Some(path), &[])?;
        write_labels(simulation.planted(), &mut out).with_context(|| format!("cannot finish {}", path.display()))?;
    }
    print_planted(simulation.planted());
    eprintln!("{count} packets written to {}", named(arguments.output.as_ref()));
    Ok(())
}

/// What `--attacks` chooses.
#[derive(Clone, Debug)]
struct Attacks(Vec<Attack>);

impl FromStr for Attacks {
    type Err = simulator::Error;

    fn from_str(text: &str) -> Result<Attacks, simulator::Error> {
        match text {
            "all" => Ok(Attacks(Attack::ALL.to_vec())),
            "loud" => Ok(Attacks(Attack::LOUD.to_vec())),
            "none" => Ok(Attacks(Vec::new())),
            names => names.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Attacks),
        }
    }
}

/// How much of the time has been simulated, shown once it takes long.
struct Progress {
    started: Instant,
    from: flow::Time,
    seconds: u64,
    packets: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(settings: &Settings) -> Progress {
        let seconds = (settings.hours * 3_600.0) as u64;
        Progress { started: Instant::now(), from: settings.start, seconds, packets: 0, bar: None }
    }

    fn show(&mut self, time: flow::Time) {
        self.packets += 1;
        // Looking at the clock for each packet would take longer than making it.
        if !self.packets.is_multiple_of(4_096) || self.started.elapsed() < output::PATIENCE {
            return;
        }
        let seconds = self.seconds;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = output::progress(seconds).with_message("simulating");
            match ProgressStyle::with_template("{msg} {bar:30} {percent}% {eta} left") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(time.since(self.from).as_secs());
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn print_attacks() {
    let mut table = output::table(&["attack", "behaviour"]);
    for attack in Attack::ALL {
        table.add_row([attack.name(), attack.behaviour()]);
    }
    println!("{table}");
}

/// The table of what was planted goes to stderr: stdout may be the capture.
fn print_planted(planted: &[Planted]) {
    if planted.is_empty() {
        eprintln!("no attack planted");
        return;
    }
    let mut table = Table::new();
    table.load_style(if io::stderr().is_terminal() { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["attack", "behaviour", "from", "to", "start", "end", "packets"]);
    for planted in planted {
        table.add_row([
            planted.attack.to_string(),
            planted.behaviour.to_owned(),
            shortened(&planted.attackers),
            shortened(&planted.victims),
            clock(planted.start),
            clock(planted.end),
            planted.packets.to_string(),
        ]);
    }
    eprintln!("{table}");
}

/// The first addresses of a list, and how many more there are.
fn shortened(addresses: &[IpAddr]) -> String {
    match addresses {
        [] => "anyone".to_owned(),
        [first, rest @ ..] if rest.len() > 2 => format!("{first} and {} more", rest.len()),
        few => few.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// The date and time of day, in seconds.
fn clock(time: flow::Time) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

fn named(output: Option<&PathBuf>) -> String {
    match output {
        Some(path) if path.as_os_str() != "-" => path.display().to_string(),
        _ => "stdout".to_owned(),
    }
}
