//! A bundle of STIX 2.1 (OASIS, 2021): what was observed, what it means, and why.
//!
//! Every object has the same identifier whenever the same alert is written: observables by the rule of the standard
//! (s.2.9), all others by one of our own namespace. So a receiver that has seen them does not get them twice.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::{Protocol, Time};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::scale::confidence;
use super::text::{facts, title};
use super::{Occasion, PRODUCT, json};
use crate::{Alert, Evidence, Example, Role, Technique};

/// The alert as a bundle: who observed it, the addresses and flows, the technique with its sighting, a note with the reason,
/// and, once a person confirmed it, an indicator for those who attacked.
pub(super) fn bundle(alert: &Alert, occasion: Occasion) -> Value {
    let (start, end) = (milliseconds(alert.start), milliseconds(alert.end.max(alert.start)));
    // The same object has the same moment of creation.
    let seed = format!("{}|{start}", alert.id);
    let id = |kind: &str| format!("{kind}--{}", uuid(OURS, &format!("{kind}|{seed}")));
    let identity = identity();
    let observables = observables(alert);
    let common = |kind: &str| {
        json!({
            "type": kind,
            "spec_version": "2.1",
            "id": id(kind),
            "created_by_ref": identity["id"],
            "created": start,
            "modified": end,
        })
    };
    let observed = with(
        common("observed-data"),
        json!({
            "first_observed": start,
            "last_observed": end,
            "number_observed": alert.flows.clamp(1, 999_999_999),
            "object_refs": observables.keys().collect::<Vec<_>>(),
        }),
    );
    let mut objects = vec![identity.clone()];
    objects.extend(observables.into_values());
    let mut reasons: Vec<String> = alert.evidence.iter().map(reason).collect();
    if reasons.is_empty() {
        reasons.push(alert.summary.clone());
    }
    let note = with(
        common("note"),
        json!({
            "abstract": format!("{}: {}", title(alert.behaviour), alert.summary),
            "content": reasons.join("\n"),
            "authors": [PRODUCT],
            "confidence": confidence(alert),
            "labels": [format!("severity:{}", alert.severity), alert.behaviour.name()],
            "object_refs": [observed["id"]],
        }),
    );
    if let Some(technique) = alert.technique {
        let pattern = attack_pattern(technique);
        objects.push(with(
            common("sighting"),
            json!({
                "first_seen": start,
                "last_seen": end,
                "count": alert.flows.clamp(1, 999_999_999),
                "confidence": confidence(alert),
                "sighting_of_ref": pattern["id"],
                "observed_data_refs": [observed["id"]],
                "where_sighted_refs": [identity["id"]],
                "summary": false,
            }),
        ));
        objects.push(pattern);
    }
    objects.extend([observed, note]);
    if occasion == Occasion::Confirmed
        && let Some(pattern) = attackers(alert)
    {
        let indicator = json!({
            "name": format!("{} from these addresses", title(alert.behaviour)),
            "description": alert.summary,
            "indicator_types": ["malicious-activity"],
            "pattern": pattern,
            "pattern_type": "stix",
            "valid_from": start,
            "confidence": confidence(alert),
        });
        objects.push(with(common("indicator"), indicator));
    }
    json!({ "type": "bundle", "id": format!("bundle--{}", uuid(OURS, &format!("bundle|{seed}|{end}"))), "objects": objects })
}

/// The detector as the one who observed.
fn identity() -> Value {
    json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": format!("identity--{}", uuid(OURS, "identity")),
        "created": EPOCH,
        "modified": EPOCH,
        "name": PRODUCT,
        "identity_class": "system",
    })
}

/// A technique of ATT&CK as others can tell that it is the same.
fn attack_pattern(technique: Technique) -> Value {
    let id = technique.id();
    let phase = technique.tactic().name().to_lowercase().replace(' ', "-");
    json!({
        "type": "attack-pattern",
        "spec_version": "2.1",
        "id": format!("attack-pattern--{}", uuid(OURS, &format!("attack-pattern|{id}"))),
        "created_by_ref": format!("identity--{}", uuid(OURS, "identity")),
        "created": EPOCH,
        "modified": EPOCH,
        "name": technique.name(),
        "external_references": [{
            "source_name": "mitre-attack",
            "external_id": id,
            "url": technique.reference(),
        }],
        "kill_chain_phases": [{ "kill_chain_name": "mitre-attack", "phase_name": phase }],
    })
}

/// The addresses and the flows that are shown, by their identifiers.
fn observables(alert: &Alert) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    let mut put = |object: Value| {
        if let Some(id) = object["id"].as_str() {
            objects.insert(id.to_owned(), object.clone());
        }
    };
    for host in &alert.hosts {
        put(address(host.address));
    }
    put(address(alert.subject));
    for example in alert.evidence.iter().flat_map(|evidence| &evidence.examples) {
        put(address(example.key.originator.address));
        put(address(example.key.responder.address));
        put(traffic(example));
    }
    objects
}

fn address(address: IpAddr) -> Value {
    let kind = address_kind(address);
    json!({ "type": kind, "spec_version": "2.1", "id": address_id(address), "value": address })
}

