//! The columns of CICFlowMeter, which its releases and its readers spell in different ways.
//!
//! A name is cut into words at everything but letters and digits; the words are written out, ordered, and compared with
//! those of [`COLUMNS`], where each column has the name that the corrected tool gives it:
//!
//! | written | stands for |
//! |---|---|
//! | `Tot`, `TotLen`, `Len`, `Cnt`, `Std`, `Var` | total, total length, length, count, std, variance |
//! | `Pkt`, `Pkts`, `Packets`, `Byts`, `Byt` | packet, bytes |
//! | `Forward`, `Backward` | fwd, bwd |
//! | `Seg`, `Blk`, `b`, `Average` | segment, bulk, bulk, avg |
//! | `Source`, `Destination` | src, dst |
//! | `CWE` | cwr: the 2017 and 2018 tables misspell it |
//! | `of` | nothing |
//!
//! So ` Total Length of Bwd Packets` (2017), `TotLen Bwd Pkts` (2018) and `totlen_bwd_pkts` (the Python port) are all
//! `Total Length of Bwd Packet`. Equal names do not mean equal counts: see [`Generation`].

use std::collections::HashSet;

/// Which of two families of tools counted: the same names mean other things in each, and a detector of one must not
/// judge the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// As CIC-IDS2017 and CSE-CIC-IDS2018 were made: flows end at the first FIN, flags count once, first lengths twice.
    Original,
    /// The corrected tool (Engelen 2021, Liu 2022), told by the columns that it adds.
    Corrected,
}

impl Generation {
    /// A short name.
    pub const fn name(self) -> &'static str {
        match self {
            Generation::Original => "CICFlowMeter as of 2017 and 2018",
            Generation::Corrected => "the corrected CICFlowMeter",
        }
    }

    /// The generation of a table with these columns, by their names in [`COLUMNS`]; `None` where it is not of
    /// CICFlowMeter.
    pub fn of<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> Option<Generation> {
        let known = columns.clone().filter(|name| COLUMNS.contains(name)).count();
        let mut added = columns.filter(|name| ADDED.contains(name));
        match known {
            0..ENOUGH => None,
            _ if added.next().is_some() => Some(Generation::Corrected),
            _ => Some(Generation::Original),
        }
    }
}

/// The name of each column in [`COLUMNS`], where enough of them are known; others stay as they are. With them the
/// generation.
pub(super) fn canonical(names: &[String]) -> Option<(Vec<String>, Generation)> {
    let known: Vec<(String, &str)> = COLUMNS.iter().map(|name| (words(name), *name)).collect();
    let find = |name: &String| known.iter().find(|(words, _)| *words == self::words(name)).map(|(_, name)| *name);
    let mut taken = HashSet::new();
    let columns: Vec<String> = names
        .iter()
        .map(|name| find(name).filter(|known| taken.insert(*known)).map_or_else(|| name.clone(), str::to_owned))
        .collect();
    // A name that is left as it is may be the one that another was given.
    let distinct: HashSet<&String> = columns.iter().collect();
    if distinct.len() != columns.len() {
        return None;
    }
    let generation = Generation::of(columns.iter().map(String::as_str))?;
    Some((columns, generation))
}

/// Whether a column of CICFlowMeter names the row, its hosts or its time, or repeats another (`Fwd Header Length`, which
/// the tables of 2017 have twice): some tables have it, others not, and no detector needs it.
pub fn is_beside(name: &str) -> bool {
    IDENTITY.contains(&name) || words(name).starts_with("1 fwd header length") || name == "Fwd Header Length (2)"
}

