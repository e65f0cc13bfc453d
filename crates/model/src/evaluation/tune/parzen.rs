//! The tree-structured Parzen estimator (Bergstra et al. 2011 s.4).
//!
//! Trials are parted into the few good ones and the rest; each part gives a density over every setting. Of some candidates
//! drawn from the good ones' density, the one is taken at which it most exceeds the other.

use rand::Rng;
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use super::experiment::Experiment;
use super::space::Dimension;

/// The places to try next.
pub(super) fn suggest(space: &[Dimension], history: &[Experiment], random: &mut impl Rng) -> Vec<f64> {
    let mut order: Vec<&Experiment> = history.iter().filter(|of| of.trial.place.len() == space.len()).collect();
    let merit = |of: &Experiment| of.merit().unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|one, other| merit(other).total_cmp(&merit(one)));
    let good = ((GOOD * order.len() as f64).ceil() as usize).clamp(1, MOST_GOOD).min(order.len());
    let (good, rest) = order.split_at(good);
    space
        .iter()
        .enumerate()
        .map(|(axis, dimension)| {
            let [good, rest] = [good, rest].map(|part| {
                let places: Vec<f64> = part.iter().map(|of| of.trial.place[axis]).collect();
                Density::of(places, dimension.range.choices())
            });
            let candidates = (0..CANDIDATES).map(|_| good.draw(random));
            let gain = |place: &f64| good.at(*place).ln() - rest.at(*place).ln();
            candidates.max_by(|one, other| gain(one).total_cmp(&gain(other))).unwrap_or(0.5)
        })
        .collect()
}

/// A density over 0..=1.
enum Density {
    /// A normal around each trial, and a flat one for where nothing was tried, all cut off at the ends.
    Windows(Vec<(f64, f64)>),
    /// The probability of each choice.
    Choices(Vec<f64>),
}

impl Density {
    fn of(mut places: Vec<f64>, choices: Option<usize>) -> Density {
        if let Some(choices) = choices {
            let mut counts = vec![1.0; choices.max(1)];
            for place in &places {
                counts[choice(*place, choices)] += 1.0;
            }
            let all: f64 = counts.iter().sum();
            return Density::Choices(counts.into_iter().map(|count| count / all).collect());
        }
        places.sort_unstable_by(f64::total_cmp);
        let narrowest = 1.0 / (places.len() as f64 + 1.0).min(100.0);
        let width = |turn: usize| {
            let below = if turn == 0 { 0.0 } else { places[turn - 1] };
            let above = places.get(turn + 1).copied().unwrap_or(1.0);
            // As far as the further neighbour.
            (places[turn] - below).max(above - places[turn]).clamp(narrowest, 1.0)
        };
        Density::Windows((0..places.len()).map(|turn| (places[turn], width(turn))).collect())
    }

    fn draw(&self, random: &mut impl Rng) -> f64 {
        match self {
            Density::Choices(shares) => {
                let mut left = random.random::<f64>();
                let chosen = shares.iter().position(|share| {
                    left -= share;
                    left < 0.0
                });
                (chosen.unwrap_or(shares.len() - 1) as f64 + 0.5) / shares.len() as f64
            }
            Density::Windows(windows) => {
                let turn = random.random_range(0..=windows.len());
                let Some(&(middle, width)) = windows.get(turn) else { return random.random() };
                let Ok(normal) = Normal::new(middle, width) else { return middle };
                // The inverse of the distribution function between the ends.
                let (low, high) = (normal.cdf(0.0), normal.cdf(1.0));
                normal.inverse_cdf(low + random.random::<f64>() * (high - low)).clamp(0.0, 1.0)
            }
        }
    }

    fn at(&self, place: f64) -> f64 {
        match self {
            Density::Choices(shares) => shares[choice(place, shares.len())],
            Density::Windows(windows) => {
                let window = |&(middle, width): &(f64, f64)| {
                    let normal = Normal::new(middle, width).ok()?;
                    Some(normal.pdf(place) / (normal.cdf(1.0) - normal.cdf(0.0)))
                };
                (1.0 + windows.iter().filter_map(window).sum::<f64>()) / (windows.len() as f64 + 1.0)
            }
        }
    }
}

fn choice(place: f64, choices: usize) -> usize {
    ((place * choices as f64) as usize).min(choices.saturating_sub(1))
}

/// The share of the trials that count as good, and the most of them.
const GOOD: f64 = 0.2;
const MOST_GOOD: usize = 25;
const CANDIDATES: usize = 24;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn a_density_sums_up_to_one_and_is_drawn_from_as_it_says() {
        let density = Density::of(vec![0.1, 0.15, 0.9], None);
        let sum: f64 = (0..1000).map(|step| density.at((f64::from(step) + 0.5) / 1000.0) / 1000.0).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let low = (0..4000).filter(|_| density.draw(&mut random) < 0.5).count() as f64 / 4000.0;
        let expected: f64 = (0..500).map(|step| density.at((f64::from(step) + 0.5) / 1000.0) / 1000.0).sum();
        assert!((low - expected).abs() < 0.03, "{low} {expected}");
    }

    #[test]
    fn a_choice_that_was_good_is_drawn_more_often() {
        let density = Density::of(vec![0.9, 0.8, 0.7], Some(2));
        assert_eq!((density.at(0.2), density.at(0.7)), (0.2, 0.8));
    }
}
