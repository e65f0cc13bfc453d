//! The search for good settings.
//!
//! [`ask`] says what to try next, from nothing but what was tried before: a search that was broken off goes on where it
//! was, and the same history gives the same next trial. [`run`] tries it by cross-validation, and what comes out is an
//! [`Experiment`], which the caller keeps.

mod experiment;
mod halving;
mod nested;
mod parzen;
mod space;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

pub use experiment::{Experiment, Objective, Tested, Trial, base, best, run, spread};
pub use nested::{Nested, OuterTest};
pub use space::{Dimension, Range, Settings, encoder_space, selection_space, space, with};

use crate::{Error, Plan};

/// How the next trial is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Anywhere in the space, whatever was found before (Bergstra and Bengio 2012).
    Random,
    /// Where good trials are denser than bad ones: the tree-structured Parzen estimator (Bergstra et al. 2011).
    #[default]
    Tpe,
    /// Many at random on a ninth of the rows, the best third of them on a third, the best third of those on all
    /// (Jamieson and Talwalkar 2016).
    Halving,
}

/// The next trial of a search for settings of a plan's method. `history` is what was tried before, in order.
pub fn ask(strategy: Strategy, plan: &Plan, space: &[Dimension], history: &[Experiment]) -> Result<Trial, Error> {
    if strategy == Strategy::Halving
        && let Some(trial) = halving::promoted(history)
    {
        return Ok(trial);
    }
    let share = if strategy == Strategy::Halving { halving::FIRST_SHARE } else { 1.0 };
    let turn = history.len() as u64;
    let mut random = Pcg64Mcg::seed_from_u64(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(turn));
    let mut last = Error::Empty("settings to search");
    for _ in 0..ATTEMPTS {
        let place = match strategy {
            Strategy::Tpe if history.len() >= STARTUP => parzen::suggest(space, history, &mut random),
            _ => space::anywhere(space, &mut random),
        };
        // As it will stand in the file of experiments, so that a search that goes on is the same search.
        let place: Vec<f64> = place.into_iter().map(experiment::rounded).collect();
        let settings = space::settings(space, &place);
        // Settings may be refused together though each is within its range.
        match with(plan, &settings) {
            Ok(_) => return Ok(Trial { strategy, settings, place, share }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// So many trials at random before any is chosen by what was found.
const STARTUP: usize = 10;
const ATTEMPTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    /// A search over a made-up landscape: the worse, the further from 0.3 on every axis.
    fn search(strategy: Strategy, trials: usize, seed: u64) -> Vec<Experiment> {
        let plan = Plan { seed, ..Plan::default() };
        let space = space(&plan.method);
        let mut history = Vec::new();
        for _ in 0..trials {
            let trial = ask(strategy, &plan, &space, &history).unwrap();
            let value = -trial.place.iter().map(|at| (at - 0.3).powi(2)).sum::<f64>();
            history.push(Experiment::made_up(trial, value));
        }
        history
    }

    fn best_of(strategy: Strategy, seed: u64) -> f64 {
        best(&search(strategy, 60, seed)).and_then(|best| best.value).unwrap()
    }

    #[test]
    fn parzen_windows_find_better_settings_than_chance_in_as_many_trials() {
        let mean = |strategy| (0..12).map(|seed| best_of(strategy, seed)).sum::<f64>() / 12.0;
        let (chosen, chance) = (mean(Strategy::Tpe), mean(Strategy::Random));
        assert!(chosen > 0.75 * chance, "{chosen} {chance}");
    }

    #[test]
    fn the_same_history_gives_the_same_next_trial() {
        let plan = Plan { seed: 5, ..Plan::default() };
        for strategy in [Strategy::Random, Strategy::Tpe, Strategy::Halving] {
            let history = search(strategy, 30, 5);
            assert_eq!(history[..20], search(strategy, 20, 5)[..]);
            let next = ask(strategy, &plan, &space(&plan.method), &history[..20]).unwrap();
            assert_eq!(next.settings, history[20].trial.settings);
        }
    }

    #[test]
    fn halving_gives_all_rows_to_the_best_of_the_best() {
        let history = search(Strategy::Halving, 39, 2);
        let shares = |share: f64| history.iter().filter(|of| (of.trial.share - share).abs() < 1e-9).count();
        assert_eq!((shares(1.0 / 9.0), shares(1.0 / 3.0), shares(1.0)), (27, 9, 3));
        let finest = history.iter().map(|of| of.value.unwrap()).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(best(&history).unwrap().value, Some(finest));
    }

    #[test]
    fn every_method_accepts_the_trials_of_its_space() {
        for method in Method::all() {
            let space = [space(&method), encoder_space(&method), selection_space()].concat();
            let bare = matches!(method, Method::EmpiricalTails(_) | Method::Majority(_));
            assert!(bare || !space::space(&method).is_empty(), "{}", method.name());
            for seed in 0..20 {
                let plan = Plan { method: method.clone(), seed, ..Plan::default() };
                let trial = ask(Strategy::Random, &plan, &space, &[]).unwrap();
                with(&plan, &trial.settings).unwrap().method.check().unwrap();
                assert_eq!(trial.settings.len(), space.len());
            }
        }
    }
}