/// The words of a name, written out and in order.
fn words(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let mut words: Vec<&str> = lower
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .flat_map(|word| match word {
            "tot" => ["total", ""],
            "totlen" => ["total", "length"],
            "len" => ["length", ""],
            "cnt" => ["count", ""],
            "var" => ["variance", ""],
            "pkt" | "pkts" | "packets" => ["packet", ""],
            "byt" | "byts" => ["bytes", ""],
            "forward" => ["fwd", ""],
            "backward" => ["bwd", ""],
            "seg" => ["segment", ""],
            "blk" | "b" => ["bulk", ""],
            "average" => ["avg", ""],
            "source" => ["src", ""],
            "destination" => ["dst", ""],
            "cwe" => ["cwr", ""],
            "of" => ["", ""],
            word => [word, ""],
        })
        .filter(|word| !word.is_empty())
        .collect();
    words.sort_unstable();
    words.join(" ")
}

/// Columns that name the row, its hosts or its time.
const IDENTITY: [&str; 8] =
    ["id", "Flow ID", "Src IP", "Src Port", "Dst IP", "Timestamp", "Attempted Category", "Protocol"];

/// Columns that only the corrected tool writes.
const ADDED: [&str; 5] = ["Fwd RST Flags", "Bwd RST Flags", "ICMP Code", "ICMP Type", "Total TCP Flow Time"];

/// How many columns make a table one of CICFlowMeter.
const ENOUGH: usize = 30;

/// Every column that CICFlowMeter writes, by the corrected tool's name.
pub const COLUMNS: [&str; 91] = [
    "id",
    "Flow ID",
    "Src IP",
    "Src Port",
    "Dst IP",
    "Dst Port",
    "Protocol",
    "Timestamp",
    "Flow Duration",
    "Total Fwd Packet",
    "Total Bwd packets",
    "Total Length of Fwd Packet",
    "Total Length of Bwd Packet",
    "Fwd Packet Length Max",
    "Fwd Packet Length Min",
    "Fwd Packet Length Mean",
    "Fwd Packet Length Std",
    "Bwd Packet Length Max",
    "Bwd Packet Length Min",
    "Bwd Packet Length Mean",
    "Bwd Packet Length Std",
    "Flow Bytes/s",
    "Flow Packets/s",
    "Flow IAT Mean",
    "Flow IAT Std",
    "Flow IAT Max",
    "Flow IAT Min",
    "Fwd IAT Total",
    "Fwd IAT Mean",
    "Fwd IAT Std",
    "Fwd IAT Max",
    "Fwd IAT Min",
    "Bwd IAT Total",
    "Bwd IAT Mean",
    "Bwd IAT Std",
    "Bwd IAT Max",
    "Bwd IAT Min",
    "Fwd PSH Flags",
    "Bwd PSH Flags",
    "Fwd URG Flags",
    "Bwd URG Flags",
    "Fwd RST Flags",
    "Bwd RST Flags",
    "Fwd Header Length",
    "Bwd Header Length",
    "Fwd Packets/s",
    "Bwd Packets/s",
    "Packet Length Min",
    "Packet Length Max",
    "Packet Length Mean",
    "Packet Length Std",
    "Packet Length Variance",
    "FIN Flag Count",
    "SYN Flag Count",
    "RST Flag Count",
    "PSH Flag Count",
    "ACK Flag Count",
    "URG Flag Count",
    "CWR Flag Count",
    "ECE Flag Count",
    "Down/Up Ratio",
    "Average Packet Size",
    "Fwd Segment Size Avg",
    "Bwd Segment Size Avg",
    "Fwd Bytes/Bulk Avg",
    "Fwd Packet/Bulk Avg",
    "Fwd Bulk Rate Avg",
    "Bwd Bytes/Bulk Avg",
    "Bwd Packet/Bulk Avg",
    "Bwd Bulk Rate Avg",
    "Subflow Fwd Packets",
    "Subflow Fwd Bytes",
    "Subflow Bwd Packets",
    "Subflow Bwd Bytes",
    "FWD Init Win Bytes",
    "Bwd Init Win Bytes",
    "Fwd Act Data Pkts",
    "Fwd Seg Size Min",
    "Active Mean",
    "Active Std",
    "Active Max",
    "Active Min",
    "Idle Mean",
    "Idle Std",
    "Idle Max",
    "Idle Min",
    "ICMP Code",
    "ICMP Type",
    "Total TCP Flow Time",
    "Label",
    "Attempted Category",
];
