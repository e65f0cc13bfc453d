use super::*;
use crate::{Classes, Feature, Method, Model};

/// Rows of four values, of which the third is a code of a name and the last says nothing; some are missing.
fn rows() -> (Matrix, Classes) {
    let value = |row: usize, prime: usize| ((row * prime) % 1009) as f32 / 1009.0;
    let mut values = Vec::new();
    for row in 0..400 {
        let hidden = |at: usize, value: f32| if row % 11 == at { f32::NAN } else { value };
        values.extend([hidden(0, value(row, 7)), hidden(1, value(row, 331)), ((row * 7) % 6) as f32, 1.0]);
    }
    let code = |row: usize| {
        let values = &values[row * 4..][..4];
        u32::from(values[0] > 0.5) * 2 + u32::from((values[1] > 0.3) != (values[2] == 3.0))
    };
    let names = (0..4).map(|class| format!("class {class}")).collect();
    let truth = Classes::new((0..400).map(code).collect(), names).unwrap();
    let feature = |(place, name): (usize, &str)| Feature { name: name.into(), is_code: place == 2 };
    let features = ["bytes", "packets", "service", "noise"].into_iter().enumerate().map(feature).collect();
    (Matrix::with_missing(4, values).unwrap().with_features(features).unwrap(), truth)
}

/// Trees of every model that is made of them, and which of the numbers of their leaves is looked at.
fn trees() -> Vec<(String, Vec<Tree>, usize)> {
    let (matrix, truth) = rows();
    let binary = Classes::binary(&truth.codes().iter().map(|code| *code > 1).collect::<Vec<_>>());
    let complete = Matrix::new(4, matrix.values().iter().map(|v| if v.is_nan() { 9.0 } else { *v }).collect()).unwrap();
    let mut all = Vec::new();
    for settings in [
        r#"{"decision-tree": {"max-depth": 6}}"#,
        r#"{"random-forest": {"trees": 5}}"#,
        r#"{"extra-trees": {"trees": 5}}"#,
        r#"{"gradient-boosting": {"trees": 5, "num-leaves": 12, "min-samples-leaf": 3}}"#,
        r#"{"isolation-forest": {"trees": 5, "sample": 64}}"#,
    ] {
        let method: Method = serde_json::from_str(settings).unwrap();
        for truth in [&truth, &binary] {
            let matrix = if method.is_supervised() { &matrix } else { &complete };
            let trees = match method.fit(matrix, Some(truth), 1).unwrap() {
                Model::DecisionTree(of) | Model::RandomForest(of) | Model::ExtraTrees(of) => of.trees().to_vec(),
                Model::GradientBoosting(of) => of.trees()[..of.base().len()].to_vec(),
                Model::IsolationForest(of) => of.trees().to_vec(),
                other => panic!("{other:?}"),
            };
            let last = trees[0].outputs() - 1;
            all.push((format!("{settings} of {} classes", truth.count()), trees, last));
        }
    }
    all
}

/// The mean over the training rows that a tree tells of a row of which these players are known.
fn known(tree: &Tree, place: usize, row: &[f32], player_of: &[u32], coalition: u32, output: usize) -> f64 {
    let Some(children) = tree.children(place) else { return f64::from(tree.value(place)[output]) };
    let node = &tree.nodes()[place];
    let feature = usize::from(node.feature);
    let value = |child: usize| known(tree, child, row, player_of, coalition, output);
    if coalition >> player_of[feature] & 1 == 1 {
        return value(children[usize::from(!tree.goes_left(node, row[feature]))]);
    }
    let shares = plan::sides(tree, children);
    shares[0] * value(children[0]) + shares[1] * value(children[1])
}

/// The Shapley values of a game, by the sum over all coalitions.
fn shapley(players: usize, game: impl Fn(u32) -> f64) -> Vec<f64> {
    let factorial = |number: usize| (1..=number).product::<usize>() as f64;
    let worth: Vec<f64> = (0..1u32 << players).map(game).collect();
    let value = |player: usize| {
        let without = (0..1usize << players).filter(|coalition| coalition >> player & 1 == 0);
        let gain = |coalition: usize| {
            let size = coalition.count_ones() as usize;
            let share = factorial(size) * factorial(players - size - 1) / factorial(players);
            share * (worth[coalition | 1 << player] - worth[coalition])
        };
        without.map(gain).sum()
    };
    (0..players).map(value).collect()
}

fn near(found: &[f64], expected: &[f64], what: &str) {
    let close = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-10 * (1.0 + other.abs());
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{what}: {found:?} {expected:?}");
}

#[test]
fn trees_agree_with_the_sum_over_all_coalitions() {
    let (matrix, _) = rows();
    for (name, trees, output) in trees() {
        // Each value its own player, then two of them one.
        for player_of in [[0, 1, 2, 3], [0, 1, 0, 2]] {
            let players = player_of.iter().max().map_or(0, |most| *most as usize + 1);
            let shap = Shap::new(trees.iter(), &player_of, players, |values| f64::from(values[output]));
            let some = matrix.select(&[0, 1, 2, 3, 11, 12, 50, 51, 52, 53, 54]);
            let gains = shap.gains(&some);
            for (row, gains) in gains.chunks_exact(players).enumerate() {
                let game = |coalition| {
                    trees.iter().map(|tree| known(tree, 0, some.row(row), &player_of, coalition, output)).sum()
                };
                near(gains, &shapley(players, game), &name);
                assert!((shap.base() - game(0)).abs() < 1e-10, "{name}");
            }
        }
    }
}

