//! What boosting descends: the logarithmic loss of two classes or of many.

use rayon::prelude::*;

/// The logarithmic loss of rows, each with the sums of its leaves so far: one sum where there are two classes (logistic
/// loss), else one a class (softmax).
pub(super) struct Objective<'a> {
    pub(super) codes: &'a [u32],
    /// What a row of each class weighs.
    pub(super) weights: &'a [f64],
    pub(super) outputs: usize,
}

impl Objective<'_> {
    /// The best constant sums: the logarithm of the odds, or of each class's share.
    pub(super) fn base(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.weights.len()];
        self.codes.iter().for_each(|&code| sums[code as usize] += self.weights[code as usize]);
        let total: f64 = sums.iter().sum();
        match self.outputs {
            1 => vec![((total - sums[0]) / sums[0]).ln() as f32],
            // A class without a row is as rare as half a row.
            _ => sums.iter().map(|sum| (sum.max(0.5) / total).ln() as f32).collect(),
        }
    }

    /// The share of each class that the sums stand for, as many a row as there are outputs.
    pub(super) fn shares(&self, margins: &[f32], shares: &mut [f32]) {
        let blocks = shares.par_chunks_mut(BLOCK * self.outputs).zip(margins.par_chunks(BLOCK * self.outputs));
        blocks.for_each(|(shares, margins)| {
            if self.outputs == 1 {
                shares.iter_mut().zip(margins).for_each(|(share, &margin)| *share = sigmoid(margin));
            } else {
                shares.copy_from_slice(margins);
                shares.chunks_exact_mut(self.outputs).for_each(softmax);
            }
        });
    }

    /// The gradient and the hessian of a row's loss by one of its sums, from the share that this stands for.
    #[inline]
    pub(super) fn derivatives(&self, output: usize, code: u32, share: f32) -> [f32; 2] {
        let weight = self.weights[code as usize] as f32;
        let (target, factor) = match self.outputs {
            1 => (code != 0, 1.0),
            // Friedman 2001 s.4.6: the trees of all classes together move the sums too far by this factor.
            outputs => (code as usize == output, outputs as f32 / (outputs as f32 - 1.0)),
        };
        [(share - f32::from(u8::from(target))) * weight, factor * share * (1.0 - share) * weight]
    }

    /// The mean loss, each row as it weighs.
    pub(super) fn loss(&self, margins: &[f32]) -> f64 {
        let row = |(&code, margins): (&u32, &[f32])| {
            let share = match (self.outputs, code) {
                (1, 0) => sigmoid(-margins[0]),
                (1, _) => sigmoid(margins[0]),
                (_, code) => {
                    let own = margins[code as usize];
                    1.0 / margins.iter().map(|margin| exp(margin - own)).sum::<f32>()
                }
            };
            let weight = self.weights[code as usize];
            (-f64::from(share.max(1e-30)).ln() * weight, weight)
        };
        let parts: Vec<(f64, f64)> = self
            .codes
            .par_chunks(BLOCK)
            .zip(margins.par_chunks(BLOCK * self.outputs))
            .map(|(codes, margins)| {
                let rows = codes.iter().zip(margins.chunks_exact(self.outputs)).map(row);
                rows.fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
            })
            .collect();
        let (loss, weight) = parts.into_iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        loss / weight
    }
}

/// The shares of all classes, in the place of their margins.
pub(super) fn softmax(margins: &mut [f32]) {
    let most = margins.iter().copied().fold(f32::MIN, f32::max);
    margins.iter_mut().for_each(|margin| *margin = exp(*margin - most));
    let sum: f32 = margins.iter().sum();
    margins.iter_mut().for_each(|margin| *margin /= sum);
}

/// 1 / (1 + e^-x).
#[inline]
pub(super) fn sigmoid(margin: f32) -> f32 {
    1.0 / (1.0 + exp(-margin))
}

/// e^x within one part in a million; many at once, unlike that of the standard library, and the same on every machine.
#[inline]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    // Adding and taking away a large number rounds to the nearest whole one.
    let whole = (x + 12_582_912.0) - 12_582_912.0;
    let rest = x - whole;
    // The Taylor series of e^x at rest * ln 2.
    let x = rest * std::f32::consts::LN_2;
    let series = 1.0 + x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x / 720.0)))));
    series * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

const BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_six_digits() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 6e-6, "{x}");
        }
        assert!(exp(f32::MAX).is_finite() && exp(f32::MIN) > 0.0);
    }

    #[test]
    fn gradients_are_the_slope_of_the_loss() {
        for outputs in [1, 3] {
            let codes = [1u32];
            let weights = vec![1.0; outputs.max(2)];
            let objective = Objective { codes: &codes, weights: &weights, outputs };
            let margins: Vec<f32> = [0.3, -0.8, 0.5][..outputs].to_vec();
            for output in 0..outputs {
                let mut shares = vec![0.0; outputs];
                objective.shares(&margins, &mut shares);
                let [gradient, hessian] = objective.derivatives(output, 1, shares[output]);
                let loss = |by: f32| {
                    let mut margins = margins.clone();
                    margins[output] += by;
                    objective.loss(&margins)
                };
                let slope = (loss(0.01) - loss(-0.01)) / 0.02;
                assert!((slope - f64::from(gradient)).abs() < 1e-3, "{outputs} {output} {slope} {gradient}");
                assert!(hessian > 0.0);
            }
        }
    }
}
