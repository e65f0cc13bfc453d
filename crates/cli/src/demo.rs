//! `lapwing demo`: the main job on a simulated office, with what was planted beside what was found.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use alert::{Alert, Role, Severity};
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use sensor::run::{self, Told};
use simulator::{Attack, Planted, Settings};

use crate::input::Reader;
use crate::{output, scan};

/// Simulate two days in an office, learn the quiet one, scan the one with attacks, and compare.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing demo
  lapwing demo --seed 7 --folder demo       # other days; keeps the captures in ./demo")]
pub(crate) struct Arguments {
    /// Fixes the two days.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the captures go, 500 MB of them; lapwing/demo in your cache folder where it is not given.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder =
        &arguments.folder.clone().or_else(cache_folder).context("there is no cache folder; name a --folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}; name another --folder", folder.display()))?;
    let (normal, office) = (folder.join("normal.pcap"), folder.join("office.pcap"));
    eprintln!("1. simulating an office of 40 hosts: a quiet hour, and an hour with {} attacks", Attack::LOUD.len());
    simulate(&normal, arguments.seed.wrapping_add(1), Vec::new())?;
    let planted = simulate(&office, arguments.seed, Attack::LOUD.to_vec())?;

    eprintln!("2. lapwing scan {} --baseline {}", office.display(), normal.display());
    let mut reader = Reader::open(std::slice::from_ref(&office), source::Settings::default())?;
    let mut baseline = Reader::open(std::slice::from_ref(&normal), source::Settings::default())?;
    let outcome = run::scan(&mut reader, Some(&mut baseline), &run::Settings::default(), |what| {
        if let Told::Progress(reader) = what {
            reader.show_progress();
        }
    })?;
    reader.finish("input", false);
    eprintln!();
    let mut out = anstream::stdout().lock();
    for alert in &outcome.alerts {
        scan::print_alert(&mut out, alert)?;
    }

    writeln!(out, "What was planted, and what was found:\n")?;
    print_comparison(&mut out, &planted, &outcome.alerts)?;
    let program = std::env::current_exe().map_or_else(|_| "lapwing".to_owned(), |path| path.display().to_string());
    writeln!(out, "\nThe captures are in {}. Next: {program} scan YOUR.pcap", folder.display())?;
    Ok(())
}

/// A folder of the user's own, so that nobody else can have put something in the way.
fn cache_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("lapwing/demo"))
}

fn simulate(path: &Path, seed: u64, attacks: Vec<Attack>) -> Result<Vec<Planted>> {
    let settings = Settings { seed, attacks, ..Settings::default() };
    let mut out = output::create(Some(path), &[])?;
    let report = simulator::simulate(&settings, &mut out)
        .with_context(|| format!("cannot finish {}: is there room for 300 MB?", path.display()))?;
    out.finish()?;
    Ok(report.planted)
}

fn print_comparison(out: &mut impl Write, planted: &[Planted], alerts: &[Alert]) -> Result<()> {
    let good = Style::new().fg_color(Some(AnsiColor::Green.into()));
    let bad = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let mut explained = HashSet::new();
    let mut found = 0;
    for attack in planted {
        let matching = alerts.iter().find(|alert| is_about(alert, attack));
        let (style, mark, words) = match matching {
            Some(alert) => {
                found += 1;
                explained.extend(alerts.iter().filter(|alert| is_about(alert, attack)).map(|alert| &alert.id));
                (
                    good,
                    "found ",
                    format!("{} {} {}", alert.severity, alert.behaviour.name(), alert::sink::who(&alert.hosts)),
                )
            }
            None => (bad, "MISSED", String::new()),
        };
        writeln!(out, "  {style}{mark}{style:#}  {:<20} {:<18} {words}", attack.attack.name(), attack.behaviour)?;
    }
    let others: Vec<&Alert> = alerts.iter().filter(|alert| !explained.contains(&alert.id)).collect();
    for alert in &others {
        let words = format!("{} {} {}", alert.severity, alert.behaviour.name(), alert::sink::who(&alert.hosts));
        writeln!(out, "  {:<6}  {:<20} {:<18} {words}", "beside", "nothing planted", "")?;
    }
    let loud = others.iter().filter(|alert| alert.severity > Severity::Low).count();
    writeln!(
        out,
        "\n{found} of {} attacks found; {} further alerts, {loud} of them above severity low",
        planted.len(),
        others.len(),
    )?;
    Ok(())
}

/// Whether the alert names the planted behaviour, its time, and who did it; who suffered it, where nobody can know that.
fn is_about(alert: &Alert, planted: &Planted) -> bool {
    let named = |role: Role| alert.hosts.iter().filter(move |host| host.role == role).map(|host| host.address);
    let right_host = if planted.attackers.is_empty() {
        named(Role::Victim).any(|address| planted.victims.contains(&address))
    } else {
        named(Role::Attacker).any(|address| planted.attackers.contains(&address))
    };
    let overlaps = alert.start <= planted.end && alert.end >= planted.start;
    alert.behaviour.name() == planted.behaviour && right_host && overlaps
}
