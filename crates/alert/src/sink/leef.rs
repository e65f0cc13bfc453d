//! IBM QRadar's Log Event Extended Format, version 2.0 (IBM, "LEEF overview").

use std::fmt::Display;

use super::parties::Parties;
use super::scale::{Scale, confidence, risk};
use super::text::facts;
use super::{Observer, PRODUCT, VENDOR, VERSION};
use crate::Alert;

/// The alert as one line; attributes are parted by tabs, which the header says.
pub(super) fn line(alert: &Alert, observer: &Observer) -> String {
    let name = alert.behaviour.name();
    let mut line = format!("LEEF:2.0|{VENDOR}|{PRODUCT}|{VERSION}|{name}|x09|");
    let mut attributes: Vec<(&str, String)> = Vec::new();
    let mut put = |key, value: &dyn Display| attributes.push((key, value.to_string()));
    put("devTime", &alert.end);
    put("devTimeFormat", &"yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSS'Z'");
    put("identHostName", &observer.host);
    put("cat", &alert.technique.map_or(name, |technique| technique.tactic().name()));
    put("sev", &Scale::of(alert.severity).cef);
    let parties = Parties::of(alert);
    if let Some(address) = parties.source {
        put("src", &address);
    }
    if let Some(address) = parties.destination {
        put("dst", &address);
    }
    if let Some(port) = parties.source_port {
        put("srcPort", &port);
    }
    if let Some(port) = parties.destination_port {
        put("dstPort", &port);
    }
    if let Some(protocol) = parties.protocol {
        put("proto", &protocol.to_string().to_uppercase());
    }
    put("alertId", &alert.id);
    put("start", &alert.start);
    put("end", &alert.end);
    put("flows", &alert.flows);
    put("risk", &risk(alert));
    put("confidence", &confidence(alert));
    if let Some(technique) = alert.technique {
        put("technique", &technique.id());
        put("techniqueName", &technique.name());
    }
    put("msg", &alert.summary);
    if let Some(evidence) = alert.evidence.first() {
        put("facts", &facts(evidence));
    }
    // No tab or line end is left in a value; a `=` may stay, because the first one ends the key.
    let attributes: Vec<String> =
        attributes.iter().map(|(key, value)| format!("{key}={}", flow::plain(value))).collect();
    line.push_str(&attributes.join("\t"));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;

    #[test]
    fn a_value_does_not_break_out_of_its_attribute() {
        let mut alert = alert();
        alert.summary = "a\tsev=1\nb".to_owned();
        let line = line(&alert, &Observer { host: "sensor".to_owned() });
        assert!(line.split('\t').any(|attribute| attribute == r"msg=a\tsev=1\nb"), "{line}");
        assert!(line.split('\t').any(|attribute| attribute == "sev=8"));
    }
}
