//! Detectors saved by earlier versions: each must load in every later one and judge as it did.
//!
//! `make bless` makes the golden files that are missing, and leaves those that are there as they are: they stand for the
//! files that users have. When the bytes of a detector must change, raise the format version in `detector.rs`; blessing
//! then fills a new folder, `golden/format-N`. Detectors of an older format are either read by code that keeps
//! `older_formats_load_or_are_named` green, or refused by number, and the changelog says "train again".

use std::fs;
use std::path::{Path, PathBuf};

use flow::{Category, Column, Label, Table, Values};
use model::{Dataset, Detector, Error, Grouping, Keep, Method, Plan, Selection};

/// Eighty rows of two columns of numbers, one of them with gaps, and one of names.
fn table() -> Table {
    let bytes = (0..ROWS).map(|row| ((row * 37) % 23) as f32 + if row % 5 == 0 { 60.0 } else { 0.0 }).collect();
    let packets = (0..ROWS).map(|row| if row % 11 == 3 { f32::NAN } else { ((row * 17) % 29) as f32 / 4.0 }).collect();
    let codes = (0..ROWS).map(|row| if row % 13 == 7 { Category::MISSING } else { (row % 3) as u32 }).collect();
    let names = Category { codes, vocabulary: ["tcp", "udp", "icmp"].map(String::from).to_vec() };
    let columns = vec![
        Column::numbers("bytes", bytes),
        Column::numbers("packets", packets),
        Column { name: "protocol".into(), values: Values::Categories(names) },
    ];
    Table::new(columns).unwrap()
}

/// A detector of this method, small enough to be kept.
fn train(method: &Method) -> Detector {
    let kind = |row: usize| match row % 10 {
        0 => "smurf",
        5 => "nmap",
        _ => "normal",
    };
    let labels: Vec<Label> = (0..ROWS).map(|row| Label::new(kind(row))).collect();
    let dataset = Dataset::labelled(table(), &labels).unwrap();
    let small = SMALL.iter().find(|(name, _)| *name == method.name());
    let method = small.map_or_else(|| method.clone(), |(_, settings)| serde_json::from_str(settings).unwrap());
    let plan = |grouping| Plan { method: method.clone(), grouping, ..Plan::default() };
    // Three classes where the method tells them apart.
    Detector::train(&dataset, &plan(Grouping::Kinds))
        .or_else(|error| match error {
            Error::Classes { .. } => Detector::train(&dataset, &plan(Grouping::Binary)),
            other => Err(other),
        })
        .unwrap()
}

/// A detector whose columns were selected.
fn selected() -> Detector {
    let labels: Vec<Label> = (0..ROWS).map(|row| Label::new(if row % 5 == 0 { "smurf" } else { "normal" })).collect();
    let dataset = Dataset::labelled(table(), &labels).unwrap();
    let method = serde_json::from_str(r#"{"decision-tree": {}}"#).unwrap();
    let selections = vec![
        Selection::Variance(0.0),
        Selection::MutualInformation(Keep::Share(0.9)),
        Selection::Permutation { keep: Keep::Count(2), method: Some(Method::all()[14].clone()) },
        Selection::Recursive { keep: Keep::Count(1), method: None },
    ];
    Detector::train(&dataset, &Plan { method, selections, ..Plan::default() }).unwrap()
}

/// What a detector says of the table, a row a line.
fn judged(detector: &Detector) -> String {
    let probabilities = detector.probabilities(&table()).unwrap();
    let line = |(row, verdict): (usize, &model::Verdict)| {
        let classes = probabilities.iter().flat_map(|probabilities| probabilities.row(row));
        let numbers: Vec<String> =
            [&verdict.score].into_iter().chain(classes).map(|number| format!("{number:.6}")).collect();
        format!("{}{}\n", numbers.join(" "), if verdict.alarm { " alarm" } else { "" })
    };
    detector.judge(&table()).unwrap().iter().enumerate().map(line).collect()
}

/// Whether two judgements are the same, up to what another processor's logarithm may change.
fn agree(one: &str, other: &str) -> bool {
    let same = |(one, other): (&str, &str)| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() < 1e-5,
        _ => one == other,
    };
    one.lines().count() == other.lines().count()
        && one.lines().zip(other.lines()).all(|(one, other)| {
            let (one, other): (Vec<_>, Vec<_>) = (one.split(' ').collect(), other.split(' ').collect());
            one.len() == other.len() && one.into_iter().zip(other).all(same)
        })
}

fn folder(format: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("format-{format}"))
}

/// The version of the file format, as the header has it.
fn format(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[8], bytes[9]])
}

