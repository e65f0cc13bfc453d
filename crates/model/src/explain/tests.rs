use flow::{Category, Column, Label, Table, Values};

use super::*;
use crate::{Dataset, Grouping, Method, Plan};

/// Rows of numbers, of which some are missing, and a column of names; three kinds of row.
fn dataset() -> Dataset {
    let wave = |row: usize, step: f32| (row as f32 * step).sin();
    let bytes = |row: usize| if row % 4 == 1 { 6.0 } else { 0.0 } + wave(row, 0.7);
    let number = |of: &dyn Fn(usize) -> f32| (0..400).map(of).collect::<Vec<f32>>();
    let codes = (0..400).map(|row| if row % 4 == 2 { 2 } else { (row % 3 == 0) as u32 }).collect();
    let vocabulary = ["tcp", "udp", "icmp"].map(String::from).to_vec();
    let table = Table::new(vec![
        Column::numbers("bytes", number(&|row| if row % 17 == 0 { f32::NAN } else { bytes(row) })),
        Column { name: "protocol".into(), values: Values::Categories(Category { codes, vocabulary }) },
        Column::numbers("packets", number(&|row| wave(row, 1.9) + if row % 4 == 2 { 1.0 } else { 0.0 })),
        Column::numbers("constant", vec![5.0; 400]),
    ]);
    let kinds = ["normal", "neptune", "smurf", "normal"];
    let labels: Vec<Label> = (0..400).map(|row| Label::new(kinds[row % 4])).collect();
    Dataset::labelled(table.unwrap(), &labels).unwrap()
}

