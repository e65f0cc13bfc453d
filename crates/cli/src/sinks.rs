//! `lapwing sinks`: where alerts go, and whether they arrive.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use alert::sink::Format;
use anyhow::{Context, Result, bail};
use flow::Time;
use sensor::config::Config;
use sensor::delivery::{Sink, observer};

use crate::output;

/// List where a configuration sends alerts, and try it.
///
/// Sinks are the `[[sink]]` tables of the configuration: files, stdout, syslog over UDP, TCP and TLS, web hooks. With --test
/// each gets one alert of severity info that says of itself that it is a test, whatever its least severity, and its answer is
/// shown.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing sinks --config lapwing.toml
  lapwing sinks --config lapwing.toml --test
  lapwing sinks --config lapwing.toml --test --only siem
  lapwing sinks --formats                   # the formats that a sink can have

lapwing.example.toml has a sink of each kind, docs/outputs.md describes the formats and what is guaranteed.")]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "formats")]
    config: Option<PathBuf>,
    /// Send a test alert to each sink and say what came back.
    #[arg(long)]
    test: bool,
    /// Only the sink of this name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// List the formats and end.
    #[arg(long, conflicts_with_all = ["config", "test", "only"])]
    formats: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(path) = &arguments.config else {
        let mut table = output::table(&["format", "what it is"]);
        for format in Format::ALL {
            table.add_row([format.name(), format.what()]);
        }
        println!("{table}");
        return Ok(());
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::from_toml(&text).with_context(|| format!("in {}", path.display()))?;
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    let sinks: Vec<_> = config.sink.iter().filter(|sink| wanted(&sink.name)).collect();
    if sinks.is_empty() {
        match &arguments.only {
            Some(only) if !config.sink.is_empty() => bail!("no sink of {} is called `{only}`", path.display()),
            _ => bail!("{} has no [[sink]]; lapwing.example.toml has one of each kind", path.display()),
        }
    }
    let mut headings = vec!["sink", "kind", "format", "address", "least"];
    if arguments.test {
        headings.push("test");
    }
    let mut table = output::table(&headings);
    let mut failed = 0;
    for settings in &sinks {
        let mut row = vec![
            settings.name.clone(),
            settings.kind.name().to_owned(),
            settings.format().name().to_owned(),
            flow::printable(&settings.address).into_owned(),
            settings.least.to_string(),
        ];
        if arguments.test {
            let answer = Sink::open(settings, observer(&config))
                .map_err(|error| error.to_string())
                .and_then(|mut sink| sink.test(now()).map_err(|failure| failure.reason().to_owned()));
            failed += usize::from(answer.is_err());
            row.push(match answer {
                Ok(said) => format!("ok: {said}"),
                Err(reason) => format!("FAILED: {reason}"),
            });
        }
        table.add_row(row);
    }
    println!("{table}");
    if failed > 0 {
        bail!("{failed} of {} sinks did not take the test alert", sinks.len());
    }
    Ok(())
}

/// A test happens now; nothing else here takes its time from the clock.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanoseconds(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
