//! The columns of CICFlowMeter, which its releases and its readers spell in different ways.
//!
//! A name is cut into words at everything but letters and digits; the words are written out, ordered, and compared with
//! those of [`COLUMNS`]. A column then has one name: in tables of the corrected tool that of [`COLUMNS`], in all others
//! that of the tables of 2017, which are also the names of the feature sets `cic-fixed` and `cic-2017-compat`:
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
//! `Total Length of Bwd Packets`. Equal names do not mean equal counts: see [`Generation`].

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

    /// The generation of a table or detector with these columns, by their names in [`Rows`](super::rows::Rows); `None`
    /// where it is not of CICFlowMeter.
    pub fn of<'a>(columns: impl Iterator<Item = &'a str>) -> Option<Generation> {
        let (mut known, mut original) = (0, false);
        for name in columns {
            let is_original = NAMES_2017.iter().any(|(_, old)| *old == name);
            known += usize::from(is_original || COLUMNS.contains(&name));
            original |= is_original;
        }
        match known {
            0..ENOUGH => None,
            _ if original => Some(Generation::Original),
            _ => Some(Generation::Corrected),
        }
    }

    /// The name that a column of [`COLUMNS`] has in tables of this generation.
    pub fn column(self, name: &'static str) -> &'static str {
        let old = NAMES_2017.iter().find(|(new, _)| self == Generation::Original && *new == name);
        old.map_or(name, |(_, old)| old)
    }
}

/// The one name of each column, where enough of them are known; others stay as they are. With them the generation, whose
/// names they are.
pub(super) fn canonical(names: &[String]) -> Option<(Vec<String>, Generation)> {
    let known: Vec<(String, &'static str)> = COLUMNS.iter().map(|name| (words(name), *name)).collect();
    let find = |name: &String| -> Option<&'static str> {
        let words = words(name);
        known.iter().find(|(known, _)| *known == words).map(|(_, name)| *name)
    };
    let mut taken = HashSet::new();
    let found: Vec<Option<&'static str>> =
        names.iter().map(|name| find(name).filter(|known| taken.insert(*known))).collect();
    if taken.len() < ENOUGH {
        return None;
    }
    let is_corrected = ADDED.iter().any(|name| taken.contains(name));
    let generation = if is_corrected { Generation::Corrected } else { Generation::Original };
    let one = |(name, found): (&String, &Option<&'static str>)| {
        found.map_or_else(|| name.clone(), |known| generation.column(known).to_owned())
    };
    let columns: Vec<String> = names.iter().zip(&found).map(one).collect();
    // A name that is left as it is may be the one that another was given.
    let distinct: HashSet<&String> = columns.iter().collect();
    (distinct.len() == columns.len()).then_some((columns, generation))
}

