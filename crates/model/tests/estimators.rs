//! What every estimator must hold to, asked of every one of them.

use flow::{Category, Column, Label, Table, Values};
use model::{Calibration, Classes, Dataset, Detector, Encoder, Error, Grouping, Matrix, Method, Missing, Plan};

/// Two clouds and a column of names; every twentieth row is an attack that lies far out.
fn table() -> (Table, Vec<Label>) {
    let rows = 600;
    let attack = |row: usize| row.is_multiple_of(20);
    let wave = |row: usize, step: f32| (row as f32 * step).sin();
    let bytes = (0..rows).map(|row| if attack(row) { 40.0 } else { 0.0 } + wave(row, 0.7)).collect();
    let packets = (0..rows).map(|row| if attack(row) { -30.0 } else { 5.0 } + wave(row, 1.3)).collect();
    let codes = (0..rows).map(|row| if attack(row) { 2 } else { (row % 2) as u32 }).collect();
    let names = Category { codes, vocabulary: ["tcp", "udp", "gre"].map(String::from).to_vec() };
    let columns = vec![
        Column::numbers("bytes", bytes),
        Column { name: "protocol".into(), values: Values::Categories(names) },
        Column::numbers("packets", packets),
    ];
    let labels = (0..rows).map(|row| Label::new(if attack(row) { "tunnel" } else { "normal" })).collect();
    (Table::new(columns).unwrap(), labels)
}

fn dataset() -> Dataset {
    let (table, labels) = table();
    Dataset::labelled(table, &labels).unwrap()
}

fn train(method: &Method, seed: u64) -> Detector {
    let plan = Plan { method: method.clone(), seed, ..Plan::default() };
    Detector::train(&dataset(), &plan).unwrap()
}

fn scores(detector: &Detector, table: &Table) -> Vec<f32> {
    detector.judge(table).unwrap().iter().map(|verdict| verdict.score).collect()
}

#[test]
fn the_same_seed_gives_the_same_detector() {
    for method in Method::all() {
        let bytes = |seed| train(&method, seed).to_bytes().unwrap();
        assert_eq!(bytes(7), bytes(7), "{}", method.name());
    }
}

#[test]
fn judging_scores_and_classes_at_once_says_what_each_says_by_itself() {
    let (table, _) = table();
    for grouping in [Grouping::Binary, Grouping::Kinds] {
        let kind = |row: usize| ["normal", "normal", "tunnel", "normal", "scan"][row % 5];
        let labels: Vec<Label> = (0..table.rows()).map(|row| Label::new(kind(row))).collect();
        let dataset = Dataset::labelled(table.clone(), &labels).unwrap();
        for method in Method::all() {
            let name = method.name();
            let detector = Detector::train(&dataset, &Plan { method, grouping, ..Plan::default() }).unwrap();
            let (model, matrix) = (detector.model(), detector.encoder().encode(&table).unwrap());
            let (scores, probabilities) = model.judge(&matrix).unwrap();
            assert_eq!(scores, model.scores(&matrix).unwrap(), "{name}");
            assert_eq!(probabilities, model.probabilities(&matrix).unwrap(), "{name}");
        }
    }
}

#[test]
fn one_thread_and_two_give_the_same_bytes_and_scores() {
    for method in Method::all() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let detector = train(&method, 1);
                (detector.to_bytes().unwrap(), scores(&detector, &table().0))
            })
        };
        assert_eq!(run(1), run(2), "{}", method.name());
    }
}

