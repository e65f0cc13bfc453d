//! The loss of logistic regression.

use rayon::prelude::*;

use super::deviations::Deviations;

/// The penalised mean loss of the training rows, and its gradient. A point holds the coefficients column by column, one an
/// output, and the intercepts, which are not penalised, behind them. Two classes have one output, the logarithm of the
/// odds of the second; more have one each.
pub(super) struct Loss<'a> {
    pub(super) rows: &'a Deviations,
    /// The class of each row.
    pub(super) codes: &'a [u32],
    /// What a row of each class weighs.
    pub(super) weights: &'a [f64],
    pub(super) outputs: usize,
    /// Half of this times the squared coefficients is added to the sum of losses.
    pub(super) l2: f64,
}

impl Loss<'_> {
    pub(super) fn at(&self, point: &[f64]) -> (f64, Vec<f64>) {
        let (count, outputs) = (self.rows.rows(), self.outputs);
        let (coefficients, intercepts) = point.split_at(self.rows.usual().len() * outputs);
        let mut base = intercepts.to_vec();
        for (factors, &usual) in coefficients.chunks_exact(outputs).zip(self.rows.usual()) {
            base.iter_mut().zip(factors).for_each(|(base, factor)| *base += factor * usual);
        }
        // Parts of fixed size, summed in order: the same bits whatever the number of threads.
        let starts: Vec<usize> = (0..count).step_by(PART).collect();
        let part = |&start: &usize| {
            let rows = start..(start + PART).min(count);
            if outputs == 1 { self.two(rows, coefficients, base[0]) } else { self.several(rows, coefficients, &base) }
        };
        let parts: Vec<(f64, Vec<f64>)> = starts.par_iter().map(part).collect();
        let (mut loss, mut gradient) = (0.0, vec![0.0; point.len()]);
        for (part_loss, part_gradient) in parts {
            loss += part_loss;
            gradient.iter_mut().zip(part_gradient).for_each(|(sum, partial)| *sum += partial);
        }
        let (partials, residuals) = gradient.split_at_mut(coefficients.len());
        for (partials, &usual) in partials.chunks_exact_mut(outputs).zip(self.rows.usual()) {
            partials.iter_mut().zip(&*residuals).for_each(|(partial, residual)| *partial += residual * usual);
        }
        loss += self.l2 / 2.0 * coefficients.iter().map(|factor| factor * factor).sum::<f64>();
        partials.iter_mut().zip(coefficients).for_each(|(partial, at)| *partial += self.l2 * at);
        gradient.iter_mut().for_each(|partial| *partial /= count as f64);
        (loss / count as f64, gradient)
    }

    /// Loss and gradient of some rows of two classes, by deviations only.
    fn two(&self, rows: std::ops::Range<usize>, coefficients: &[f64], base: f64) -> (f64, Vec<f64>) {
        let (mut loss, mut gradient, mut residuals) = (0.0, vec![0.0; coefficients.len() + 1], 0.0);
        for row in rows {
            let sum = base + self.rows.row(row).map(|(column, value)| coefficients[column] * value).sum::<f64>();
            let code = self.codes[row];
            let weight = self.weights[code as usize];
            let odds = (-sum.abs()).exp();
            // log(1 + e^-margin) and 1 / (1 + e^-sum), without overflow.
            let margin = if code == 0 { -sum } else { sum };
            loss += weight * ((-margin).max(0.0) + odds.ln_1p());
            let share = if sum >= 0.0 { 1.0 / (1.0 + odds) } else { odds / (1.0 + odds) };
            let residual = weight * (share - f64::from(code));
            for (column, value) in self.rows.row(row) {
                gradient[column] += residual * value;
            }
            residuals += residual;
        }
        gradient[coefficients.len()] = residuals;
        (loss, gradient)
    }

    /// Loss and gradient of some rows of several classes, by deviations only.
    fn several(&self, rows: std::ops::Range<usize>, coefficients: &[f64], base: &[f64]) -> (f64, Vec<f64>) {
        let outputs = self.outputs;
        let (mut loss, mut gradient) = (0.0, vec![0.0; coefficients.len() + outputs]);
        let mut sums = vec![0.0; outputs];
        for row in rows {
            sums.copy_from_slice(base);
            for (column, value) in self.rows.row(row) {
                let factors = &coefficients[column * outputs..][..outputs];
                sums.iter_mut().zip(factors).for_each(|(sum, factor)| *sum += factor * value);
            }
            let code = self.codes[row] as usize;
            let weight = self.weights[code];
            let own = sums[code];
            loss += weight * (softmax(&mut sums) - own);
            sums[code] -= 1.0;
            sums.iter_mut().for_each(|share| *share *= weight);
            for (column, value) in self.rows.row(row) {
                let partials = &mut gradient[column * outputs..][..outputs];
                partials.iter_mut().zip(&sums).for_each(|(partial, residual)| *partial += residual * value);
            }
            gradient[coefficients.len()..].iter_mut().zip(&sums).for_each(|(sum, residual)| *sum += residual);
        }
        (loss, gradient)
    }
}

/// Makes sums of each class probabilities; gives the logarithm of the sum of their exponentials.
pub(in crate::estimator) fn softmax(sums: &mut [f64]) -> f64 {
    let highest = sums.iter().copied().fold(f64::MIN, f64::max);
    let mut total = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - highest).exp();
        total += *sum;
    }
    sums.iter_mut().for_each(|share| *share /= total);
    highest + total.ln()
}

const PART: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let matrix = Matrix::new(2, vec![0.5, -1.0, 2.0, 0.3, -0.7, -1.0, 0.5, -1.0, 0.5, 2.0]).unwrap();
        let rows = Deviations::of(&matrix, 1);
        for (outputs, codes) in [(1, [1, 0, 1, 0, 1]), (3, [1, 0, 2, 0, 1])] {
            let loss = Loss { rows: &rows, codes: &codes, weights: &[1.0, 2.0, 0.5], outputs, l2: 0.5 };
            let point: Vec<f64> = (0..3 * outputs).map(|place| 0.1 - 0.07 * place as f64).collect();
            let (_, gradient) = loss.at(&point);
            for place in 0..point.len() {
                let moved = |by: f64| {
                    let mut point = point.clone();
                    point[place] += by;
                    loss.at(&point).0
                };
                let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((slope - gradient[place]).abs() < 1e-8, "{outputs} {slope} {}", gradient[place]);
            }
        }
    }
}