fn address_id(address: IpAddr) -> String {
    format!("{}--{}", address_kind(address), uuid(OBSERVABLES, &format!("{{\"value\":\"{address}\"}}")))
}

fn address_kind(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" }
}

/// A flow; its identifier hangs on its properties, written as RFC 8785 orders them.
fn traffic(example: &Example) -> Value {
    let key = example.key;
    let network = if key.originator.address.is_ipv4() { "ipv4" } else { "ipv6" };
    let protocols = match key.protocol {
        Protocol::Arp => vec!["arp".to_owned()],
        Protocol::Icmpv6 => vec![network.to_owned(), "ipv6-icmp".to_owned()],
        protocol => vec![network.to_owned(), protocol.to_string()],
    };
    let mut contributing = json!({
        "dst_ref": address_id(key.responder.address),
        "protocols": protocols,
        "src_ref": address_id(key.originator.address),
        "start": milliseconds(example.start),
    });
    if key.protocol.has_ports() {
        contributing["dst_port"] = json!(key.responder.port);
        contributing["src_port"] = json!(key.originator.port);
    }
    let id = format!("network-traffic--{}", uuid(OBSERVABLES, &canonical(&contributing)));
    with(json!({ "type": "network-traffic", "spec_version": "2.1", "id": id }), contributing)
}

/// JSON as RFC 8785 writes objects of texts, whole numbers and lists: members in the order of their names, no spaces.
fn canonical(object: &Value) -> String {
    let members: BTreeMap<&String, &Value> = object.as_object().into_iter().flatten().collect();
    json::line(&members)
}

/// The attackers as a pattern.
fn attackers(alert: &Alert) -> Option<String> {
    let attackers = alert.hosts.iter().filter(|host| host.role == Role::Attacker);
    let tests: Vec<String> =
        attackers.map(|host| format!("{}:value = '{}'", address_kind(host.address), host.address)).collect();
    (!tests.is_empty()).then(|| format!("[{}]", tests.join(" OR ")))
}

/// A reason in words and numbers.
fn reason(evidence: &Evidence) -> String {
    format!("{} ({})", evidence.summary, facts(evidence))
}

/// Both objects in one.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut object, more) {
        members.extend(more);
    }
    object
}

/// A time with milliseconds, as every STIX tool reads it.
fn milliseconds(time: Time) -> String {
    let text = time.to_string();
    text.get(..23).map_or_else(|| text.clone(), |milliseconds| format!("{milliseconds}Z"))
}

/// A UUID made of a name, version 5 (RFC 9562 s.5.5).
fn uuid(namespace: u128, name: &str) -> String {
    let digest = Sha1::new().chain_update(namespace.to_be_bytes()).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let version = 0x5000 << 64;
    let variant = 0x8000_0000_0000_0000;
    let bits = u128::from_be_bytes(bytes) & !(0xf000 << 64) & !(0xc000_0000_0000_0000) | version | variant;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The namespace of observables (STIX 2.1 s.2.9).
const OBSERVABLES: u128 = 0x00abedb4_aa42_466c_9c01_fed23315a9b7;
/// The namespace of everything else that we name.
const OURS: u128 = 0x6c617077_696e_4721_a1e2_7d0c5b1f9e34;
/// The creation of what never changes.
const EPOCH: &str = "2026-01-01T00:00:00.000Z";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;

    #[test]
    fn an_address_has_the_identifier_that_the_standard_gives_it() {
        // The value that the reference implementation gives: stix2.IPv4Address(value="198.51.100.3").id
        assert_eq!(address_id([198, 51, 100, 3].into()), "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4");
        let flow = traffic(&alert().evidence[0].examples[0]);
        assert_eq!(flow["id"], "network-traffic--40a3107e-2e4e-5c4d-a5bd-0af2a39c73db");
        let python = uuid(0x6ba7b810_9dad_11d1_80b4_00c04fd430c8, "python.org");
        assert_eq!(python, "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    }

    #[test]
    fn an_indicator_comes_with_confirmation_alone() {
        let kinds = |occasion| {
            let bundle = bundle(&alert(), occasion);
            let objects = bundle["objects"].as_array().unwrap().clone();
            objects.iter().map(|object| object["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(!kinds(Occasion::Again).contains(&"indicator".to_owned()));
        assert!(kinds(Occasion::Confirmed).contains(&"indicator".to_owned()));
        let bundle = bundle(&alert(), Occasion::Confirmed);
        assert!(bundle.to_string().contains("[ipv4-addr:value = '203.0.113.7']"));
    }

    #[test]
    fn every_reference_is_in_the_bundle() {
        let bundle = bundle(&alert(), Occasion::Confirmed);
        let objects = bundle["objects"].as_array().unwrap();
        let ids: Vec<&Value> = objects.iter().map(|object| &object["id"]).collect();
        for object in objects {
            for (name, value) in object.as_object().unwrap() {
                let references = match value {
                    Value::Array(items) if name.ends_with("_refs") => items.iter().collect(),
                    value if name.ends_with("_ref") => vec![value],
                    _ => Vec::new(),
                };
                assert!(references.iter().all(|reference| ids.contains(reference)), "{name}");
            }
        }
    }
}
