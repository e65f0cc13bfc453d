//! Elastic Common Schema, version 8.11.

use std::net::IpAddr;

use flow::{Protocol, community_id};
use serde_json::{Value, json};

use super::parties::Parties;
use super::scale::{Scale, risk};
use super::text::title;
use super::{Observer, PRODUCT, VENDOR, VERSION, json};
use crate::{Alert, Technique};

/// The alert as a document. What the schema has no field for stands under `lapwing`.
pub(super) fn document(alert: &Alert, observer: &Observer) -> Value {
    let parties = Parties::of(alert);
    let risk = risk(alert);
    let examples = || alert.evidence.iter().flat_map(|evidence| &evidence.examples);
    let mut communities: Vec<String> = examples().filter_map(|example| community_id(&example.key, 0)).collect();
    communities.sort_unstable();
    communities.dedup();
    let mut addresses: Vec<IpAddr> = alert.hosts.iter().map(|host| host.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let version = match alert.subject {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    };
    json::pruned(json!({
        "@timestamp": alert.end,
        "ecs": { "version": "8.11.0" },
        "message": alert.summary,
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": ["info"],
            "module": "lapwing",
            "dataset": "lapwing.alert",
            "provider": "lapwing",
            "action": alert.behaviour.name(),
            "id": alert.id,
            "start": alert.start,
            "end": alert.end,
            "duration": u64::try_from(alert.end.since(alert.start).as_nanos()).ok(),
            "severity": Scale::of(alert.severity).ecs,
            "risk_score": risk,
            "risk_score_norm": risk,
            "reason": alert.summary,
        },
        "log": { "level": alert.severity.to_string() },
        "rule": {
            "id": alert.behaviour.name(),
            "name": title(alert.behaviour),
            "category": alert.technique.map(|technique| technique.tactic().name()),
            "ruleset": "lapwing",
            "reference": alert.technique.map(Technique::reference),
            "version": VERSION,
        },
        "threat": alert.technique.map(threat),
        "source": { "address": parties.source, "ip": parties.source, "port": parties.source_port },
        "destination": { "address": parties.destination, "ip": parties.destination, "port": parties.destination_port },
        "network": {
            "type": version,
            "transport": parties.protocol.map(transport),
            "iana_number": parties.protocol.and_then(Protocol::number).map(|number| number.to_string()),
            "community_id": communities,
        },
        "related": { "ip": addresses },
        "observer": {
            "type": "ids",
            "vendor": VENDOR,
            "product": PRODUCT,
            "version": VERSION,
            "hostname": observer.host,
        },
        "lapwing": {
            "subject": alert.subject,
            "score": alert.score,
            "flows": alert.flows,
            "hosts": alert.hosts,
            "evidence": alert.evidence,
        },
    }))
}

/// A sub-technique stands below its technique.
fn threat(technique: Technique) -> Value {
    let tactic = technique.tactic();
    let own = json!({
        "id": [technique.id()],
        "name": [technique.name()],
        "reference": [technique.reference()],
    });
    let techniques = match technique.parent() {
        Some((id, name)) => json!({
            "id": [id],
            "name": [name],
            "reference": [format!("https://attack.mitre.org/techniques/{id}/")],
            "subtechnique": own,
        }),
        None => own,
    };
    json!({
        "framework": "MITRE ATT&CK",
        "tactic": {
            "id": [tactic.id()],
            "name": [tactic.name()],
            "reference": [format!("https://attack.mitre.org/tactics/{}/", tactic.id())],
        },
        "technique": techniques,
    })
}

/// The protocol as IANA writes it, in small letters.
fn transport(protocol: Protocol) -> String {
    match protocol {
        Protocol::Icmpv6 => "ipv6-icmp".to_owned(),
        protocol => protocol.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;

    #[test]
    fn a_document_has_the_fields_of_an_alert() {
        let document = document(&alert(), &Observer { host: "sensor".to_owned() });
        assert_eq!(document["event"]["kind"], "alert");
        assert_eq!(document["event"]["duration"], 59_876_543_211_u64);
        assert_eq!(document["source"], json!({"address": "203.0.113.7", "ip": "203.0.113.7", "port": 40_000}));
        assert_eq!(document["destination"]["port"], 22);
        assert_eq!(document["threat"]["technique"]["id"], json!(["T1110"]));
        assert_eq!(document["threat"]["technique"]["subtechnique"]["id"], json!(["T1110.001"]));
        assert_eq!(document["network"]["iana_number"], "6");
    }

    #[test]
    fn what_is_not_known_has_no_field() {
        let mut alert = alert();
        (alert.technique, alert.evidence) = (None, Vec::new());
        let document = document(&alert, &Observer { host: "sensor".to_owned() });
        assert!(document.get("threat").is_none() && document["rule"].get("reference").is_none());
        assert!(document["network"].get("transport").is_none() && document["source"].get("port").is_none());
    }
}
