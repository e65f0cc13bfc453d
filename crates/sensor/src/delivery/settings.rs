//! `[[sink]]`: where alerts go, as the configuration says it.

use std::path::PathBuf;

use alert::Severity;
use alert::sink::Format;
use serde::Deserialize;

use crate::Error;

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What it is called; how far it has come is kept under this name.
    pub name: String,
    /// What carries the alerts: `file`, `stdout`, `syslog-udp`, `syslog-tcp`, `syslog-tls`, `webhook`.
    pub kind: Kind,
    /// How they are written: `json`, `text`, `ecs`, `ocsf`, `cef`, `leef`, `stix`, and `chat` for web hooks of chats. `json`
    /// if it is not set, over syslog `text`.
    #[serde(default, deserialize_with = "format")]
    pub format: Option<Format>,
    /// The path of a file, `host:port` of a syslog receiver, the URL of a web hook.
    #[serde(default)]
    pub address: String,
    /// Less urgent alerts are not sent. `low`: what is only worth knowing stays at home.
    #[serde(default = "low")]
    pub least: Severity,
    /// The authorities whose certificates are trusted, in PEM; those of the system if it is not set.
    pub ca_file: Option<PathBuf>,
    /// The certificate that we show, in PEM, with those that vouch for it; none if it is not set.
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub key_file: Option<PathBuf>,
    /// The name that the certificate of a syslog receiver must have; the host of the address if it is not set.
    pub server_name: Option<String>,
    /// The file with the secret that a web hook is signed with.
    pub secret_file: Option<PathBuf>,
    /// The environment variable with that secret.
    pub secret_environment: Option<String>,
    /// A receiver that does not answer for so long is tried again later. 10.
    #[serde(default = "ten")]
    pub timeout_seconds: u32,
}

/// What carries alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Lines at the end of a file, which may be rotated.
    File,
    /// Lines on stdout.
    Stdout,
    /// RFC 5424 over UDP (RFC 5426).
    SyslogUdp,
    /// RFC 5424 over TCP with octet counting (RFC 6587).
    SyslogTcp,
    /// RFC 5424 over TLS (RFC 5425).
    SyslogTls,
    /// A POST for each alert, over HTTP or HTTPS.
    Webhook,
}

impl Settings {
    /// How alerts are written.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(if self.kind.is_syslog() { Format::Text } else { Format::Json })
    }

    /// Whether the settings go together; no file is opened.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |reason: &str| Err(Error::Config(format!("sink {}: {reason}", self.shown_name())));
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' || letter == '.';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return refuse("a name has 1 to 64 letters, digits, `-`, `_` and `.`");
        }
        if self.timeout_seconds == 0 || self.timeout_seconds > 600 {
            return refuse("timeout-seconds lies within 1 to 600");
        }
        match self.kind {
            Kind::Stdout if !self.address.is_empty() => return refuse("stdout has no address"),
            Kind::File if self.address.is_empty() => return refuse("address is the path of the file"),
            kind if kind.is_syslog() && !is_host_and_port(&self.address) => {
                return refuse("address is host:port, such as siem.example:514 or [2001:db8::1]:6514");
            }
            Kind::Webhook if !is_url(&self.address) => return refuse("address is a URL: https://host/path"),
            _ => {}
        }
        let is_tls = self.kind == Kind::SyslogTls || (self.kind == Kind::Webhook && self.address.starts_with("https:"));
        let names_tls = self.ca_file.is_some() || self.certificate_file.is_some() || self.key_file.is_some();
        if names_tls && !is_tls {
            return refuse("ca-file, certificate-file and key-file are for syslog-tls and for web hooks over https");
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return refuse("certificate-file and key-file belong together");
        }
        if self.server_name.is_some() && self.kind != Kind::SyslogTls {
            return refuse("server-name is for syslog-tls");
        }
        let secrets = [self.secret_file.is_some(), self.secret_environment.is_some()];
        if secrets.contains(&true) && self.kind != Kind::Webhook {
            return refuse("secret-file and secret-environment are for web hooks");
        }
        if secrets == [true, true] {
            return refuse("the secret is in secret-file or in secret-environment, not in both");
        }
        if self.format == Some(Format::Chat) && self.kind != Kind::Webhook {
            return refuse("format chat is for web hooks");
        }
        Ok(())
    }

    /// Its name, fit for a terminal.
    pub(super) fn shown_name(&self) -> String {
        format!("`{}`", flow::printable(&self.name))
    }
}

impl Kind {
    /// Its name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Stdout => "stdout",
            Kind::SyslogUdp => "syslog-udp",
            Kind::SyslogTcp => "syslog-tcp",
            Kind::SyslogTls => "syslog-tls",
            Kind::Webhook => "webhook",
        }
    }

    const fn is_syslog(self) -> bool {
        matches!(self, Kind::SyslogUdp | Kind::SyslogTcp | Kind::SyslogTls)
    }
}

/// The host of `host:port`.
pub(super) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_host_and_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        let is_closed = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && is_closed && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_url(address: &str) -> bool {
    let uri = address.parse::<ureq::http::Uri>();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

fn low() -> Severity {
    Severity::Low
}

fn ten() -> u32 {
    10
}

fn format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Format>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = Format::ALL.into_iter().find(|format| format.name() == name);
    known.map(Some).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.into_iter().map(Format::name).collect();
        serde::de::Error::custom(format!("unknown format `{}`, one of {}", flow::printable(&name), names.join(", ")))
    })
}