#[test]
fn interventional_values_agree_with_the_sum_over_all_coalitions() {
    let (matrix, _) = rows();
    let background = matrix.select(&(60..90).collect::<Vec<_>>());
    let some = matrix.select(&[0, 1, 2, 3, 11]);
    for (name, trees, output) in trees() {
        let player_of = [0, 1, 2, 3];
        let all: Vec<&Tree> = trees.iter().collect();
        let gains = interventional(&all, &player_of, 4, |values| f64::from(values[output]), &some, &background);
        for (row, gains) in gains.chunks_exact(4).enumerate() {
            let game = |coalition: u32| {
                let told = (0..background.rows()).map(|other| {
                    let value = |at: usize| {
                        if coalition >> at & 1 == 1 { some.row(row)[at] } else { background.row(other)[at] }
                    };
                    let mixed = [value(0), value(1), value(2), value(3)];
                    trees.iter().map(|tree| f64::from(tree.value(tree.find(&mixed))[output])).sum::<f64>()
                });
                told.sum::<f64>() / background.rows() as f64
            };
            near(gains, &shapley(4, game), &name);
        }
    }
}

#[test]
fn a_column_that_no_tree_asks_for_gets_nothing() {
    let (matrix, _) = rows();
    for (name, trees, output) in trees() {
        let shap = Shap::new(trees.iter(), &[0, 1, 2, 3], 4, |values| f64::from(values[output]));
        assert!(shap.gains(&matrix).iter().skip(3).step_by(4).all(|gain| *gain == 0.0), "{name}");
    }
}

#[test]
fn a_row_is_explained_the_same_alone_and_in_company_on_one_thread_and_two() {
    let (matrix, _) = rows();
    for (name, trees, output) in trees() {
        let shap = Shap::new(trees.iter(), &[0, 1, 2, 3], 4, |values| f64::from(values[output]));
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| shap.gains(&matrix))
        };
        let gains = on(1);
        assert_eq!(gains, on(2), "{name}");
        for row in 0..20 {
            assert_eq!(shap.gains(&matrix.select(&[row])), gains[row * 4..][..4], "{name}");
        }
    }
}

#[test]
fn a_path_of_many_columns_is_explained_without_error() {
    // A chain that asks for another column at each step, deeper than one sweep of points can integrate.
    let width = 45;
    let mut codes = Vec::new();
    let mut values = Vec::new();
    for row in 0..3000usize {
        // The first 1 decides, by whether its place is even.
        let first = row % (width + 1);
        values.extend((0..width).map(|at| {
            if at < first {
                0.0
            } else if at == first {
                1.0
            } else {
                (row * (at + 3) % 7 > 3) as u8 as f32
            }
        }));
        codes.push((first % 2) as u32);
    }
    let matrix = Matrix::new(width, values).unwrap();
    let truth = Classes::new(codes, vec!["benign".into(), "attack".into()]).unwrap();
    let method: Method =
        serde_json::from_str(r#"{"decision-tree": {"max-depth": 1000, "min-samples-leaf": 1}}"#).unwrap();
    let Model::DecisionTree(forest) = method.fit(&matrix, Some(&truth), 1).unwrap() else { panic!() };
    let player_of: Vec<u32> = (0..width as u32).collect();
    let shap = Shap::new(forest.trees().iter(), &player_of, width, |values| f64::from(values[0]));
    assert!(shap.plans[0].wide.len() > 1, "{}", shap.plans[0].levels);
    let gains = shap.gains(&matrix);
    for row in 0..matrix.rows() {
        let total = shap.base() + gains[row * width..][..width].iter().sum::<f64>();
        let tree = &forest.trees()[0];
        assert!((total - f64::from(tree.value(tree.find(matrix.row(row)))[0])).abs() < 1e-10);
    }
}

/// A tree as deep as any may be, which asks for the columns in turn.
#[test]
fn the_deepest_tree_is_explained_on_any_thread() {
    let (depth, width) = (1000usize, 40usize);
    let leaf = |place: usize| serde_json::json!({"feature": 0, "missing_left": true, "cut": "Leaf", "left": place, "cover": 1.0, "gain": 0.0});
    // The left child of a fork is a leaf, the right one the next fork.
    let fork = |level: usize| {
        serde_json::json!({"feature": level % width, "missing_left": true, "cut": {"AtMost": (level as f32 * 0.7).sin()},
            "left": 2 * level + 1, "cover": (depth - level + 1) as f32, "gain": 0.0})
    };
    let mut nodes = vec![fork(0)];
    for level in 1..=depth {
        nodes.push(leaf(2 * level - 1));
        nodes.push(if level < depth { fork(level) } else { leaf(2 * level) });
    }
    let values: Vec<f32> = (0..nodes.len()).map(|node| node as f32).collect();
    let tree: Tree =
        serde_json::from_value(serde_json::json!({"nodes": nodes, "values": values, "outputs": 1, "sets": []}))
            .unwrap();
    let player_of: Vec<u32> = (0..width as u32).collect();
    let shap = Shap::new([&tree].into_iter(), &player_of, width, |values| f64::from(values[0]));
    let matrix = Matrix::new(width, (0..width * 9).map(|at| (at as f32 * 0.37).sin() + 0.9).collect()).unwrap();
    let gains = shap.gains(&matrix);
    let against = interventional(&[&tree], &player_of, width, |values| f64::from(values[0]), &matrix, &matrix);
    let value = |row: usize| f64::from(tree.value(tree.find(matrix.row(row)))[0]);
    let mean = (0..9).map(value).sum::<f64>() / 9.0;
    for row in 0..9 {
        let sum = |gains: &[f64]| gains[row * width..][..width].iter().sum::<f64>();
        assert!((shap.base() + sum(&gains) - value(row)).abs() < 1e-8, "{row}");
        assert!((mean + sum(&against) - value(row)).abs() < 1e-8, "{row}");
    }
}