fn train(method: Method, grouping: Grouping) -> Detector {
    let parts: Vec<Method> = [r#"{"naive-bayes": {}}"#, r#"{"decision-tree": {}}"#].map(parse).to_vec();
    let method = match method {
        Method::Voting(voting) => Method::Voting(crate::ensemble::Voting { parts, ..voting }),
        Method::Stacking(stacking) => Method::Stacking(crate::ensemble::Stacking { parts, ..stacking }),
        method => method,
    };
    Detector::train(&dataset(), &Plan { method, grouping, ..Plan::default() }).unwrap()
}

fn parse(settings: &str) -> Method {
    serde_json::from_str(settings).unwrap()
}

/// What a quantity makes of a score, by the definition of the model; `None` where that is told by the model's own tests.
fn score(explanation: &Explanation, model: &Model) -> Option<f64> {
    let total = explanation.total;
    match &explanation.quantity {
        Quantity::LogOdds(None) => Some(1.0 / (1.0 + (-total).exp())),
        Quantity::Share | Quantity::Score => Some(total),
        Quantity::Cuts => {
            let Model::IsolationForest(forest) = model else { panic!() };
            Some((total / crate::estimator::average_path(f64::from(forest.sample()))).exp2())
        }
        _ => None,
    }
}

#[test]
fn base_and_contributions_of_every_method_sum_up_to_what_is_scored() {
    let dataset = dataset();
    let background = dataset.select(&dataset.benign_rows()[..20]);
    for method in Method::all() {
        for grouping in [Grouping::Binary, Grouping::Kinds] {
            let detector = train(method.clone(), grouping);
            let settings = Explaining::default();
            let some = dataset.table().select(&(0..24).collect::<Vec<_>>());
            let explained = detector.explain(&some, &settings, Some(background.table())).unwrap();
            let name = method.name();
            for explanation in &explained {
                let sum = explanation.base + explanation.contributions.iter().sum::<f64>();
                assert!((sum - explanation.total).abs() < 1e-9 && sum.is_finite(), "{name} {explanation:?}");
                assert_eq!(explanation.contributions[3], 0.0, "{name}: a column that is the same in all rows");
                if let Some(score) = score(explanation, detector.model()) {
                    assert!((score - f64::from(explanation.score)).abs() < 1e-5, "{name} {score} {explanation:?}");
                }
            }
        }
    }
}

#[test]
fn log_odds_of_a_kind_are_those_of_its_probability_against_benign() {
    let dataset = dataset();
    for settings in
        [r#"{"gradient-boosting": {"trees": 20}}"#, r#"{"logistic-regression": {}}"#, r#"{"naive-bayes": {}}"#]
    {
        let detector = train(parse(settings), Grouping::Kinds);
        let explained = detector.explain(dataset.table(), &Explaining::default(), None).unwrap();
        let probabilities = detector.probabilities(dataset.table()).unwrap().unwrap();
        let mut met = 0;
        for (row, explanation) in explained.iter().enumerate() {
            let Quantity::LogOdds(Some(class)) = &explanation.quantity else { panic!("{explanation:?}") };
            let class = detector.model().classes().iter().position(|name| name == class).unwrap();
            let of = probabilities.row(row);
            // Beyond that a probability is rounded.
            if of[0] > 1e-4 && of[class] > 1e-4 {
                let expected = f64::from(of[class] / of[0]).ln();
                assert!((explanation.total - expected).abs() < 1e-3, "{settings} {} {expected}", explanation.total);
                met += 1;
            }
        }
        assert!(met > 10, "{settings} {met}");
    }
}

#[test]
fn squared_distances_are_shared_out_without_rest() {
    let dataset = dataset();
    for settings in [r#"{"mahalanobis": {}}"#, r#"{"principal-components": {"components": 2}}"#] {
        let detector = train(parse(settings), Grouping::Binary);
        let matrix = detector.encoder().encode(dataset.table()).unwrap();
        let squares = match detector.model() {
            Model::Mahalanobis(distance) => distance.squares(&matrix),
            Model::PrincipalComponents(plane) => plane.residuals(&matrix),
            other => panic!("{other:?}"),
        };
        let explained = detector.explain(dataset.table(), &Explaining::default(), None).unwrap();
        for (explanation, square) in explained.iter().zip(squares) {
            assert!((explanation.total - square).abs() < 1e-7 * (1.0 + square), "{settings} {explanation:?} {square}");
        }
    }
}

#[test]
fn drawn_orders_near_the_exact_values_and_lime_finds_the_column_that_decides() {
    let dataset = dataset();
    let background = dataset.select(&dataset.benign_rows()[..40]);
    let detector = train(parse(r#"{"random-forest": {"trees": 20}}"#), Grouping::Binary);
    let some = dataset.table().select(&[1, 5, 9]);
    let ask = |asked, draws| {
        let explaining = Explaining { asked, draws, seed: 3 };
        detector.explain(&some, &explaining, Some(background.table())).unwrap()
    };
    let exact = ask(Asked::Interventional, 0);
    for (drawn, exact) in ask(Asked::Permutation, 400).iter().zip(&exact) {
        assert!((drawn.total - exact.total).abs() < 1e-5);
        for (one, other) in drawn.contributions.iter().zip(&exact.contributions) {
            assert!((one - other).abs() < 0.02, "{drawn:?} {exact:?}");
        }
    }
    for (near, exact) in ask(Asked::Lime, 0).iter().zip(&exact) {
        assert_eq!((near.ranked()[0], exact.ranked()[0]), (0, 0));
        assert!(near.fidelity.is_some_and(|fidelity| fidelity > 0.7), "{near:?}");
    }
    assert_eq!(ask(Asked::Lime, 50), ask(Asked::Lime, 50));
    let other = Explaining { asked: Asked::Lime, draws: 50, seed: 4 };
    assert_ne!(detector.explain(&some, &other, Some(background.table())).unwrap(), ask(Asked::Lime, 50));
}

#[test]
fn what_needs_others_to_compare_with_says_so() {
    let dataset = dataset();
    let detector = train(parse(r#"{"nearest-neighbours": {}}"#), Grouping::Binary);
    let explained = |asked| detector.explain(dataset.table(), &Explaining { asked, ..Explaining::default() }, None);
    for asked in [Asked::Best, Asked::Permutation, Asked::Lime] {
        assert!(matches!(explained(asked), Err(Error::Background(_))), "{asked:?}");
    }
    assert!(matches!(explained(Asked::Interventional), Err(Error::Unexplained { .. })));
}

#[test]
fn a_path_tells_in_words_what_the_row_fulfils() {
    let detector = train(parse(r#"{"decision-tree": {}}"#), Grouping::Binary);
    let dataset = dataset();
    // Row 1 is neptune: many bytes. Row 2 is smurf: icmp.
    let path = detector.path(dataset.table(), 2).unwrap().unwrap();
    let protocol = path.conditions.iter().find(|condition| condition.column == "protocol").unwrap();
    assert_eq!(protocol.side, Side::Among(vec!["icmp".into()]));
    assert!(path.words().contains("`protocol` is `icmp`") && path.worth > 0.9, "{}", path.words());
    let path = detector.path(dataset.table(), 1).unwrap().unwrap();
    let above = |condition: &Condition| {
        condition.column == "bytes" && matches!(condition.side, Side::Above(least) if (1.0..5.0).contains(&least))
    };
    assert!(path.conditions.iter().any(above), "{}", path.words());
    assert_eq!((path.tree, path.trees, path.steps.len() >= path.conditions.len()), (1, 1, true));
    let rule = rule(&detector, &path).unwrap();
    assert!(rule.contains("\"bytes|gt\": ") && rule.contains("category: network_anomaly"), "{rule}");
    let neighbours = train(parse(r#"{"nearest-neighbours": {}}"#), Grouping::Binary);
    assert_eq!(neighbours.path(dataset.table(), 1).unwrap(), None);
}

#[test]
fn a_counterfactual_changes_what_made_the_row_alarm_and_no_more() {
    let dataset = dataset();
    let normal = dataset.select(&dataset.benign_rows());
    for settings in [
        r#"{"random-forest": {"trees": 20}}"#,
        r#"{"logistic-regression": {}}"#,
        r#"{"gradient-boosting": {"trees": 20}}"#,
    ] {
        let detector = train(parse(settings), Grouping::Binary);
        let explained = detector.explain(dataset.table(), &Explaining::default(), None).unwrap();
        let mut found = 0;
        for row in (1..100).step_by(4).filter(|row| explained[*row].alarm) {
            let told = detector.counterfactual(dataset.table(), row, &explained[row], normal.table()).unwrap();
            let Some(told) = told else { continue };
            assert!(told.score < detector.threshold() && told.words().starts_with("no alert if `"), "{}", told.words());
            found += usize::from(told.changes.iter().any(|change| change.column == "bytes"));
        }
        assert!(found > 10, "{settings} {found}");
        let quiet = (0..400).find(|row| !explained[*row].alarm).unwrap();
        assert_eq!(detector.counterfactual(dataset.table(), quiet, &explained[quiet], normal.table()).unwrap(), None);
    }
}

/// Sets every cover to 0.
fn empty(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if key == "cover" { *value = 0.0.into() } else { empty(value) }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(empty),
        _ => {}
    }
}

#[test]
fn a_tree_whose_nodes_no_row_reached_is_explained_without_nan() {
    let detector = train(parse(r#"{"random-forest": {"trees": 3}}"#), Grouping::Binary);
    let mut value = serde_json::to_value(detector.model()).unwrap();
    empty(&mut value);
    let model: Model = serde_json::from_value(value).unwrap();
    let threshold = detector.threshold();
    let detector = detector.with_model(model, None, threshold);
    let dataset = dataset();
    for (row, explanation) in
        detector.explain(dataset.table(), &Explaining::default(), None).unwrap().iter().enumerate()
    {
        assert!((explanation.total - f64::from(explanation.score)).abs() < 1e-6, "{explanation:?}");
        assert!(detector.path(dataset.table(), row).unwrap().unwrap().words().is_ascii());
    }
}
