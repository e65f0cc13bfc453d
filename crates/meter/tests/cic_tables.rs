//! Relations between the columns of CICFlowMeter: on every row of the corrected CIC-IDS2017 tables, and on ours. The
//! tables are in `data/cic-ids2017-improved` of the folder that LAPWING_SHARED names, else of `shared` beside the
//! workspace; where they are absent their test is shown as ignored.

mod packets;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flow::Values;
use flow::features::cic::Profile;
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use libtest_mimic::{Arguments, Failed, Trial};
use meter::Settings;
use packets::{CLIENT, SERVER, Wire, tcp, udp};
use proptest::prelude::prop;
use proptest::test_runner::{Config, TestRunner};

fn main() {
    let arguments = Arguments::from_args();
    let folder = shared().join("data/cic-ids2017-improved");
    let is_missing = !folder.is_dir();
    let trials = vec![
        Trial::test("our_rows_obey_every_relation", ours),
        Trial::test("every_row_of_the_corrected_tables_obeys_the_relations", move || tables(&folder))
            .with_ignored_flag(is_missing),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

type Row = HashMap<String, f64>;
type Relation = (&'static str, fn(&Row) -> bool);

/// Rows of the tables that break a relation: resets counted in neither direction.
const EXCEPTIONS: &[(&str, usize)] = &[(RESETS, 5)];
const RESETS: &str = "resets are those of both directions";

const RELATIONS: &[Relation] = &[
    ("forward payload is its mean times the packets", |r| {
        near(r["Total Length of Fwd Packet"], r["Fwd Packet Length Mean"] * r["Total Fwd Packet"])
    }),
    ("backward payload is its mean times the packets", |r| {
        near(r["Total Length of Bwd Packet"], r["Bwd Packet Length Mean"] * r["Total Bwd packets"])
    }),
    ("mean length is payload over packets, and so is the average size", |r| {
        near(r["Packet Length Mean"] * packets(r), payload(r))
            && near(r["Average Packet Size"], r["Packet Length Mean"])
    }),
    ("segment sizes are mean lengths", |r| {
        near(r["Fwd Segment Size Avg"], r["Fwd Packet Length Mean"])
            && near(r["Bwd Segment Size Avg"], r["Bwd Packet Length Mean"])
    }),
    ("variance is the square of the deviation", |r| near(r["Packet Length Variance"], r["Packet Length Std"].powi(2))),
    ("two packets deviate by their distance over the root of two", |r| {
        let distance = r["Fwd Packet Length Max"] - r["Fwd Packet Length Min"];
        r["Total Fwd Packet"] != 2.0 || near(r["Fwd Packet Length Std"], distance / 2f64.sqrt())
    }),
    ("the least is at most the mean and that the most", |r| {
        let families = [
            "Fwd Packet Length",
            "Bwd Packet Length",
            "Packet Length",
            "Flow IAT",
            "Fwd IAT",
            "Bwd IAT",
            "Active",
            "Idle",
        ];
        families.iter().all(|family| {
            let [min, mean, max] = ["Min", "Mean", "Max"].map(|statistic| r[&format!("{family} {statistic}")]);
            min <= mean * (1.0 + NEAR) + NEAR && mean <= max * (1.0 + NEAR) + NEAR
        })
    }),
    ("rates times the duration are the totals", |r| {
        let seconds = r["Flow Duration"] / 1e6;
        seconds == 0.0
            || (near(r["Flow Bytes/s"] * seconds, payload(r))
                && near(r["Flow Packets/s"] * seconds, packets(r))
                && near(r["Fwd Packets/s"] * seconds, r["Total Fwd Packet"]))
    }),
    ("the gaps make up the duration", |r| near(r["Flow IAT Mean"] * (packets(r) - 1.0), r["Flow Duration"])),
    ("the gaps forward are their mean times their number, and no longer than the flow", |r| {
        let gaps = (r["Total Fwd Packet"] - 1.0).max(0.0);
        near(r["Fwd IAT Total"], r["Fwd IAT Mean"] * gaps) && r["Fwd IAT Total"] <= r["Flow Duration"] * (1.0 + NEAR)
    }),
    ("down over up is backward over forward packets", |r| {
        r["Total Fwd Packet"] == 0.0 || near(r["Down/Up Ratio"], r["Total Bwd packets"] / r["Total Fwd Packet"])
    }),
    ("no flag is set more often than there are packets", |r| {
        ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "CWR", "ECE"]
            .iter()
            .all(|flag| r[&format!("{flag} Flag Count")] <= packets(r))
    }),
    ("pushes and urgent ones are those of both directions", |r| {
        r["PSH Flag Count"] == r["Fwd PSH Flags"] + r["Bwd PSH Flags"]
            && r["URG Flag Count"] == r["Fwd URG Flags"] + r["Bwd URG Flags"]
    }),
    (RESETS, |r| r["RST Flag Count"] == r["Fwd RST Flags"] + r["Bwd RST Flags"]),
    ("data packets are packets", |r| r["Fwd Act Data Pkts"] <= r["Total Fwd Packet"]),
    ("bulks have four packets", |r| {
        ["Fwd", "Bwd"].iter().all(|way| {
            let packets = r[&format!("{way} Packet/Bulk Avg")];
            (packets == 0.0 || packets >= 4.0) && (packets == 0.0) == (r[&format!("{way} Bytes/Bulk Avg")] == 0.0)
        })
    }),
    ("UDP headers have eight bytes", |r| {
        r["Protocol"] != 17.0 || near(r["Fwd Header Length"], 8.0 * r["Total Fwd Packet"])
    }),
    ("idle times are gaps of more than five seconds, the longest the longest", |r| {
        if r["Idle Max"] == 0.0 {
            r["Flow IAT Max"] <= 5e6
        } else {
            r["Idle Min"] > 5e6 && near(r["Idle Max"], r["Flow IAT Max"])
        }
    }),
    ("there is activity only before idle times", |r| r["Active Max"] == 0.0 || r["Idle Max"] > 0.0),
    ("a TCP conversation lasts as long as its flow at least, another has no such time", |r| {
        let is_tcp = r["Protocol"] == 6.0;
        let time = r["Total TCP Flow Time"];
        if is_tcp { time >= r["Flow Duration"] * (1.0 - NEAR) } else { time == 0.0 }
    }),
    ("only ICMP has a type", |r| (r["ICMP Type"] >= 0.0) == (r["Protocol"] == 1.0)),
    ("only TCP has windows", |r| r["Protocol"] == 6.0 || r["FWD Init Win Bytes"] + r["Bwd Init Win Bytes"] == 0.0),
];

fn packets(r: &Row) -> f64 {
    r["Total Fwd Packet"] + r["Total Bwd packets"]
}

fn payload(r: &Row) -> f64 {
    r["Total Length of Fwd Packet"] + r["Total Length of Bwd Packet"]
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= NEAR * a.abs().max(b.abs()).max(1.0)
}

/// Our numbers are of single precision, and products of them less exact.
const NEAR: f64 = 1e-5;

fn broken<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<(&'static str, usize)> {
    let mut counts = vec![0; RELATIONS.len()];
    for row in rows {
        for (count, (_, holds)) in counts.iter_mut().zip(RELATIONS) {
            *count += usize::from(!holds(row));
        }
    }
    RELATIONS
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|((sentence, _), count)| (*sentence, count))
        .collect()
}

fn tables(folder: &Path) -> Result<(), Failed> {
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let mut lines = BufReader::new(MultiGzDecoder::new(std::fs::File::open(path)?)).lines();
        let header = lines.next().ok_or("an empty table")??;
        let names: Vec<&str> = header.trim().split(',').collect();
        for line in lines {
            let line = line?;
            let cells = names.iter().zip(line.trim().split(','));
            rows.push(cells.filter_map(|(name, cell)| Some(((*name).to_owned(), cell.parse().ok()?))).collect::<Row>());
        }
    }
    let set = FeatureSet::of(Set::CicFixed);
    if let Some(feature) = set.features().iter().find(|feature| !rows[0].contains_key(feature.name)) {
        return Err(format!("the tables have no column {}", feature.name).into());
    }
    let broken = broken(rows.iter());
    if rows.len() == 33_718 && broken == EXCEPTIONS {
        Ok(())
    } else {
        Err(format!("{} rows, {broken:?}", rows.len()).into())
    }
}

