use flow::{Category, Column, Label, Table, Values};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::estimator::{IsolationForest, LogisticRegression, RandomForest};
use crate::evaluation::{Figures, split};
use crate::{Detector, Recipe};

/// So many rows: `bytes` and `service` each tell something of an attack, `constant` never changes, and the others are
/// noise.
fn dataset(rows: usize, noise: usize) -> Dataset {
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let attacks: Vec<bool> = (0..rows).map(|row| row % 3 == 0).collect();
    let bytes = attacks.iter().map(|&attack| random.random::<f32>() + if attack { 0.7 } else { 0.0 }).collect();
    let service = attacks.iter().map(|&attack| random.random_range(0..3) + if attack { 1 } else { 0 }).collect();
    let service = Category { codes: service, vocabulary: ["dns", "http", "smb", "ssh"].map(String::from).to_vec() };
    let mut columns = vec![
        Column::numbers("constant", vec![4.0; rows]),
        Column::numbers("bytes", bytes),
        Column { name: "service".into(), values: Values::Categories(service) },
    ];
    for column in 0..noise {
        columns.push(Column::numbers(format!("noise {column}"), (0..rows).map(|_| random.random()).collect()));
    }
    let labels: Vec<Label> = attacks.iter().map(|&attack| Label::new(if attack { "scan" } else { "normal" })).collect();
    Dataset::labelled(Table::new(columns).unwrap(), &labels).unwrap()
}

fn forest() -> Method {
    Method::RandomForest(RandomForest { trees: 30, min_samples_leaf: 20, ..RandomForest::default() })
}

fn plan(method: Method, selection: Selection) -> Plan {
    Plan { method, selections: vec![selection], ..Plan::default() }
}

fn kept(dataset: &Dataset, plan: &Plan) -> Vec<String> {
    let (left, _) = select(dataset, plan).unwrap();
    left.table().columns().iter().map(|column| column.name.clone()).collect()
}

#[test]
fn a_column_that_never_changes_goes_by_its_variance_and_one_that_is_sometimes_missing_stays() {
    let numbers = |name, values: [f32; 4]| Column::numbers(name, values.to_vec());
    let columns = vec![
        numbers("same", [2.0; 4]),
        numbers("other", [1.0, 2.0, 3.0, 4.0]),
        numbers("gap", [1.0, 1.0, f32::NAN, 1.0]),
    ];
    let dataset = Dataset::unlabelled(Table::new(columns).unwrap());
    let (left, selected) = select(&dataset, &plan(forest(), Selection::Variance(0.0))).unwrap();
    assert_eq!(left.table().columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["other", "gap"]);
    // The variance of 1, 2, 3, 4 is 5/3; one value of four is missing.
    assert!((selected[0].columns[0].score - 5.0 / 3.0).abs() < 1e-6, "{selected:?}");
    assert!((selected[0].columns[1].score - 3.0 / 16.0).abs() < 1e-6, "{selected:?}");
    assert_eq!(selected[0].left_out().collect::<Vec<_>>(), ["same"]);
    assert_eq!(
        select(&dataset, &plan(forest(), Selection::Variance(9.0))),
        Err(Error::Empty("columns that the selection keeps"))
    );
}

#[test]
fn noise_goes_and_what_tells_something_stays_in_every_way_that_looks_at_labels() {
    let dataset = dataset(1200, 6);
    let ways = [
        Selection::MutualInformation(Keep::Useful),
        Selection::MutualInformation(Keep::Count(2)),
        Selection::Permutation { keep: Keep::Count(2), method: None },
        Selection::Permutation {
            keep: Keep::Count(2),
            method: Some(Method::LogisticRegression(LogisticRegression::default())),
        },
        Selection::Recursive { keep: Keep::Share(0.2), method: None },
        Selection::Recursive { keep: Keep::Useful, method: None },
    ];
    for way in ways {
        assert_eq!(kept(&dataset, &plan(forest(), way.clone())), ["bytes", "service"], "{way}");
    }
}

#[test]
fn methods_without_importances_and_those_that_need_no_labels_are_asked_by_shuffling() {
    let dataset = dataset(900, 4);
    for method in
        [Method::IsolationForest(IsolationForest::default()), Method::LogisticRegression(LogisticRegression::default())]
    {
        let names = kept(&dataset, &plan(method.clone(), Selection::Recursive { keep: Keep::Count(2), method: None }));
        assert!(names.contains(&"bytes".to_owned()), "{} {names:?}", method.name());
    }
}

