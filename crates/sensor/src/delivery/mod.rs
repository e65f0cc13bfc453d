//! Alerts on their way to other systems.
//!
//! Alerts wait in an [`Outbox`] (the store) until a sink has taken them. Each sink has a thread of its own ([`Delivery`]), so
//! that one that fails or is slow delays no other and nothing else: what it did not take stays in the outbox and is sent
//! again, later and later ([`Backoff`]), for as long as it takes, over restarts too. An alert arrives at least once; its
//! identifier and the number of its change tell a receiver that it has it already.
//!
//! What is written is a format of [`alert::sink`]; each file here carries it in one way: `file`, `stream` (syslog over
//! TCP and TLS), `datagram` (syslog over UDP), `webhook`.

mod backoff;
mod courier;
mod datagram;
mod file;
mod kept;
mod outbox;
mod secret;
mod settings;
mod signature;
mod stream;
mod tls;
mod webhook;
mod worker;

use alert::sink::{Format, Observer, Occasion, syslog};
use alert::{Alert, Severity};
use flow::Duration;

pub use backoff::Backoff;
pub use courier::Delivery;
pub use kept::Kept;
pub use outbox::{Outbox, Pending};
pub use settings::{Kind, Settings};
pub use signature::signature;
pub use worker::State;

use crate::Error;
use crate::config::Config;

/// One place that alerts are sent to, ready to be sent to.
#[derive(Debug)]
pub struct Sink {
    /// What it is called: the outbox keeps under this name how far it has come.
    pub name: String,
    /// Less urgent alerts are not sent.
    pub least: Severity,
    format: Format,
    observer: Observer,
    carrier: Carrier,
}

/// What carries the text.
#[derive(Debug)]
enum Carrier {
    File(file::Log),
    Stdout,
    Datagram(datagram::Datagrams),
    Stream(Box<stream::Stream>),
    Webhook(Box<webhook::Webhook>),
}

/// Why an alert was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may be taken later; not before that time, where the receiver says when.
    Later {
        /// What went wrong.
        reason: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// The receiver is there and will never take this one.
    Refused(String),
}

impl Sink {
    /// The sink that the settings describe: certificates and secrets are read now, connections are made when there is
    /// something to send.
    pub fn open(settings: &Settings, observer: Observer) -> Result<Sink, Error> {
        settings.check()?;
        let refuse = |reason: String| Error::Config(format!("sink {}: {reason}", settings.shown_name()));
        let timeout = Duration::from_secs(settings.timeout_seconds.into());
        let address = settings.address.clone();
        let carrier = match settings.kind {
            Kind::File => Carrier::File(file::Log::new(address)),
            Kind::Stdout => Carrier::Stdout,
            Kind::SyslogUdp => Carrier::Datagram(datagram::Datagrams::new(address)),
            Kind::SyslogTcp => Carrier::Stream(Box::new(stream::Stream::plain(address, timeout))),
            Kind::SyslogTls => {
                let config = tls::config(settings).map_err(refuse)?;
                let name = settings.server_name.as_deref().unwrap_or_else(|| settings::host_of(&address));
                let stream = stream::Stream::secure(address.clone(), name, config, timeout).map_err(refuse)?;
                Carrier::Stream(Box::new(stream))
            }
            Kind::Webhook => Carrier::Webhook(Box::new(webhook::Webhook::new(settings, timeout).map_err(refuse)?)),
        };
        Ok(Sink { name: settings.name.clone(), least: settings.least, format: settings.format(), observer, carrier })
    }

    /// Sends one alert and says what came back.
    pub fn send(&mut self, pending: &Pending) -> Result<String, Failure> {
        let Pending { change, occasion, alert } = pending;
        let line = |sink: &Sink| sink.format.write(alert, *occasion, &sink.observer);
        match &mut self.carrier {
            Carrier::File(_) | Carrier::Stdout | Carrier::Webhook(_) => {
                let text = line(self);
                match &mut self.carrier {
                    Carrier::File(log) => log.append(&text),
                    Carrier::Webhook(webhook) => {
                        let kind = if self.format.is_json() { "application/json" } else { "text/plain; charset=utf-8" };
                        webhook.post(&text, kind, &format!("{}-{change}", alert.id))
                    }
                    _ => file::print(&text),
                }
            }
            Carrier::Datagram(datagrams) => {
                datagrams.send(&syslog::message(self.format, alert, *occasion, &self.observer))
            }
            Carrier::Stream(stream) => stream.send(&syslog::message(self.format, alert, *occasion, &self.observer)),
        }
    }

    /// Sends an alert that says of itself that it is a test.
    pub fn test(&mut self, now: flow::Time) -> Result<String, Failure> {
        self.send(&Pending { change: 0, occasion: Occasion::First, alert: Alert::test(now) })
    }
}

/// As whom receivers know this sensor: by the name that is configured, or that of the host.
pub fn observer(config: &Config) -> Observer {
    let configured = Some(config.sensor.name.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
    let of_host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let host = configured.or_else(of_host).or_else(|| std::env::var("HOSTNAME").ok());
    Observer { host: host.unwrap_or_else(|| "localhost".to_owned()) }
}

impl Failure {
    /// A failure that may pass.
    pub(crate) fn later(reason: impl std::fmt::Display) -> Failure {
        Failure::Later { reason: reason.to_string(), after: None }
    }

    /// What went wrong.
    pub fn reason(&self) -> &str {
        match self {
            Failure::Later { reason, .. } | Failure::Refused(reason) => reason,
        }
    }
}
