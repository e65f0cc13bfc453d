//! What the verbs share in reading flows: files, growing files and interfaces, progress, and the report of what was
//! skipped.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use flow::features::Set;
use indicatif::ProgressBar;
use meter::{Meter, Packets};
use sensor::config::Config;
use source::format::{FORMATS, Format, netflow};
use source::transport::udp::{self, Listener};
use source::{Batch, Error, Follow, Input, Report, Source};

use crate::{features, output};

/// How inputs are read.
#[derive(clap::Args)]
pub(crate) struct Reading {
    /// The inputs are all of this source: the name of a log format. Captures then are of the export traffic between an
    /// exporter and its collector. Without it the first bytes tell.
    #[arg(long, value_name = "NAME", value_parser = source_parser(), help_heading = "Input",
          conflicts_with_all = ["interface", "follow", "listen"])]
    source: Option<String>,
    /// A configuration file (lapwing.example.toml shows every setting): times and memory of the meter, the columns of
    /// tables, the fields of VPC flow logs.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    config: Option<PathBuf>,
}

impl Reading {
    /// Whatever the inputs are, by this configuration.
    pub(crate) fn configured(config: Option<PathBuf>) -> Reading {
        Reading { source: None, config }
    }

    /// What the configuration file says, or the defaults.
    pub(crate) fn config(&self) -> Result<Config> {
        let Some(path) = &self.config else { return Ok(Config::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Config::from_toml(&text).with_context(|| format!("in {}", path.display()))
    }

    /// How inputs are read by this configuration, with a meter that counts what the set needs.
    pub(crate) fn settings(&self, config: &Config, set: Set) -> Result<source::Settings> {
        let mut settings = config.reading()?;
        settings.meter = features::meter_settings(set, settings.meter);
        settings.format = self.format();
        Ok(settings)
    }

    fn format(&self) -> Option<&'static Format> {
        let name = self.source.as_deref()?;
        FORMATS.iter().find(|format| format.name == name)
    }
}

/// Reads the name of a log format.
fn source_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.what)))
}

/// Inputs that go on: interfaces, growing files, exporters.
#[derive(clap::Args)]
pub(crate) struct Live {
    /// Capture on this network interface, or on any for all of them; may be given several times. Needs CAP_NET_RAW
    /// (run as root, or once: setcap cap_net_raw+ep on the program's file) and gives it up when the capture is open.
    #[arg(short, long, value_name = "NAME", conflicts_with = "inputs", help_heading = "Live")]
    pub(crate) interface: Vec<String>,
    /// Receive NetFlow or IPFIX from exporters at this address and port, such as 0.0.0.0:2055; may be given several times.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["inputs", "interface", "follow"], help_heading = "Live")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Read on as files grow, through rotation and truncation, and take up the new files of folders, until Ctrl-C.
    #[arg(long, conflicts_with = "interface", help_heading = "Live")]
    follow: bool,
    /// Stop after this time: 90s, 15m, 8h.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Live")]
    duration: Option<Duration>,
    /// Stop after so many packets.
    #[arg(long, value_name = "COUNT", requires = "interface", help_heading = "Live")]
    packets: Option<u64>,
    /// Capture only what this takes: protocols, host, net, port, portrange, src, dst, and, or, not, as tcpdump has them.
    #[arg(long, value_name = "EXPRESSION", requires = "interface", help_heading = "Live")]
    filter: Option<String>,
    /// Capture only what the program in this file takes: the output of tcpdump -ddd, for all of tcpdump's language.
    #[arg(long, value_name = "FILE", requires = "interface", conflicts_with = "filter", help_heading = "Live")]
    bpf: Option<PathBuf>,
    /// Keep at most so many bytes of each packet.
    #[arg(long, value_name = "BYTES", default_value_t = 2048, requires = "interface", help_heading = "Live",
          value_parser = clap::value_parser!(u32).range(64..=262_144))]
    snap: u32,
    /// Write the captured packets to this file (pcapng).
    #[arg(long, value_name = "FILE", requires = "interface", help_heading = "Live")]
    write: Option<PathBuf>,
    /// Share the conversations among so many capturing threads.
    #[arg(long, value_name = "COUNT", default_value_t = NonZeroUsize::MIN, requires = "interface", help_heading = "Live")]
    capture_threads: NonZeroUsize,
    /// Memory for packets that were not read yet, for each interface and thread, in MiB. Larger where packets are dropped.
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "interface", help_heading = "Live",
          value_parser = clap::value_parser!(u32).range(2..=8192))]
    ring: u32,
    /// Take only packets that are for this host.
    #[arg(long, requires = "interface", help_heading = "Live")]
    no_promiscuous: bool,
}

impl Live {
    /// Interfaces and addresses that are listened to.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.interface.iter().cloned().chain(self.listen.iter().map(ToString::to_string))
    }
}

/// A time with its unit: 90s, 15m, 8h, 2d.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a time is a number and s, m, h or d: 90s, 15m, 8h".to_owned()),
    };
    let number = text[..text.len() - unit.len()].parse::<u64>().map_err(|error| error.to_string())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// An input and how far it is, on stderr: a progress bar over files after a second, a line of counts over what goes on.
