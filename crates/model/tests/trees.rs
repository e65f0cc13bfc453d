//! What trees, forests and boosting must hold to beyond the common checks.

use model::{Classes, Feature, Matrix, Method, Missing, Model};

fn method(settings: &str) -> Method {
    serde_json::from_str(settings).unwrap()
}

/// The estimators made of trees that learn from labels.
fn supervised() -> Vec<Method> {
    let trees = |method: &Method| method.is_supervised() && method.recipe().missing == Missing::Keep;
    let mut methods: Vec<Method> = Method::all().into_iter().filter(trees).collect();
    methods.push(method(r#"{"gradient-boosting": {"growth": "depth-wise", "max-depth": 4, "trees": 50}}"#));
    methods.push(method(r#"{"gradient-boosting": {"subsample": 0.7, "colsample-bytree": 0.7, "reg-alpha": 0.1}}"#));
    methods.push(method(r#"{"random-forest": {"criterion": "entropy"}}"#));
    methods
}

/// Rows of three values; the class hangs on the first two, the third is noise.
fn rows(count: usize, class: impl Fn(f32, f32) -> u32) -> (Matrix, Vec<u32>) {
    let value = |row: usize, prime: usize| ((row * prime) % 1009) as f32 / 1009.0;
    let values: Vec<[f32; 3]> = (0..count).map(|row| [value(row, 7), value(row, 331), value(row, 577)]).collect();
    let codes = values.iter().map(|row| class(row[0], row[1])).collect();
    (Matrix::new(3, values.concat()).unwrap(), codes)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn right(model: &Model, matrix: &Matrix, codes: &[u32]) -> f64 {
    let likeliest = model.probabilities(matrix).unwrap().unwrap().likeliest();
    likeliest.iter().zip(codes).filter(|(said, is)| said == is).count() as f64 / codes.len() as f64
}

#[test]
fn four_classes_are_told_apart_and_their_probabilities_sum_to_1() {
    let (matrix, codes) = rows(2000, |x, y| u32::from(x > 0.5) * 2 + u32::from(y > 0.3));
    let truth = Classes::new(codes.clone(), names(4)).unwrap();
    for method in supervised() {
        let model = method.fit(&matrix, Some(&truth), 1).unwrap();
        assert!(right(&model, &matrix, &codes) > 0.98, "{method:?} {}", right(&model, &matrix, &codes));
        assert_eq!(model.classes(), names(4));
        let probabilities = model.probabilities(&matrix).unwrap().unwrap();
        for (row, score) in model.scores(&matrix).unwrap().into_iter().enumerate() {
            let row = probabilities.row(row);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4 && (1.0 - row[0] - score).abs() < 1e-5, "{method:?}");
        }
    }
}

#[test]
fn a_class_without_a_row_is_never_the_likeliest() {
    let (matrix, codes) = rows(500, |x, _| if x > 0.5 { 2 } else { 0 });
    let truth = Classes::new(codes.clone(), names(4)).unwrap();
    for method in supervised() {
        assert!(right(&method.fit(&matrix, Some(&truth), 1).unwrap(), &matrix, &codes) > 0.98, "{method:?}");
    }
}

#[test]
fn missing_values_are_learned_from() {
    let (matrix, codes) = rows(1000, |x, _| u32::from(x > 0.6));
    let hide = |(at, &value): (usize, &f32)| if at % 3 == 0 && value > 0.6 { f32::NAN } else { value };
    let matrix = Matrix::with_missing(3, matrix.values().iter().enumerate().map(hide).collect()).unwrap();
    let truth = Classes::new(codes.clone(), names(2)).unwrap();
    for method in supervised() {
        let model = method.fit(&matrix, Some(&truth), 1).unwrap();
        assert!(right(&model, &matrix, &codes) > 0.99, "{method:?}");
    }
}

#[test]
fn codes_of_names_are_split_as_sets_whatever_their_order() {
    let codes: Vec<u32> = (0..1200).map(|row| (row * 7) % 40).collect();
    let attack: Vec<bool> = codes.iter().map(|code| [3, 11, 17, 22, 38].contains(code)).collect();
    let feature = Feature { name: "service".into(), is_code: true };
    let matrix = Matrix::new(1, codes.iter().map(|&code| code as f32).collect()).unwrap();
    let matrix = matrix.with_features(vec![feature]).unwrap();
    for settings in [
        r#"{"decision-tree": {"max-depth": 1}}"#,
        r#"{"gradient-boosting": {"num-leaves": 2, "trees": 30, "cat-smooth": 1.0}}"#,
    ] {
        let model = method(settings).fit(&matrix, Some(&Classes::binary(&attack)), 1).unwrap();
        for (score, attack) in model.scores(&matrix).unwrap().into_iter().zip(&attack) {
            assert_eq!(score > 0.5, *attack, "{settings}");
        }
        // A name that training did not see goes with the many.
        assert!(model.scores(&Matrix::new(1, vec![77.0]).unwrap()).unwrap()[0] < 0.5, "{settings}");
    }
}

#[test]
fn a_monotone_column_never_lowers_the_score() {
    // More is worse on the whole, and better in two places.
    let (matrix, codes) = rows(2000, |x, y| u32::from(x > 0.5 && !(0.7..0.8).contains(&x) || x < 0.1 || y > 0.97));
    let features = ["bytes", "packets", "noise"].map(|name| Feature { name: name.into(), is_code: false }).to_vec();
    let matrix = matrix.with_features(features).unwrap();
    let truth = Classes::new(codes, names(2)).unwrap();
    let fit = |settings| method(settings).fit(&matrix, Some(&truth), 1);
    let falls = |model: &Model| {
        let line = (0..200).flat_map(|step| [step as f32 / 200.0, 0.5, 0.5]).collect();
        !model.scores(&Matrix::new(3, line).unwrap()).unwrap().is_sorted()
    };
    assert!(falls(&fit(r#"{"gradient-boosting": {}}"#).unwrap()));
    assert!(!falls(&fit(r#"{"gradient-boosting": {"monotone-constraints": {"bytes": 1}}}"#).unwrap()));
    assert!(fit(r#"{"gradient-boosting": {"monotone-constraints": {"ports": 1}}}"#).is_err());
}

#[test]
fn early_stopping_ends_where_held_back_rows_gain_nothing_more() {
    let (matrix, codes) = rows(3000, |x, _| u32::from(x > 0.5));
    // A third of the labels are noise.
    let noise = |row: usize| u32::from((row.wrapping_mul(2_654_435_761) >> 9).is_multiple_of(3));
    let codes = codes.into_iter().enumerate().map(|(row, code)| code ^ noise(row)).collect();
    let truth = Classes::new(codes, names(2)).unwrap();
    let trees = |settings| match method(settings).fit(&matrix, Some(&truth), 1).unwrap() {
        Model::GradientBoosting(boosted) => boosted.trees().len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(trees(r#"{"gradient-boosting": {"trees": 150}}"#), 150);
    let stopped = trees(r#"{"gradient-boosting": {"trees": 150, "early-stopping-rounds": 10}}"#);
    assert!((2..100).contains(&stopped), "{stopped}");
}

#[test]
fn importances_point_at_the_column_that_matters() {
    let (matrix, codes) = rows(1000, |_, y| u32::from(y > 0.4));
    let truth = Classes::new(codes, names(2)).unwrap();
    for method in supervised() {
        let importances = match method.fit(&matrix, Some(&truth), 1).unwrap() {
            Model::GradientBoosting(boosted) => boosted.importances(),
            Model::DecisionTree(forest) | Model::RandomForest(forest) | Model::ExtraTrees(forest) => {
                forest.importances()
            }
            other => panic!("{other:?}"),
        };
        assert!(importances[1] > 0.5 && (importances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{method:?}");
    }
}

#[test]
fn the_out_of_bag_estimate_is_near_the_error_on_other_rows() {
    let noisy = |x: f32, y: f32| u32::from((x > 0.5) != ((x * 7919.0 + y * 104_729.0).fract() < 0.2));
    let (matrix, codes) = rows(1000, noisy);
    let truth = Classes::new(codes, names(2)).unwrap();
    let settings = method(r#"{"random-forest": {"oob-score": true, "min-samples-leaf": 20}}"#);
    let Model::RandomForest(forest) = settings.fit(&matrix, Some(&truth), 1).unwrap() else { panic!() };
    let out_of_bag = forest.out_of_bag().unwrap();
    assert!(out_of_bag.rows > 990 && (out_of_bag.accuracy - 0.8).abs() < 0.05, "{out_of_bag:?}");
}

#[test]
fn pruning_leaves_the_splits_that_pay() {
    let (matrix, codes) = rows(1000, |x, _| u32::from(x > 0.5));
    // One label in fifty is wrong.
    let codes = codes.into_iter().enumerate().map(|(row, code)| code ^ u32::from(row % 50 == 0)).collect();
    let truth = Classes::new(codes, names(2)).unwrap();
    let leaves = |settings| match method(settings).fit(&matrix, Some(&truth), 1).unwrap() {
        Model::DecisionTree(forest) => forest.trees()[0].leaves(),
        other => panic!("{other:?}"),
    };
    assert!(leaves(r#"{"decision-tree": {"min-samples-leaf": 1}}"#) > 10);
    assert_eq!(leaves(r#"{"decision-tree": {"min-samples-leaf": 1, "ccp-alpha": 0.01}}"#), 2);
}

#[test]
fn a_decision_tree_shows_the_way_of_a_row() {
    let (matrix, codes) = rows(1000, |x, y| u32::from(x > 0.5 && y > 0.5));
    let truth = Classes::new(codes, names(2)).unwrap();
    let model = method(r#"{"decision-tree": {}}"#).fit(&matrix, Some(&truth), 1).unwrap();
    let Model::DecisionTree(forest) = model else { panic!() };
    let steps = forest.trees()[0].path(&[0.9, 0.9, 0.0]);
    let features: Vec<u16> = steps.iter().map(|step| forest.trees()[0].nodes()[step.node].feature).collect();
    assert!(features.contains(&0) && features.contains(&1) && steps.iter().all(|step| !step.left), "{steps:?}");
}

/// Twelve rows to learn from, and five to be asked about.
fn dozen() -> (Matrix, Matrix) {
    let values = [1, 7, 2, 3, 3, 8, 4, 1, 5, 6, 6, 2, 7, 9, 8, 4, 9, 5, 10, 0, 11, 7, 12, 3].map(|value| value as f32);
    let asked = vec![2.4, 5.0, 4.2, 1.0, 6.6, 3.0, 8.4, 8.0, 11.6, 2.0];
    (Matrix::new(2, values.to_vec()).unwrap(), Matrix::new(2, asked).unwrap())
}

/// scikit-learn 1.9, `DecisionTreeClassifier`: leaves and probabilities, the same for every `random_state`.
#[test]
fn small_trees_agree_with_scikit_learn() {
    let (matrix, asked) = dozen();
    let truth = Classes::new(vec![0, 0, 0, 1, 0, 1, 1, 0, 2, 2, 2, 1], names(3)).unwrap();
    let whole = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let pruned = [whole[0], whole[1], whole[2], whole[3], [0.0, 0.25, 0.75]];
    let balanced = [[0.8, 0.2, 0.0], whole[1], [0.8, 0.2, 0.0], [0.8, 0.2, 0.0], [0.0, 1.0, 0.0]];
    let mixed = [0.4, 0.6, 0.0];
    let broad = [whole[0], mixed, mixed, mixed, [0.0, 0.25, 0.75]];
    for (settings, leaves, expected) in [
        (r#""ccp-alpha": 0.1"#, 5, whole),
        (r#""criterion": "entropy", "ccp-alpha": 0.2"#, 5, whole),
        (r#""criterion": "entropy", "ccp-alpha": 0.3"#, 4, pruned),
        (r#""max-depth": 2, "class-weight": "balanced""#, 4, balanced),
        (r#""criterion": "entropy", "min-samples-leaf": 3"#, 3, broad),
    ] {
        let least = if settings.contains("leaf") { "" } else { r#", "min-samples-leaf": 1"# };
        let model = method(&format!(r#"{{"decision-tree": {{{settings}{least}}}}}"#));
        let model = model.fit(&matrix, Some(&truth), 1).unwrap();
        let probabilities = model.probabilities(&asked).unwrap().unwrap();
        let Model::DecisionTree(forest) = &model else { panic!("{model:?}") };
        assert_eq!(forest.trees()[0].leaves(), leaves, "{settings}");
        for (found, expected) in probabilities.values().iter().zip(expected.as_flattened()) {
            assert!((found - expected).abs() < 1e-6, "{settings} {probabilities:?}");
        }
    }
}

/// scikit-learn 1.9, `HistGradientBoostingClassifier(early_stopping=False)`.
#[test]
fn boosting_of_two_classes_agrees_with_scikit_learn() {
    let (matrix, codes) = rows(240, |x, y| u32::from((x * 1.5 + y > 1.2) != ((x * 37.0) % 1.0 < 0.15)));
    let truth = Classes::new(codes, names(2)).unwrap();
    let asked = Matrix::new(3, vec![0.2, 0.5, 0.5, 0.5, 0.9, 0.1, 0.8, 0.2, 0.9, 0.6, 0.35, 0.4]).unwrap();
    for (settings, expected) in [
        (r#""max-iter": 4, "max-leaf-nodes": 4"#, [0.361329, 0.593154, 0.513377, 0.466758]),
        (
            r#""max-iter": 6, "max-leaf-nodes": 3, "min-samples-leaf": 5, "l2-regularization": 1.5, "learning-rate": 0.3"#,
            [0.231573, 0.762522, 0.502584, 0.486667],
        ),
    ] {
        let model = method(&format!(r#"{{"gradient-boosting": {{{settings}, "colsample-bytree": 1.0}}}}"#));
        let scores = model.fit(&matrix, Some(&truth), 1).unwrap().scores(&asked).unwrap();
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-5, "{settings} {scores:?}");
        }
    }
}
