//! Columns that name a row, or the testbed, or the answer, rather than describe what happened.

use flow::{Label, Values};
use serde::{Deserialize, Serialize};

use crate::Dataset;

/// What makes a column suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Numbers or names rows.
    Identity,
    /// Names hosts: a detector would learn who attacked in this data set.
    Address,
    /// Names ports: a detector would learn which service was attacked in this data set.
    Port,
    /// Tells when: a detector would learn when this data set was attacked.
    Time,
    /// Tells how many routers lay between: a detector would learn the layout of the testbed.
    TimeToLive,
    /// Counts how many reference learners got the row right (NSL-KDD).
    Difficulty,
    /// Says in other words what the label says.
    Answer,
}

impl Role {
    /// Whether such a column tells what only somebody who knows the label can know.
    pub fn leaks_the_answer(self) -> bool {
        matches!(self, Role::Difficulty | Role::Answer)
    }

    /// What is wrong with such a column, to follow its name.
    pub fn sentence(self) -> &'static str {
        match self {
            Role::Identity => "names the row: it tells nothing about a new one",
            Role::Address => "names a host: a detector would learn who attacked in this data set",
            Role::Port => "names a port: a detector would learn which service was attacked in this data set",
            Role::Time => "tells the time: a detector would learn when this data set was attacked",
            Role::TimeToLive => "is a time to live: it tells the layout of a testbed apart, not the traffic",
            Role::Difficulty => {
                "counts how many reference learners judged the row rightly: it leaks the answer (NSL-KDD), and no new \
                 row has it"
            }
            Role::Answer => "says in other words what the label says",
        }
    }
}

/// The columns that a detector should not learn from unless it is told to, each with what it seems to be: by their
/// names, as public data sets and flow logs write them, and by their values.
pub fn suspects(dataset: &Dataset) -> Vec<(String, Role)> {
    let columns = dataset.table().columns().iter();
    let role = |column: &flow::Column| by_name(&column.name).or_else(|| by_values(&column.values, dataset.attacks()));
    columns.filter_map(|column| Some((column.name.clone(), role(column)?))).collect()
}

fn by_name(name: &str) -> Option<Role> {
    let name = name.trim().to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    // A name is of a role when all its words may stand in such a name, and one of them is what the role is about.
    let all_of = |subjects: &[&str], beside: &[&str]| {
        words.iter().any(|word| subjects.contains(word))
            && words.iter().all(|word| subjects.contains(word) || beside.contains(word))
    };
    if all_of(&["difficulty"], &["level", "score"]) {
        Some(Role::Difficulty)
    } else if all_of(
        &["attack", "label", "class"],
        &["cat", "category", "type", "name", "kind", "family", "detected", "id", "attempted"],
    ) {
        Some(Role::Answer)
    } else if words.iter().any(|word| ["ttl", "sttl", "dttl"].contains(word)) {
        Some(Role::TimeToLive)
    } else if all_of(&ADDRESS, &SIDE) || matches!(words.as_slice(), ["originator" | "responder"]) {
        Some(Role::Address)
    } else if all_of(&PORT, &SIDE) {
        Some(Role::Port)
    } else if all_of(&TIME, &["start", "end", "creation", "first", "last", "seen", "event", "flow", "utc"])
        || matches!(words.as_slice(), ["start" | "end"])
    {
        Some(Role::Time)
    } else {
        let beside = ["flow", "session", "row", "record", "event", "user", "connection", "community", "unnamed", "0"];
        all_of(&["id", "uid", "uuid", "guid", "index", "unnamed"], &beside).then_some(Role::Identity)
    }
}

fn by_values(values: &Values, attacks: Option<&[bool]>) -> Option<Role> {
    match values {
        Values::Numbers(numbers) => {
            let counts_up = numbers.windows(2).all(|two| two[1] - two[0] == 1.0);
            (numbers.len() >= FEW && counts_up).then_some(Role::Identity)
        }
        Values::Categories(category) => {
            let benign: Vec<bool> = category.vocabulary.iter().map(|name| !Label::new(name).is_attack()).collect();
            let is_answer = attacks.is_some_and(|attacks| {
                let says = |code: u32| benign.get(code as usize).map(|benign| !benign);
                category.codes.iter().zip(attacks).all(|(&code, &attack)| says(code) == Some(attack))
            });
            if is_answer && benign.contains(&true) && benign.contains(&false) {
                return Some(Role::Answer);
            }
            let mut used = category.codes.clone();
            used.sort_unstable();
            used.dedup();
            (used.len() >= FEW && used.len() * 2 > category.codes.len()).then_some(Role::Identity)
        }
    }
}