pub(crate) struct Reader {
    input: Kind,
    /// Ends an input that goes on.
    stop: Arc<AtomicBool>,
    started: Instant,
    /// When an input ends that does not itself look at the clock.
    duration: Option<Duration>,
    bar: OnceCell<ProgressBar>,
    flows: u64,
    alerts: Cell<u64>,
    /// Packets dropped by the kernel as told last, and when.
    told: Cell<(u64, Duration)>,
}

enum Kind {
    Files(Input),
    Growing(Input),
    Exporters(Listener),
    #[cfg(target_os = "linux")]
    Interfaces(source::transport::live::Live),
}

impl Reader {
    /// Files that are read to their end.
    pub(crate) fn open(paths: &[PathBuf], settings: source::Settings) -> Result<Reader> {
        Ok(Reader::of(Kind::Files(Input::open(paths, settings)?), Arc::default()))
    }

    /// Interfaces, or files that may be followed.
    pub(crate) fn open_live(paths: &[PathBuf], live: &Live, settings: source::Settings) -> Result<Reader> {
        if !live.listen.is_empty() {
            let stop = stop_on_signal()?;
            let listener = Listener::bind(&live.listen, &netflow::FORMAT, udp::Settings::default(), Arc::clone(&stop))?;
            for address in listener.addresses() {
                eprintln!("listening at {address}; Ctrl-C ends it");
            }
            return Ok(Reader { duration: live.duration, ..Reader::of(Kind::Exporters(listener), stop) });
        }
        if !live.interface.is_empty() {
            let stop = stop_on_signal()?;
            return Ok(Reader::of(interfaces(live, &stop, settings.meter)?, stop));
        }
        if !live.follow {
            if live.duration.is_some() {
                bail!("--duration is for -i, --listen and --follow; files are read to their end");
            }
            return Reader::open(paths, settings);
        }
        let stop = stop_on_signal()?;
        let follow = Follow { stop: Arc::clone(&stop), duration: live.duration, ..Follow::default() };
        Ok(Reader::of(Kind::Growing(Input::follow(paths, settings, follow)?), stop))
    }

    fn of(input: Kind, stop: Arc<AtomicBool>) -> Reader {
        Reader {
            input,
            stop,
            started: Instant::now(),
            duration: None,
            bar: OnceCell::new(),
            flows: 0,
            alerts: Cell::new(0),
            told: Cell::default(),
        }
    }

    /// Leaves the flow table of files to the meter returned ([`Input::split`]).
    pub(crate) fn split(&mut self) -> Option<Meter> {
        match &mut self.input {
            Kind::Files(input) => Some(input.split()),
            _ => None,
        }
    }

    /// The packets of the last reading, for the meter with the table.
    pub(crate) fn decoded(&mut self) -> Packets {
        match &mut self.input {
            Kind::Files(input) => input.decoded(),
            _ => Packets::default(),
        }
    }

    /// Takes what the meter with the table counted into the report.
    pub(crate) fn rejoin(&mut self, table: &Meter) {
        if let Kind::Files(input) = &mut self.input {
            input.rejoin(table);
        }
    }

    pub(crate) fn show_progress(&self) {
        self.tell_drops();
        if self.started.elapsed() <= output::PATIENCE {
            return;
        }
        if let Kind::Files(input) = &self.input {
            let (read, total) = input.progress();
            self.bar.get_or_init(|| output::progress(total).with_message("reading")).set_position(read);
            return;
        }
        let report = self.report();
        let count = counts(&report);
        let alerts = match self.alerts.get() {
            0 => String::new(),
            alerts => format!(", {alerts} alerts"),
        };
        let line = format!("{count}, {} dropped, {} flows{alerts}", self.dropped(), self.flows);
        self.bar.get_or_init(output::status).set_message(line);
    }