#[test]
fn a_selection_never_sees_the_test_rows() {
    // 80 rows of 1,000 columns of noise: some go with the label by luck, and chosen on all rows they seem to tell it.
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let mut attacks: Vec<bool> = (0..80).map(|row| row % 2 == 0).collect();
    attacks.shuffle(&mut random);
    let mut noise = || (0..80).map(|_| f32::from(u8::from(random.random::<bool>()))).collect();
    let columns = (0..1000).map(|name| Column::numbers(name.to_string(), noise()));
    let labels: Vec<Label> = attacks.iter().map(|&attack| Label::new(if attack { "scan" } else { "normal" })).collect();
    let noise = Dataset::labelled(Table::new(columns.collect()).unwrap(), &labels).unwrap();
    let plan =
        plan(Method::LogisticRegression(LogisticRegression::default()), Selection::MutualInformation(Keep::Count(10)));
    let area = |dataset: &Dataset, plan: &Plan| {
        let folds = split::folds(dataset, 5, 1).unwrap();
        let fold = |fold: &split::Split| {
            let detector = Detector::train(&dataset.select(&fold.train), plan).unwrap();
            let test = dataset.select(&fold.test);
            Figures::of(&detector.judge(test.table()).unwrap(), &test, &[]).unwrap().roc_auc.unwrap()
        };
        folds.iter().map(fold).sum::<f64>() / 5.0
    };
    let (chosen, _) = select(&noise, &plan).unwrap();
    let careless = area(&chosen, &Plan { selections: Vec::new(), ..plan.clone() });
    let honest = area(&noise, &plan);
    assert!(careless > 0.8 && (honest - 0.5).abs() < 0.2, "{careless} {honest}");
}

#[test]
fn every_method_judges_with_the_columns_that_were_kept_and_needs_no_other() {
    let dataset = dataset(150, 2);
    let few = dataset.of_columns(&[1, 2]);
    for method in Method::all() {
        let plan = plan(method.clone(), Selection::MutualInformation(Keep::Count(2)));
        let detector = Detector::train(&dataset, &plan).unwrap();
        let names: Vec<&str> = detector.schema().fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["bytes", "service"], "{}", method.name());
        let verdicts = detector.judge(few.table()).unwrap();
        assert_eq!(verdicts, detector.judge(dataset.table()).unwrap(), "{}", method.name());
        let saved = Detector::from_bytes(&detector.to_bytes().unwrap()).unwrap();
        assert_eq!(saved, detector, "{}", method.name());
        assert_eq!(saved.supplement.selected[0].kept().count(), 2);
    }
}

#[test]
fn selections_follow_each_other_and_the_same_seed_chooses_the_same() {
    let dataset = dataset(300, 3);
    let both =
        vec![Selection::Variance(0.0), Selection::Permutation { keep: Keep::Share(0.5), method: Some(forest()) }];
    let plan = Plan { selections: both, recipe: Some(Recipe::default()), ..Plan::default() };
    let (left, selected) = select(&dataset, &plan).unwrap();
    assert_eq!((selected[0].columns.len(), selected[1].columns.len(), left.table().columns().len()), (6, 5, 3));
    assert_eq!(select(&dataset, &plan).unwrap().1, selected);
    assert_eq!(selected[1].words(), "permutation=50%:random-forest keeps 3 of 5 columns");
}

#[test]
fn a_selection_that_cannot_be_made_says_why() {
    let unlabelled = Dataset::unlabelled(dataset(30, 0).table().clone());
    for way in [
        Selection::MutualInformation(Keep::Useful),
        Selection::Permutation { keep: Keep::Useful, method: None },
        Selection::Recursive { keep: Keep::Useful, method: None },
    ] {
        let refused = select(&unlabelled, &plan(Method::IsolationForest(IsolationForest::default()), way));
        assert!(matches!(refused, Err(Error::Unlabelled(_))));
    }
    for keep in [Keep::Count(0), Keep::Share(0.0), Keep::Share(1.5), Keep::Share(f64::NAN)] {
        assert!(Selection::MutualInformation(keep).check().is_err(), "{keep:?}");
    }
    assert!(Selection::Variance(-1.0).check().is_err());
}
