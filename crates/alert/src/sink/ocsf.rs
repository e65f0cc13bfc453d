//! The Detection Finding of the Open Cybersecurity Schema Framework: class 2004 of version 1.4, the first that says
//! `is_alert`. Later versions of the schema take it too.

use std::net::IpAddr;

use flow::{Endpoint, Protocol, Time, community_id};
use serde_json::{Value, json};

use super::scale::{Scale, confidence, risk};
use super::text::title;
use super::{Observer, Occasion, PRODUCT, VENDOR, VERSION, json};
use crate::{Alert, Behaviour, Example, Technique};

/// The alert as a finding. What the schema has no attribute for stands under `unmapped`.
pub(super) fn finding(alert: &Alert, occasion: Occasion, observer: &Observer) -> Value {
    let (activity, activity_name) = match occasion {
        Occasion::First => (1, "Create"),
        Occasion::Again | Occasion::Confirmed => (2, "Update"),
    };
    let scale = Scale::of(alert.severity);
    let confidence = confidence(alert);
    let (confidence_id, confidence_name) = match confidence {
        ..50 => (1, "Low"),
        50..90 => (2, "Medium"),
        _ => (3, "High"),
    };
    let product = json!({ "name": PRODUCT, "uid": "lapwing", "vendor_name": VENDOR, "version": VERSION });
    let examples: Vec<&Example> = alert.evidence.iter().flat_map(|evidence| &evidence.examples).collect();
    let mut observables: Vec<Value> = Vec::new();
    for host in &alert.hosts {
        let name = format!("lapwing.{}", host.role.name());
        observables.push(json!({ "name": name, "type": "IP Address", "type_id": 2, "value": host.address }));
    }
    json::pruned(json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200_400 + activity,
        "type_name": format!("Detection Finding: {activity_name}"),
        "is_alert": true,
        "time": milliseconds(alert.end),
        "start_time": milliseconds(alert.start),
        "end_time": milliseconds(alert.end),
        "duration": milliseconds(alert.end) - milliseconds(alert.start),
        "count": alert.flows,
        "message": alert.summary,
        "severity": scale.ocsf_name,
        "severity_id": scale.ocsf,
        "confidence": confidence_name,
        "confidence_id": confidence_id,
        "confidence_score": confidence,
        "risk_score": risk(alert),
        "status": if occasion == Occasion::Confirmed { "In Progress" } else { "New" },
        "status_id": if occasion == Occasion::Confirmed { 2 } else { 1 },
        "metadata": {
            "version": "1.4.0",
            "product": product,
            "log_name": "alerts",
            "loggers": [{ "name": observer.host, "product": product }],
            "event_code": alert.behaviour.name(),
            "uid": alert.id,
        },
        "finding_info": {
            "uid": alert.id,
            "title": title(alert.behaviour),
            "desc": alert.summary,
            "types": [alert.behaviour.name()],
            "created_time": milliseconds(alert.start),
            "first_seen_time": milliseconds(alert.start),
            "last_seen_time": milliseconds(alert.end),
            "modified_time": milliseconds(alert.end),
            "analytic": analytic(alert.behaviour),
            "attacks": alert.technique.map(|technique| [attack(technique)]),
            "data_sources": ["network flows"],
        },
        "evidences": examples.into_iter().map(evidence).collect::<Vec<Value>>(),
        "observables": observables,
        "unmapped": {
            "subject": alert.subject,
            "score": alert.score,
            "evidence": alert.evidence.iter().map(|evidence| json!({
                "summary": evidence.summary,
                "severity": evidence.severity,
                "score": evidence.score,
                "facts": evidence.facts,
            })).collect::<Vec<Value>>(),
        },
    }))
}

/// What found it: a statistical test of a behaviour, a model, or the rule of another detector.
fn analytic(behaviour: Behaviour) -> Value {
    let (id, kind) = match behaviour {
        Behaviour::Anomaly | Behaviour::Recognised => (4, "Learning (ML/DL)"),
        Behaviour::Reported => (1, "Rule"),
        _ => (2, "Behavioral"),
    };
    json!({ "uid": behaviour.name(), "name": title(behaviour), "type_id": id, "type": kind, "version": VERSION })
}

fn attack(technique: Technique) -> Value {
    let tactic = json!({ "uid": technique.tactic().id(), "name": technique.tactic().name() });
    let own = json!({ "uid": technique.id(), "name": technique.name(), "src_url": technique.reference() });
    match technique.parent() {
        Some((id, name)) => json!({
            "version": "16",
            "tactic": tactic,
            "technique": { "uid": id, "name": name },
            "sub_technique": own,
        }),
        None => json!({ "version": "16", "tactic": tactic, "technique": own }),
    }
}

/// A flow behind the alert.
fn evidence(example: &Example) -> Value {
    let protocol = example.key.protocol;
    let endpoint = |endpoint: Endpoint| {
        let port = protocol.has_ports().then_some(endpoint.port);
        json!({ "ip": endpoint.address, "port": port })
    };
    let (version, version_id) = match example.key.originator.address {
        IpAddr::V4(_) => ("Internet Protocol version 4 (IPv4)", 4),
        IpAddr::V6(_) => ("Internet Protocol version 6 (IPv6)", 6),
    };
    let name = match protocol {
        Protocol::Icmpv6 => "ipv6-icmp".to_owned(),
        protocol => protocol.to_string(),
    };
    json!({
        "src_endpoint": endpoint(example.key.originator),
        "dst_endpoint": endpoint(example.key.responder),
        "connection_info": {
            // Whose network is whose is not known here.
            "direction_id": 0,
            "direction": "Unknown",
            "protocol_name": name,
            "protocol_num": protocol.number(),
            "protocol_ver": version,
            "protocol_ver_id": version_id,
            "community_uid": community_id(&example.key, 0),
        },
        "data": {
            "start": example.start,
            "state": example.state,
            "packets": example.packets,
            "bytes": example.bytes,
        },
    })
}

fn milliseconds(time: Time) -> i64 {
    time.nanoseconds().div_euclid(1_000_000)
}
