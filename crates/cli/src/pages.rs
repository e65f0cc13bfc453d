//! What the verbs share in writing pages for people.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use model::page::Site;

use crate::output;

/// How the site is that figures are reckoned for.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct SiteArguments {
    /// How many flows a day the alarms are reckoned for.
    #[arg(long, value_name = "FLOWS", default_value_t = FLOWS_A_DAY)]
    pub(crate) flows_a_day: f64,
    /// The share of the site's flows that are attacks, for the precision there.
    #[arg(long, value_name = "SHARE", default_value_t = BASE_RATE)]
    pub(crate) base_rate: f64,
}

impl SiteArguments {
    pub(crate) fn site(self) -> Result<Site> {
        let is_share = (0.0..=1.0).contains(&self.base_rate);
        if !is_share || !self.flows_a_day.is_finite() || self.flows_a_day < 0.0 {
            anyhow::bail!("--base-rate must be within 0 to 1, and --flows-a-day a positive number");
        }
        Ok(Site { flows_a_day: self.flows_a_day, base_rate: self.base_rate })
    }
}

/// Writes a page to a file where one is asked for.
pub(crate) fn write(path: Option<&Path>, page: impl FnOnce() -> String) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut out = output::create(Some(path), &[])?;
    out.write_all(page().as_bytes())?;
    out.finish()?;
    eprintln!("page written to {}", path.display());
    Ok(())
}

/// What the alarms of a day are reckoned for, unless told otherwise: a site of a few hundred hosts.
const FLOWS_A_DAY: f64 = 1_000_000.0;
/// One flow in ten thousand.
const BASE_RATE: f64 = 1e-4;