/// Whether a column of CICFlowMeter names the row, its hosts or its time, or repeats another (`Fwd Header Length`, which
/// the tables of 2017 have twice): some tables have it, others not, and no detector needs it.
pub fn is_beside(name: &str) -> bool {
    IDENTITY.contains(&name)
        || NAMES_2017[..IDENTITY_2017].iter().any(|(_, old)| *old == name)
        || words(name).starts_with("1 fwd header length")
        || name == "Fwd Header Length (2)"
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

/// How many of [`NAMES_2017`] are names of [`IDENTITY`].
const IDENTITY_2017: usize = 3;

/// The columns that the tables of 2017 call otherwise: the corrected tool's name, then theirs.
const NAMES_2017: [(&str, &str); 23] = [
    ("Src IP", "Source IP"),
    ("Src Port", "Source Port"),
    ("Dst IP", "Destination IP"),
    ("Dst Port", "Destination Port"),
    ("Total Fwd Packet", "Total Fwd Packets"),
    ("Total Bwd packets", "Total Backward Packets"),
    ("Total Length of Fwd Packet", "Total Length of Fwd Packets"),
    ("Total Length of Bwd Packet", "Total Length of Bwd Packets"),
    ("Packet Length Min", "Min Packet Length"),
    ("Packet Length Max", "Max Packet Length"),
    ("CWR Flag Count", "CWE Flag Count"),
    ("Fwd Segment Size Avg", "Avg Fwd Segment Size"),
    ("Bwd Segment Size Avg", "Avg Bwd Segment Size"),
    ("Fwd Bytes/Bulk Avg", "Fwd Avg Bytes/Bulk"),
    ("Fwd Packet/Bulk Avg", "Fwd Avg Packets/Bulk"),
    ("Fwd Bulk Rate Avg", "Fwd Avg Bulk Rate"),
    ("Bwd Bytes/Bulk Avg", "Bwd Avg Bytes/Bulk"),
    ("Bwd Packet/Bulk Avg", "Bwd Avg Packets/Bulk"),
    ("Bwd Bulk Rate Avg", "Bwd Avg Bulk Rate"),
    ("FWD Init Win Bytes", "Init_Win_bytes_forward"),
    ("Bwd Init Win Bytes", "Init_Win_bytes_backward"),
    ("Fwd Act Data Pkts", "act_data_pkt_fwd"),
    ("Fwd Seg Size Min", "min_seg_size_forward"),
];

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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    const OF_2017: &str = " Destination Port, Flow Duration, Total Fwd Packets, Total Backward Packets,Total Length of Fwd Packets, Total Length of Bwd Packets, Fwd Packet Length Max, Fwd Packet Length Min, Fwd Packet Length Mean, Fwd Packet Length Std,Flow Bytes/s, Flow Packets/s, Flow IAT Mean,Fwd IAT Total, Fwd Header Length, Bwd Header Length,Fwd Packets/s, Min Packet Length, Max Packet Length, Packet Length Variance,FIN Flag Count, CWE Flag Count, Down/Up Ratio, Average Packet Size, Avg Fwd Segment Size, Fwd Header Length.1,Fwd Avg Bytes/Bulk, Fwd Avg Packets/Bulk, Fwd Avg Bulk Rate,Subflow Fwd Packets, Subflow Bwd Bytes,Init_Win_bytes_forward, Init_Win_bytes_backward, act_data_pkt_fwd, min_seg_size_forward,Active Mean, Idle Min, Label";
    const OF_2018: &str = "Dst Port,Flow Duration,Tot Fwd Pkts,Tot Bwd Pkts,TotLen Fwd Pkts,TotLen Bwd Pkts,Fwd Pkt Len Max,Fwd Pkt Len Min,Fwd Pkt Len Mean,Fwd Pkt Len Std,Flow Byts/s,Flow Pkts/s,Flow IAT Mean,Fwd IAT Tot,Fwd Header Len,Bwd Header Len,Fwd Pkts/s,Pkt Len Min,Pkt Len Max,Pkt Len Var,FIN Flag Cnt,CWE Flag Count,Down/Up Ratio,Pkt Size Avg,Fwd Seg Size Avg,Fwd Byts/b Avg,Fwd Pkts/b Avg,Fwd Blk Rate Avg,Subflow Fwd Pkts,Subflow Bwd Byts,Init Fwd Win Byts,Init Bwd Win Byts,Fwd Act Data Pkts,Fwd Seg Size Min,Active Mean,Idle Min,Label";

    #[test]
    fn the_spellings_of_2017_and_2018_and_of_the_python_port_are_one() {
        let (old, generation) = canonical(&names(OF_2017)).unwrap();
        assert_eq!(generation, Generation::Original);
        let old: Vec<&String> = old.iter().filter(|name| !is_beside(name)).collect();
        let (new, _) = canonical(&names(OF_2018)).unwrap();
        assert_eq!(old, new.iter().collect::<Vec<_>>());
        let python: Vec<String> =
            names(OF_2018).iter().map(|name| name.to_lowercase().replace([' ', '/'], "_")).collect();
        assert_eq!(canonical(&python).unwrap().0, new);
        assert!(new.iter().any(|name| name == "Init_Win_bytes_forward"));
    }

    #[test]
    fn the_corrected_tool_is_told_by_what_it_adds() {
        let corrected: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
        assert_eq!(canonical(&corrected), Some((corrected.clone(), Generation::Corrected)));
        assert_eq!(Generation::of(corrected.iter().map(String::as_str)), Some(Generation::Corrected));
        let (old, _) = canonical(&names(OF_2017)).unwrap();
        assert_eq!(Generation::of(old.iter().map(String::as_str)), Some(Generation::Original));
    }

    #[test]
    fn other_tables_keep_their_names() {
        assert_eq!(canonical(&names("duration,src_bytes,dst_bytes,label")), None);
    }
}