const ADDRESS: [&str; 14] = [
    "ip", "addr", "address", "mac", "srcip", "dstip", "saddr", "daddr", "srcaddr", "dstaddr", "host", "h", "hostname",
    "ipaddr",
];
const PORT: [&str; 8] = ["port", "sport", "dport", "dsport", "srcport", "dstport", "ports", "p"];
const SIDE: [&str; 16] = [
    "src",
    "dst",
    "source",
    "destination",
    "orig",
    "resp",
    "originator",
    "responder",
    "client",
    "server",
    "id",
    "local",
    "remote",
    "no",
    "number",
    "dest",
];
const TIME: [&str; 8] = ["time", "timestamp", "ts", "date", "datetime", "stime", "ltime", "epoch"];
/// Fewer values than this prove nothing.
const FEW: usize = 50;

#[cfg(test)]
mod tests {
    use flow::{Category, Column, Table};

    use super::*;

    #[test]
    fn names_of_public_data_sets_are_known() {
        for (name, role) in [
            ("difficulty", Role::Difficulty),
            ("attack_cat", Role::Answer),
            ("Label", Role::Answer),
            ("sttl", Role::TimeToLive),
            ("ct_state_ttl", Role::TimeToLive),
            ("Src IP", Role::Address),
            ("dst_ip", Role::Address),
            ("id.orig_h", Role::Address),
            ("originator", Role::Address),
            ("id.resp_p", Role::Port),
            ("Dst Port", Role::Port),
            ("dsport", Role::Port),
            ("Timestamp", Role::Time),
            ("ts", Role::Time),
            ("creation_time", Role::Time),
            ("Flow ID", Role::Identity),
            ("session_id", Role::Identity),
            ("id", Role::Identity),
            ("uid", Role::Identity),
            ("Unnamed: 0", Role::Identity),
        ] {
            assert_eq!(by_name(name), Some(role), "{name}");
        }
    }

    #[test]
    fn features_are_not_suspect() {
        for name in [
            "duration",
            "src_bytes",
            "dst_host_count",
            "srv_count",
            "protocol_type",
            "service",
            "ip_reputation_score",
            "unusual_time_access",
            "Total TCP Flow Time",
            "Flow Duration",
            "ct_srv_src",
            "host_contacts",
            "count",
            "failed_logins",
            "src_ip_country_code",
            "is_sm_ips_ports",
            "num_failed_logins",
            "hot",
            "land",
        ] {
            assert_eq!(by_name(name), None, "{name}");
        }
    }

    fn role(values: Values) -> Option<Role> {
        let attacks: Vec<bool> = (0..values.len()).map(|row| row % 4 == 0).collect();
        by_values(&values, Some(&attacks))
    }

    #[test]
    fn a_column_that_numbers_or_names_the_rows_is_suspect_whatever_its_name() {
        assert_eq!(role(Values::Numbers((0..100).map(|row| 5.0 + row as f32).collect())), Some(Role::Identity));
        let vocabulary: Vec<String> = (0..100).map(|row| format!("flow {row}")).collect();
        let codes: Vec<u32> = (0..100).collect();
        assert_eq!(role(Values::Categories(Category { codes, vocabulary })), Some(Role::Identity));
    }

    #[test]
    fn a_second_label_is_suspect_whatever_its_name() {
        let codes: Vec<u32> = (0..100).map(|row| if row % 4 == 0 { 1 + (row / 4) % 2 } else { 0 }).collect();
        let vocabulary = ["Benign", "DoS", "Worms"].map(String::from).to_vec();
        let category = Category { codes, vocabulary };
        assert_eq!(role(Values::Categories(category.clone())), Some(Role::Answer));
        let columns = vec![Column { name: "family".into(), values: Values::Categories(category) }];
        let unlabelled = Dataset::unlabelled(Table::new(columns).unwrap());
        assert_eq!(suspects(&unlabelled), []);
    }
}