#[test]
fn scores_lie_within_0_and_1_even_for_absurd_rows() {
    for method in Method::all() {
        let detector = train(&method, 1);
        let extremes = [0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        let category =
            Category { codes: vec![0, 1, 0, 1, 0, Category::MISSING, 0], vocabulary: vec!["new".into(), "tcp".into()] };
        let columns = vec![
            Column::numbers("bytes", extremes.to_vec()),
            Column::numbers("packets", extremes.iter().rev().copied().collect()),
            Column { name: "protocol".into(), values: Values::Categories(category) },
        ];
        for score in scores(&detector, &Table::new(columns).unwrap()).into_iter().chain(scores(&detector, &table().0)) {
            assert!((0.0..=1.0).contains(&score), "{} {score}", method.name());
        }
    }
}

#[test]
fn planted_attacks_score_higher_and_alarm() {
    // The majority class is what it is.
    for method in Method::all().into_iter().filter(|method| method.name() != "majority") {
        let verdicts = train(&method, 1).judge(&table().0).unwrap();
        let (attacks, benign): (Vec<_>, Vec<_>) = verdicts.iter().enumerate().partition(|(row, _)| row % 20 == 0);
        let least = attacks.iter().map(|(_, verdict)| verdict.score).fold(1.0, f32::min);
        let below = benign.iter().filter(|(_, verdict)| verdict.score < least).count();
        assert!(below * 20 >= benign.len() * 19, "{} {below} of {}", method.name(), benign.len());
        let alarmed = |rows: &[(usize, &model::Verdict)]| rows.iter().filter(|(_, verdict)| verdict.alarm).count();
        assert!(alarmed(&attacks) * 10 >= attacks.len() * 9, "{} {}", method.name(), alarmed(&attacks));
        assert!(alarmed(&benign) * 50 <= benign.len(), "{} {}", method.name(), alarmed(&benign));
    }
}

#[test]
fn a_row_scores_the_same_alone_and_in_a_batch() {
    let (table, _) = table();
    for method in Method::all() {
        let detector = train(&method, 1);
        let batch = scores(&detector, &table);
        for row in [0, 1, 7, 8, 599] {
            assert_eq!(scores(&detector, &table.select(&[row])), [batch[row]], "{} {row}", method.name());
        }
    }
}

#[test]
fn a_saved_detector_comes_back_the_same() {
    let (table, _) = table();
    for method in Method::all() {
        let detector = train(&method, 1);
        let loaded = Detector::from_bytes(&detector.to_bytes().unwrap()).unwrap();
        assert_eq!(loaded, detector, "{}", method.name());
        assert_eq!(loaded.judge(&table), detector.judge(&table), "{}", method.name());
    }
}

#[test]
fn another_width_is_an_error() {
    for method in Method::all() {
        let detector = train(&method, 1);
        let narrow = Matrix::new(1, vec![0.0]).unwrap();
        assert!(matches!(detector.model().scores(&narrow), Err(Error::Shape { found: 1, .. })), "{}", method.name());
    }
}

#[test]
fn empty_tables_are_an_error_in_training_and_nothing_in_judging() {
    let empty = dataset().select(&[]);
    for method in Method::all() {
        let plan = Plan { method: method.clone(), ..Plan::default() };
        assert!(matches!(Detector::train(&empty, &plan), Err(Error::Empty(_))), "{}", method.name());
        assert_eq!(train(&method, 1).judge(empty.table()), Ok(vec![]), "{}", method.name());
    }
}

#[test]
fn a_table_of_nothing_but_missing_values_does_not_panic() {
    let rows = 30;
    let labels: Vec<Label> = (0..rows).map(|row| Label::new(if row % 3 == 0 { "1" } else { "0" })).collect();
    let missing = Category { codes: vec![Category::MISSING; rows], vocabulary: vec![] };
    let columns = vec![
        Column::numbers("bytes", vec![f32::NAN; rows]),
        Column { name: "protocol".into(), values: Values::Categories(missing) },
    ];
    let dataset = Dataset::labelled(Table::new(columns).unwrap(), &labels).unwrap();
    for method in Method::all() {
        let plan = Plan { method: method.clone(), ..Plan::default() };
        let detector = Detector::train(&dataset, &plan).unwrap();
        assert_eq!(detector.judge(dataset.table()).unwrap().len(), rows, "{}", method.name());
        assert!(Detector::from_bytes(&detector.to_bytes().unwrap()).is_ok(), "{}", method.name());
    }
}

#[test]
fn one_sided_or_missing_labels_are_an_error_for_those_that_need_them() {
    let (table, _) = table();
    let benign = vec![Label::new("normal"); table.rows()];
    let one_sided = Dataset::labelled(table.clone(), &benign).unwrap();
    for method in Method::all().into_iter().filter(Method::is_supervised) {
        let plan = Plan { method: method.clone(), ..Plan::default() };
        assert_eq!(Detector::train(&one_sided, &plan), Err(Error::OneClass("benign")));
        assert_eq!(Detector::train(&Dataset::unlabelled(table.clone()), &plan), Err(Error::Unlabelled(method.name())));
    }
}

#[test]
fn other_columns_are_refused_by_name() {
    let (mut table, _) = table();
    table.take("packets").unwrap();
    for method in Method::all() {
        let refusal = train(&method, 1).judge(&table).unwrap_err().to_string();
        assert!(refusal.contains("missing `packets`"), "{refusal}");
    }
}

#[test]
fn probabilities_sum_to_1_and_agree_with_the_score() {
    let (table, _) = table();
    for method in Method::all() {
        let detector = train(&method, 1);
        let Some(probabilities) = detector.probabilities(&table).unwrap() else {
            // A vote of a classifier and an anomaly model tells no classes apart.
            assert!(!method.is_supervised() || method.is_ensemble(), "{}", method.name());
            assert!(detector.model().classes().is_empty(), "{}", method.name());
            continue;
        };
        assert_eq!(detector.model().classes(), ["benign", "attack"], "{}", method.name());
        for (row, score) in scores(&detector, &table).into_iter().enumerate() {
            let row = probabilities.row(row);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{} {row:?}", method.name());
            assert!((1.0 - row[0] - score).abs() < 1e-6, "{} {row:?} {score}", method.name());
        }
    }
}

#[test]
fn a_missing_value_is_refused_by_those_that_take_none() {
    let matrix = Matrix::with_missing(1, vec![0.0, f32::NAN, 1.0]).unwrap();
    let truth = Classes::binary(&[false, false, true]);
    for method in Method::all().into_iter().filter(|method| method.recipe().missing != Missing::Keep) {
        let refusal = method.fit(&matrix, Some(&truth), 1).unwrap_err();
        assert_eq!(refusal, Error::NotFinite { row: 1, column: 0 }, "{}", method.name());
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    for wrong in [
        r#"{"isolation-forest": {"trees": 0}}"#,
        r#"{"isolation-forest": {"sample": 1}}"#,
        r#"{"random-forest": {"trees": 1000000000}}"#,
        r#"{"decision-tree": {"min-leaf": 0}}"#,
        r#"{"logistic-regression": {"l2": -1.0}}"#,
        r#"{"mahalanobis": {"support": 0.2}}"#,
        r#"{"principal-components": {"variance": 1.5}}"#,
        r#"{"neighbour-distance": {"rows": 100000000}}"#,
        r#"{"nearest-neighbours": {"neighbours": 0}}"#,
        r#"{"histogram-score": {"bins": 0}}"#,
        r#"{"one-rule": {"least": 0}}"#,
        r#"{"voting": {"parts": []}}"#,
        r#"{"voting": {"weights": [1.0]}}"#,
        r#"{"stacking": {"last": {"isolation-forest": {}}}}"#,
        r#"{"half-space-trees": {"height": 40}}"#,
        r#"{"random-cut-forest": {"sample": 1}}"#,
        r#"{"online-logistic": {"alpha": 0.0}}"#,
    ] {
        let method: Method = serde_json::from_str(wrong).unwrap();
        let (table, labels) = table();
        let dataset = Dataset::labelled(table, &labels).unwrap();
        let truth = Classes::of(&dataset, Grouping::Binary);
        let encoder = Encoder::fit(dataset.table(), dataset.attacks(), method.recipe()).unwrap();
        let matrix = encoder.encode(dataset.table()).unwrap();
        assert!(matches!(method.fit(&matrix, truth.as_ref(), 1), Err(Error::Setting { .. })), "{wrong}");
    }
}

#[test]
fn a_calibrated_detector_is_saved_with_its_calibration_and_ranks_as_before() {
    let table = table().0;
    let plan = |calibration| Plan { method: Method::all()[0].clone(), calibration, ..Plan::default() };
    let plain = scores(&Detector::train(&dataset(), &plan(None)).unwrap(), &table);
    let calibrated = Detector::train(&dataset(), &plan(Some(Calibration::Beta))).unwrap();
    let told = scores(&calibrated, &table);
    let mut order: Vec<usize> = (0..plain.len()).collect();
    order.sort_by(|&one, &other| plain[one].total_cmp(&plain[other]));
    assert!(order.is_sorted_by(|&one, &next| told[one] <= told[next]));
    assert_ne!(told, plain);
    let loaded = Detector::from_bytes(&calibrated.to_bytes().unwrap()).unwrap();
    assert_eq!((scores(&loaded, &table), loaded), (told, calibrated));
}