#[test]
fn a_saved_detector_of_every_method_loads_and_judges_as_it_did() {
    let current = format(&train(&Method::all()[0]).to_bytes().unwrap());
    let mut wrong = Vec::new();
    for method in Method::all() {
        let name = method.name();
        let (saved, scores) =
            (folder(current).join(format!("{name}.lapwing")), folder(current).join(format!("{name}.txt")));
        if std::env::var_os("LAPWING_BLESS").is_some() && !saved.exists() {
            let detector = train(&method);
            fs::create_dir_all(folder(current)).unwrap();
            fs::write(&saved, detector.to_bytes().unwrap()).unwrap();
            fs::write(&scores, judged(&detector)).unwrap();
        }
        let Ok(bytes) = fs::read(&saved) else {
            wrong.push(format!("{name}: no golden detector; `make bless` makes {}, commit it", saved.display()));
            continue;
        };
        assert!(bytes.len() <= MOST_BYTES, "{name}: {} bytes; give it smaller settings in SMALL", bytes.len());
        match Detector::from_bytes(&bytes) {
            Err(error) => wrong.push(format!("{name}: no longer loads ({error}); {CHANGED}")),
            Ok(detector) if detector.provenance.method.name() != name => {
                wrong.push(format!(
                    "{name}: loads as {}; new variants go to the end",
                    detector.provenance.method.name()
                ));
            }
            Ok(detector) => {
                let golden = fs::read_to_string(&scores).unwrap_or_default();
                if !agree(&golden, &judged(&detector)) {
                    wrong.push(format!("{name}: judges otherwise than {} says; {CHANGED}", scores.display()));
                }
                if detector.to_bytes().unwrap() != bytes {
                    wrong.push(format!("{name}: loads, and is saved as other bytes; {CHANGED}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_saved_detector_whose_columns_were_selected_loads_and_judges_as_it_did() {
    let detector = selected();
    let bytes = detector.to_bytes().unwrap();
    let (saved, scores) =
        (folder(format(&bytes)).join("selected.lapwing"), folder(format(&bytes)).join("selected.txt"));
    if std::env::var_os("LAPWING_BLESS").is_some() && !saved.exists() {
        fs::create_dir_all(folder(format(&bytes))).unwrap();
        fs::write(&saved, &bytes).unwrap();
        fs::write(&scores, judged(&detector)).unwrap();
    }
    let bytes = fs::read(&saved).unwrap();
    let loaded = Detector::from_bytes(&bytes).unwrap();
    assert!(agree(&fs::read_to_string(&scores).unwrap(), &judged(&loaded)) && loaded.to_bytes().unwrap() == bytes);
    assert_eq!(loaded.supplement.selected.len(), 4);
    assert_eq!(loaded.schema().fields.len(), loaded.supplement.selected[3].kept().count());
}

#[test]
fn older_formats_load_or_are_named() {
    let current = format(&train(&Method::all()[0]).to_bytes().unwrap());
    for older in 0..current {
        let Ok(files) = fs::read_dir(folder(older)) else { continue };
        for path in
            files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "lapwing"))
        {
            match Detector::from_bytes(&fs::read(&path).unwrap()) {
                Ok(detector) => {
                    let golden = fs::read_to_string(path.with_extension("txt")).unwrap();
                    assert!(agree(&golden, &judged(&detector)), "{} judges otherwise", path.display());
                }
                Err(error) => {
                    assert_eq!(error, Error::Format { expected: current, found: older }, "{}", path.display());
                }
            }
        }
    }
}

const ROWS: usize = 80;
const MOST_BYTES: usize = 16 << 10;
const CHANGED: &str =
    "if the bytes must change, raise FORMAT in detector.rs and bless; before a release, delete the file and bless";
/// Settings of the methods whose defaults make large detectors.
const SMALL: [(&str, &str); 9] = [
    ("voting", r#"{"voting": {"parts": [{"decision-tree": {}}, {"histogram-score": {}}], "vote": "tails"}}"#),
    ("stacking", r#"{"stacking": {"parts": [{"one-rule": {}}, {"histogram-score": {}}], "columns": true}}"#),
    ("extended-isolation-forest", r#"{"extended-isolation-forest": {"trees": 3, "sample": 32}}"#),
    ("isolation-forest", r#"{"isolation-forest": {"trees": 3, "sample": 32}}"#),
    ("random-forest", r#"{"random-forest": {"trees": 3}}"#),
    ("extra-trees", r#"{"extra-trees": {"trees": 3}}"#),
    ("gradient-boosting", r#"{"gradient-boosting": {"trees": 3, "min-samples-leaf": 2}}"#),
    ("half-space-trees", r#"{"half-space-trees": {"trees": 3, "height": 5, "window": 20}}"#),
    ("random-cut-forest", r#"{"random-cut-forest": {"trees": 3, "sample": 16}}"#),
];
