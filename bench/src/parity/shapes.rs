//! Tables with the shapes of ADBench's http and smtp (Han et al. 2022, after KDD Cup 1999): many rows, three columns of
//! logarithms, and very few outliers.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Rows of three values, and whether each is an outlier.
pub(super) struct Shape {
    pub(super) values: Vec<f32>,
    pub(super) outliers: Vec<bool>,
}

/// 567,498 rows, 0.4 % of them outliers in two tight clusters, as repeated attacks make them.
pub(super) fn http() -> Shape {
    shape(567_498, 2270, |random, outlier| match outlier {
        true if random.random_bool(0.9) => {
            [normal(random, -2.3, 0.05), normal(random, 10.9, 0.02), normal(random, 9.0, 0.02)]
        }
        true => [normal(random, 3.0, 1.0), normal(random, 8.2, 0.5), normal(random, 4.0, 1.5)],
        false => [duration(random), normal(random, 5.4, 0.35), sizes(random)],
    })
}

/// 95,156 rows, 30 of them outliers: some brief and small, some long and large.
pub(super) fn smtp() -> Shape {
    shape(95_156, 30, |random, outlier| match outlier {
        true if random.random_bool(0.7) => {
            [normal(random, -2.3, 0.05), normal(random, 2.3, 0.4), normal(random, 4.5, 0.3)]
        }
        true => [normal(random, 5.0, 1.5), normal(random, 9.0, 1.0), normal(random, 6.0, 0.5)],
        false => [duration(random), normal(random, 6.8, 0.7), normal(random, 5.8, 0.15)],
    })
}

fn shape(rows: usize, outliers: usize, row: impl Fn(&mut Pcg64Mcg, bool) -> [f32; 3]) -> Shape {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut is_outlier = vec![false; rows];
    rand::seq::index::sample(&mut random, rows, outliers).into_iter().for_each(|row| is_outlier[row] = true);
    let values = is_outlier.iter().flat_map(|&outlier| row(&mut random, outlier)).collect();
    Shape { values, outliers: is_outlier }
}

/// Most connections end within the first tenth of a second; the others take some seconds.
fn duration(random: &mut Pcg64Mcg) -> f32 {
    if random.random_bool(0.8) { 0.1f32.ln() } else { normal(random, 0.5, 0.9) }
}

/// Answers come in three usual sizes.
fn sizes(random: &mut Pcg64Mcg) -> f32 {
    let [mean, deviation] = [[7.2, 0.6], [8.6, 0.9], [5.6, 0.3]][random.random_range(0..3)];
    normal(random, mean, deviation)
}

/// A normal number (Box and Muller 1958).
fn normal(random: &mut Pcg64Mcg, mean: f64, deviation: f64) -> f32 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (mean + deviation * (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
}

const SEED: u64 = 1;