    /// Prints while the progress is out of the way; an alert, of which it keeps count.
    pub(crate) fn print_alert(&self, print: impl FnOnce() -> Result<()>) -> Result<()> {
        self.alerts.set(self.alerts.get() + 1);
        match self.bar.get() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Ends an input that goes on, in good order.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the input goes on until it is stopped.
    pub(crate) fn goes_on(&self) -> bool {
        !matches!(self.input, Kind::Files(_))
    }

    /// Tells on stderr how much was read, what was damaged and, where asked, what was skipped and why.
    pub(crate) fn finish(&self, name: &str, verbose: bool) -> Report {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
        let report = self.report();
        for damage in &report.damage {
            eprintln!("lapwing: {}", output::shown(damage));
        }
        let skipped: u64 = report.skipped.values().sum();
        let count = counts(&report);
        let hint = if skipped > 0 && !verbose { " (-v says why)" } else { "" };
        eprintln!("{name}: {count} read, {skipped} skipped{hint}");
        #[cfg(target_os = "linux")]
        if let Kind::Interfaces(live) = &self.input {
            for (name, statistics) in live.statistics() {
                let packets = statistics.packets.saturating_sub(statistics.repeated);
                eprintln!("{name}: {packets} packets, {} dropped by the kernel", statistics.dropped);
            }
        }
        if let Some(count) = report.notes.get(source::EXPORTED) {
            eprintln!("lapwing: {count} {}; --source netflow reads the flows that they tell of", source::EXPORTED);
        }
        if verbose {
            for (what, count) in report.skipped.iter().chain(&report.notes) {
                eprintln!("  {count} {what}");
            }
        }
        report
    }

    /// Says that the kernel drops packets, when it does and at most every ten seconds.
    fn tell_drops(&self) {
        let (told, when) = self.told.get();
        let (dropped, now) = (self.dropped(), self.started.elapsed());
        if dropped > told && (told == 0 || now.saturating_sub(when) > Duration::from_secs(10)) {
            let tell = || {
                eprintln!(
                    "lapwing: the kernel dropped {dropped} packets so far; a larger --ring or more --capture-threads may help"
                );
            };
            match self.bar.get() {
                Some(bar) => bar.suspend(tell),
                None => tell(),
            }
            self.told.set((dropped, now));
        }
    }

    fn dropped(&self) -> u64 {
        match &self.input {
            Kind::Files(_) | Kind::Growing(_) | Kind::Exporters(_) => 0,
            #[cfg(target_os = "linux")]
            Kind::Interfaces(live) => live.statistics().map(|(_, statistics)| statistics.dropped).sum(),
        }
    }

    fn report(&self) -> Report {
        match &self.input {
            Kind::Files(input) | Kind::Growing(input) => input.report(),
            Kind::Exporters(listener) => listener.report().clone(),
            #[cfg(target_os = "linux")]
            Kind::Interfaces(live) => live.report(),
        }
    }
}

impl Source for Reader {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        if self.duration.is_some_and(|duration| self.started.elapsed() >= duration) {
            self.stop();
        }
        let before = batch.flows.len();
        let more = match &mut self.input {
            Kind::Files(input) | Kind::Growing(input) => input.read(batch),
            Kind::Exporters(listener) => listener.read(batch),
            #[cfg(target_os = "linux")]
            Kind::Interfaces(live) => live.read(batch),
        };
        self.flows += (batch.flows.len() - before) as u64;
        more
    }

    fn is_current(&self) -> bool {
        match &self.input {
            Kind::Files(input) | Kind::Growing(input) => input.is_current(),
            Kind::Exporters(listener) => listener.is_current(),
            #[cfg(target_os = "linux")]
            Kind::Interfaces(live) => live.is_current(),
        }
    }
}

/// How much was read: packets of captures, lines and other records of logs and tables.
fn counts(report: &Report) -> String {
    match (report.packets, report.lines) {
        (packets, 0) => format!("{packets} packets"),
        (0, lines) => format!("{lines} lines"),
        (packets, lines) => format!("{packets} packets and {lines} lines"),
    }
}

/// Why nothing came of an input, for who did not ask for it.
pub(crate) fn hint(report: &Report, verbose: bool) -> &'static str {
    let is_told = verbose || (report.skipped.is_empty() && report.notes.is_empty());
    if is_told { "" } else { "; -v says why" }
}

#[cfg(target_os = "linux")]
fn interfaces(live: &Live, stop: &Arc<AtomicBool>, meter: meter::Settings) -> Result<Kind> {
    use source::transport::{filter, live as capture};
    let program = match (&live.filter, &live.bpf) {
        (Some(expression), _) => {
            let wrong = |reason| anyhow::anyhow!("the filter `{expression}` is not understood: {reason}");
            filter::compile(expression, live.snap).map_err(wrong)?
        }
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            filter::read(&text, live.snap).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?
        }
        (None, None) => vec![filter::Instruction::accept(live.snap)],
    };
    let settings = capture::Settings {
        interfaces: live.interface.clone(),
        filter: Some(program),
        threads: live.capture_threads,
        ring_bytes: (live.ring as usize) << 20,
        promiscuous: !live.no_promiscuous,
        duration: live.duration,
        packets: live.packets,
        write: live.write.clone(),
        drop_privileges: true,
        meter,
    };
    Ok(Kind::Interfaces(capture::Live::open(&settings, Arc::clone(stop))?))
}

#[cfg(not(target_os = "linux"))]
fn interfaces(_: &Live, _: &Arc<AtomicBool>, _: meter::Settings) -> Result<Kind> {
    bail!("-i needs Linux; elsewhere give the packets on stdin: tcpdump -i NAME -U -w - | lapwing scan -")
}

/// What Ctrl-C and the end of a service set; the second time they end the program at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let register = || {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))
        };
        register().context("cannot be told of Ctrl-C")?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(
            [seconds("90"), seconds("90s"), seconds("15m"), seconds("8h")],
            [Ok(90), Ok(90), Ok(900), Ok(28_800)]
        );
        assert!(seconds("soon").is_err() && seconds("5 m").is_err() && seconds("s").is_err());
    }
}
