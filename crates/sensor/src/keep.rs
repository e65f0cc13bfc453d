//! Keeps in the store what a run reads and finds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alert::{Alert, Suppression, Triaged, incidents};
use flow::{Duration, Flow, Notice, Time};
use model::evaluation::Rule;
use serde::{Deserialize, Serialize};
use source::Batch;
use store::{Filter, Hits, Page, Retention, Store};

use crate::run::Settings;
use crate::{Error, anomaly};

/// Keeps flows as they are read, alerts as they are told, and has the suppressions of the store act.
///
/// Flows wait for some thousand others or a minute before they are written, so that they make few files: who ends the
/// process loses that minute of flows, and no alert that was told.
pub struct Keeper {
    store: Store,
    retention: Retention,
    suppressions: Vec<Suppression>,
    /// How many changes of suppressions there were when they were read.
    changes: u64,
    flows: Vec<Flow>,
    notices: Vec<Notice>,
    /// The latest time of any flow.
    now: Option<Time>,
    /// When flows were written last.
    written: Option<Time>,
    tidied: Option<Time>,
    /// What was counted as a hit, by suppression and alert.
    counted: BTreeSet<(u64, String)>,
}

/// With which settings the alerts were made that the store keeps; it is kept beside them, so that a replay can use the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// What sets the threshold where no budget does.
    pub threshold: Rule,
    /// The budget.
    pub alerts_a_day: Option<f64>,
    /// The most hosts that the anomaly voice speaks of.
    pub most_hosts: usize,
    /// Where random numbers come from.
    pub seed: u64,
    /// Memory for what each host did lately, in bytes.
    pub hosts_bytes: usize,
    /// How often the voices are asked in between.
    pub every: Option<Duration>,
    /// The detector that judged flows, by what people call it.
    pub detector: Option<String>,
    /// Whether that was the active one, not one that was named.
    pub is_active: bool,
    /// What was learned from.
    pub baseline: Vec<PathBuf>,
}

impl Used {
    /// The settings of a run.
    pub fn of(settings: &Settings, is_active: bool, baseline: &[PathBuf]) -> Used {
        let anomaly::Settings { threshold, alerts_a_day, most_hosts, seed, hosts_bytes } = settings.anomaly;
        // They are found again from whatever folder.
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let detector = settings.detector.as_ref().map(|(_, name)| match is_active {
            true => name.clone(),
            false => whole(&PathBuf::from(name)).display().to_string(),
        });
        let baseline = baseline.iter().map(whole).collect();
        let every = settings.every;
        Used { threshold, alerts_a_day, most_hosts, seed, hosts_bytes, every, detector, is_active, baseline }
    }

    /// The settings of the anomaly voice.
    pub fn anomaly(&self) -> anomaly::Settings {
        let Used { threshold, alerts_a_day, most_hosts, seed, hosts_bytes, .. } = *self;
        anomaly::Settings { threshold, alerts_a_day, most_hosts, seed, hosts_bytes }
    }

    /// The name under which the store keeps it.
    pub const NAME: &str = "run";
}

impl Keeper {
    /// Keeps in the store of this folder, which is made where it is missing, what a run with these settings reads and finds.
    pub fn open(folder: &Path, used: &Used, retention: Retention) -> Result<Keeper, Error> {
        let mut store = Store::open(folder)?;
        store.set(Used::NAME, used)?;
        let (suppressions, changes) = (store.suppressions()?, store.suppression_changes()?);
        Ok(Keeper {
            store,
            retention,
            suppressions,
            changes,
            flows: Vec::new(),
            notices: Vec::new(),
            now: None,
            written: None,
            tidied: None,
            counted: BTreeSet::new(),
        })
    }

    /// What need not be looked at, as the store has it now.
    pub(crate) fn suppressions(&mut self) -> Result<&[Suppression], Error> {
        let changes = self.store.suppression_changes()?;
        if changes != self.changes {
            (self.suppressions, self.changes) = (self.store.suppressions()?, changes);
        }
        Ok(&self.suppressions)
    }

