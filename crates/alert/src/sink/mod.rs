//! Alerts as other systems read them.
//!
//! A [`Format`] makes the text of one alert; what carries the text (a file, a socket, a web hook) is no business of this
//! crate. Whatever came from the network is escaped, so that no name can break out of its field or its line, or steer the
//! terminal of the person who reads it. How severities are mapped stands in one place, [`scale`].

mod cef;
mod chat;
mod ecs;
mod json;
mod leef;
mod ocsf;
mod parties;
pub mod scale;
mod stix;
pub mod syslog;
mod text;

use crate::Alert;
#[cfg(test)]
pub(crate) use text::tests::alert as sample;
pub use text::who;
pub(crate) use text::{title, value};

/// How an alert is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The alert itself, one JSON object on one line (docs/alert.schema.json).
    Json,
    /// One line for people.
    Text,
    /// Elastic Common Schema, one JSON object on one line.
    Ecs,
    /// OCSF Detection Finding, one JSON object on one line.
    Ocsf,
    /// ArcSight's Common Event Format, one line.
    Cef,
    /// QRadar's Log Event Extended Format 2.0, one line.
    Leef,
    /// A STIX 2.1 bundle, one JSON object on one line.
    Stix,
    /// A message for a chat: `{"text": ...}`, as Slack, Mattermost and Teams take it from web hooks.
    Chat,
}

/// Who sends the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observer {
    /// The name of the host that the detector runs on.
    pub host: String,
}

/// Why the alert is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The receiver has not seen it before.
    First,
    /// It has changed since the receiver saw it.
    Again,
    /// A person confirmed that it is true.
    Confirmed,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] =
        [Format::Json, Format::Text, Format::Ecs, Format::Ocsf, Format::Cef, Format::Leef, Format::Stix, Format::Chat];

    /// Its name in configurations and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Text => "text",
            Format::Ecs => "ecs",
            Format::Ocsf => "ocsf",
            Format::Cef => "cef",
            Format::Leef => "leef",
            Format::Stix => "stix",
            Format::Chat => "chat",
        }
    }

    /// What it is, in a few words.
    pub const fn what(self) -> &'static str {
        match self {
            Format::Json => "the alert itself (docs/alert.schema.json)",
            Format::Text => "one line for people",
            Format::Ecs => "Elastic Common Schema 8",
            Format::Ocsf => "OCSF 1.4 Detection Finding",
            Format::Cef => "ArcSight Common Event Format",
            Format::Leef => "QRadar Log Event Extended Format 2.0",
            Format::Stix => "a STIX 2.1 bundle",
            Format::Chat => "a chat message {\"text\": ...}: Slack, Mattermost, Teams",
        }
    }

    /// Whether what it writes is a JSON object.
    pub const fn is_json(self) -> bool {
        !matches!(self, Format::Text | Format::Cef | Format::Leef)
    }

    /// The alert in this format: one line, without its end.
    pub fn write(self, alert: &Alert, occasion: Occasion, observer: &Observer) -> String {
        match self {
            Format::Json => json::line(alert),
            Format::Text => text::line(alert),
            Format::Ecs => json::line(&ecs::document(alert, observer)),
            Format::Ocsf => json::line(&ocsf::finding(alert, occasion, observer)),
            Format::Cef => cef::line(alert, observer),
            Format::Leef => leef::line(alert, observer),
            Format::Stix => json::line(&stix::bundle(alert, occasion)),
            Format::Chat => json::line(&chat::message(alert, observer)),
        }
    }
}

/// Who makes the program, and what it is called, as receivers are told.
const VENDOR: &str = "Lapwing";
const PRODUCT: &str = "Lapwing";
const VERSION: &str = env!("CARGO_PKG_VERSION");