/// Random packets of a TCP and a UDP conversation.
fn ours() -> Result<(), Failed> {
    let packet = (0usize..2, 0u8..8, 0usize..1400, 0u32..9000, 0u8..2);
    let strategy = prop::collection::vec(packet, 1..60);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |sent| {
        let mut wire = Wire::with(Settings::default().with_profile(Profile::Fixed));
        for (number, (way, flags, length, wait, is_udp)) in sent.into_iter().enumerate() {
            let [from, to] = if way == 0 { [CLIENT, SERVER] } else { [SERVER, CLIENT] };
            let flags = ["A", "PA", "A", "UA", "A", "S", "SA", "RA"][usize::from(flags)];
            let length = if length % 3 == 0 { 0 } else { length };
            let sequence = number as u32 * 2000;
            wire.send(&if is_udp == 1 { udp(from, to, length) } else { tcp(from, to, flags, sequence, 1, length) });
            wire.milliseconds += i64::from(if wait % 4 == 0 { wait } else { wait % 7 });
        }
        let (flows, _) = wire.end();
        let table = FeatureSet::of(Set::CicFixed).table(&flows, &mut Hosts::default());
        for row in 0..flows.len() {
            let cells = table.columns().iter().map(|column| {
                let Values::Numbers(numbers) = &column.values else { panic!("{} is no number", column.name) };
                (column.name.clone(), f64::from(numbers[row]))
            });
            let row: Row = cells.collect();
            proptest::prop_assert_eq!(broken(std::iter::once(&row)), vec![], "{:?}", row);
        }
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

fn shared() -> PathBuf {
    std::env::var_os("LAPWING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}