    /// Keeps what was read.
    pub(crate) fn read(&mut self, batch: &Batch) -> Result<(), Error> {
        self.flows.extend_from_slice(&batch.flows);
        self.notices.extend_from_slice(&batch.notices);
        let latest =
            batch.flows.iter().map(|flow| flow.end).chain(batch.notices.iter().map(|notice| notice.time)).max();
        self.now = self.now.max(latest);
        let (Some(now), written) = (self.now, self.written.or(self.now)) else { return Ok(()) };
        self.written = written;
        let is_due = written.is_some_and(|written| now.since(written) >= FLOWS_WAIT);
        if is_due || self.flows.len() >= FLOWS_AT_A_TIME { self.write(now) } else { Ok(()) }
    }

    /// Keeps alerts that are news, and what is hidden now.
    pub(crate) fn tell(&mut self, news: &[Alert], hidden: &[(u64, Alert)]) -> Result<(), Error> {
        for (suppression, alert) in hidden {
            if self.counted.insert((*suppression, alert.id.clone())) {
                let former = self.store.alert(&alert.id)?.and_then(|kept| kept.suppressed_by);
                self.store.put_hidden(std::slice::from_ref(alert), *suppression)?;
                let count = u64::from(former != Some(*suppression));
                self.store.add_hits(&[Hits { suppression: *suppression, count, last: Some(alert.end) }])?;
            }
        }
        if self.counted.len() > MOST_COUNTED {
            self.counted.clear();
        }
        if news.is_empty() {
            return Ok(());
        }
        self.store.put(news)?;
        for alert in news {
            let Some(suppression) = self.store.alert(&alert.id)?.and_then(|kept| kept.suppressed_by) else { continue };
            let suppression = self.suppressions.iter().find(|known| known.id == suppression);
            let acts =
                suppression.is_some_and(|suppression| suppression.expires.is_none_or(|expires| alert.end < expires));
            if !acts {
                self.store.show(&[&alert.id])?;
            }
        }
        self.tell_stories()
    }

    /// Keeps how all alerts stand, without telling anybody.
    pub(crate) fn settle(&mut self, triaged: &Triaged) -> Result<(), Error> {
        self.store.update(&triaged.alerts)?;
        for (suppression, alert) in &triaged.hidden {
            self.store.put_hidden(std::slice::from_ref(alert), *suppression)?;
        }
        self.tell_stories()
    }

    /// Writes what still waits.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.now.map_or(Ok(()), |now| self.write(now))
    }

    fn write(&mut self, now: Time) -> Result<(), Error> {
        self.store.append(&self.flows, &self.notices, now)?;
        self.store.set(LATEST, &now.nanoseconds())?;
        self.flows.clear();
        self.notices.clear();
        self.written = Some(now);
        if self.tidied.is_none_or(|tidied| now.since(tidied) >= TIDY) {
            self.store.tidy(&self.retention, now)?;
            self.tidied = Some(now);
        }
        Ok(())
    }

    /// Keeps the incidents over the alerts of the last days.
    fn tell_stories(&mut self) -> Result<(), Error> {
        let Some(now) = self.now else { return Ok(()) };
        let since = Time::from_nanoseconds(now.nanoseconds().saturating_sub(STORY.as_nanos() as i64));
        let filter = Filter { since: Some(since), ..Filter::default() };
        let (mut alerts, mut after) = (Vec::new(), None);
        while alerts.len() < MOST_IN_STORIES {
            let page = self.store.page(&filter, after.as_deref(), Page::MOST)?;
            alerts.extend(page.alerts.into_iter().map(|kept| kept.alert));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(self.store.put_incidents(&incidents(&alerts))?)
    }
}

/// The name under which the store keeps the latest time of any flow that was read, in nanoseconds since 1970.
pub const LATEST: &str = "latest";
const FLOWS_AT_A_TIME: usize = 1 << 16;
const FLOWS_WAIT: Duration = Duration::from_secs(60);
const TIDY: Duration = Duration::from_secs(3_600);
/// Alerts that lie further apart are no story: a day between taking a host over and using it, twice.
const STORY: Duration = Duration::from_secs(3 * 86_400);
const MOST_IN_STORIES: usize = 10_000;
const MOST_COUNTED: usize = 1 << 16;
