//! ArcSight's Common Event Format, version 0 (Micro Focus, "Implementing ArcSight CEF", revision 25).

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::parties::Parties;
use super::scale::{Scale, confidence, risk};
use super::text::{cut, facts, title};
use super::{Observer, PRODUCT, VENDOR, VERSION};
use crate::Alert;

/// The alert as one line.
pub(super) fn line(alert: &Alert, observer: &Observer) -> String {
    let mut line = format!(
        "CEF:0|{}|{}|{}|{}|{}|{}|",
        header(VENDOR),
        header(PRODUCT),
        header(VERSION),
        header(alert.behaviour.name()),
        header(&title(alert.behaviour)),
        Scale::of(alert.severity).cef,
    );
    let milliseconds = |time: flow::Time| time.nanoseconds().div_euclid(1_000_000);
    let mut extension = Extension { line: &mut line, is_first: true };
    extension.put("rt", milliseconds(alert.end));
    extension.put("start", milliseconds(alert.start));
    extension.put("end", milliseconds(alert.end));
    extension.put("externalId", &alert.id);
    extension.put("dvchost", &observer.host);
    let parties = Parties::of(alert);
    // The keys `src` and `dst` hold IPv4 addresses alone.
    match parties.source {
        Some(IpAddr::V4(address)) => extension.put("src", address),
        Some(IpAddr::V6(address)) => extension.labelled("c6a2", "Source IPv6 Address", address),
        None => {}
    }
    match parties.destination {
        Some(IpAddr::V4(address)) => extension.put("dst", address),
        Some(IpAddr::V6(address)) => extension.labelled("c6a3", "Destination IPv6 Address", address),
        None => {}
    }
    if let Some(port) = parties.source_port {
        extension.put("spt", port);
    }
    if let Some(port) = parties.destination_port {
        extension.put("dpt", port);
    }
    if let Some(protocol) = parties.protocol {
        extension.put("proto", protocol.to_string().to_uppercase());
    }
    extension.put("cnt", alert.flows);
    extension.put("msg", cut(&flow::plain(&alert.summary), MESSAGE));
    if let Some(technique) = alert.technique {
        extension.put("cat", technique.tactic().name());
        extension.labelled("cs1", "ATT&CK technique", format_args!("{} {}", technique.id(), technique.name()));
    }
    if let Some(evidence) = alert.evidence.first() {
        extension.labelled("cs2", "facts", cut(&facts(evidence), CUSTOM));
    }
    let hosts: Vec<String> = alert.hosts.iter().map(|host| format!("{} {}", host.role.name(), host.address)).collect();
    extension.labelled("cs3", "hosts", cut(&hosts.join(", "), CUSTOM));
    extension.labelled("cn1", "risk", risk(alert));
    extension.labelled("cn2", "confidence", confidence(alert));
    line
}

/// The keys and values behind the header.
struct Extension<'a> {
    line: &'a mut String,
    is_first: bool,
}

impl Extension<'_> {
    /// Adds a key; `\` and `=` of the value are escaped, and it stays on its line.
    fn put(&mut self, key: &str, value: impl Display) {
        let gap = if std::mem::take(&mut self.is_first) { "" } else { " " };
        let value = value.to_string();
        let value = flow::plain(&value).replace('\\', "\\\\").replace('=', "\\=");
        let _ = write!(self.line, "{gap}{key}={value}");
    }

    /// Adds a custom key with what it means here.
    fn labelled(&mut self, key: &str, label: &str, value: impl Display) {
        self.put(&format!("{key}Label"), label);
        self.put(key, value);
    }
}

/// A field of the header, where `|` and `\` are escaped.
fn header(text: &str) -> String {
    flow::plain(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// The longest `msg` and the longest custom string, bytes.
const MESSAGE: usize = 1023;
const CUSTOM: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;

    #[test]
    fn a_value_does_not_break_out_of_its_field() {
        let mut alert = alert();
        alert.summary = "a|b\\c act=allowed\r\nCEF:0|x".to_owned();
        let line = line(&alert, &Observer { host: "sensor".to_owned() });
        assert!(line.contains(r"msg=a|b\\c act\=allowed\\r\\nCEF:0|x cat="), "{line}");
        assert_eq!(header("a|b\\c\n"), r"a\|b\\c\\n");
    }

    #[test]
    fn ipv6_has_its_own_keys() {
        let mut alert = alert();
        alert.hosts[0].address = "2001:db8::7".parse().unwrap();
        let line = line(&alert, &Observer { host: "sensor".to_owned() });
        assert!(
            line.contains("c6a2Label=Source IPv6 Address c6a2=2001:db8::7 dst=10.20.0.13") && !line.contains(" src=")
        );
    }
}
