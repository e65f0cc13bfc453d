//! Tables that are known by their columns.

use super::{Mapping, Unit};
use crate::format::cic::Generation;

/// The mapping of a table that is known by its columns, whatever else it has:
///
/// - CICFlowMeter's, all spellings, where they hold addresses and times: its lengths are of payload, its durations in
///   microseconds;
/// - the table of suspicious web traffic made from VPC flow logs (`bytes_in`, `creation_time`,
///   `src_ip_country_code`, ...): what comes in is the originator's; every row is suspicious, and its kind is the label;
/// - the session table (`session_id`, `src_ip`, `dst_ip`, `protocol`, `port`, `bytes_sent`, `duration`,
///   `packet_count`): it has no time, and one count of packets, which like its bytes are taken for what was sent.
pub fn known(columns: &[String]) -> Option<Mapping> {
    let has = |names: &[&str]| names.iter().all(|name| columns.iter().any(|column| column == name));
    let named = |name: &str| Some(name.to_owned());
    let optional = |name: &str| named(name).filter(|name| has(&[name]));
    let cic = Generation::of(columns.iter().map(String::as_str));
    if let Some(generation) = cic
        && ["Src IP", "Dst IP", "Timestamp", "Flow Duration", "Total Fwd Packet"]
            .iter()
            .all(|name| has(&[generation.column(name)]))
    {
        let named = |name: &'static str| named(generation.column(name));
        let optional = |name: &'static str| optional(generation.column(name));
        return Some(Mapping {
            start: named("Timestamp"),
            duration: named("Flow Duration"),
            duration_unit: Unit::Microseconds,
            originator_address: named("Src IP"),
            originator_port: optional("Src Port"),
            responder_address: named("Dst IP"),
            responder_port: optional("Dst Port"),
            protocol: optional("Protocol"),
            originator_packets: named("Total Fwd Packet"),
            originator_payload: optional("Total Length of Fwd Packet"),
            responder_packets: optional("Total Bwd packets"),
            responder_payload: optional("Total Length of Bwd Packet"),
            label: optional("Label"),
            ..Mapping::default()
        });
    }
    if has(&["bytes_in", "bytes_out", "creation_time", "src_ip", "dst_ip"]) {
        return Some(Mapping {
            start: named("creation_time"),
            end: optional("end_time"),
            originator_address: named("src_ip"),
            originator_country: optional("src_ip_country_code"),
            responder_address: named("dst_ip"),
            responder_port: optional("dst_port"),
            protocol: optional("protocol"),
            originator_bytes: named("bytes_in"),
            responder_bytes: named("bytes_out"),
            label: optional("detection_types"),
            ..Mapping::default()
        });
    }
    if has(&["session_id", "src_ip", "dst_ip", "protocol", "bytes_sent", "duration"]) {
        return Some(Mapping {
            start: ["timestamp", "start_time", "start", "time"].into_iter().find_map(optional),
            duration: named("duration"),
            originator_address: named("src_ip"),
            originator_port: optional("src_port"),
            responder_address: named("dst_ip"),
            responder_port: optional("port").or(optional("dst_port")),
            protocol: named("protocol"),
            originator_packets: optional("packet_count"),
            originator_bytes: named("bytes_sent"),
            responder_bytes: optional("bytes_received"),
            id: named("session_id"),
            label: ["label", "attack", "class"].into_iter().find_map(optional),
            ..Mapping::default()
        });
    }
    None
}
