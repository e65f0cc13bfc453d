//! The minimum of a smooth convex function, with an L1 penalty where wanted.

use std::collections::VecDeque;

/// When to stop, and what a coefficient costs.
pub(super) struct Descent {
    /// The most iterations.
    pub(super) max_iterations: u32,
    /// The end is reached when no partial derivative exceeds this.
    pub(super) tolerance: f64,
    /// What the absolute value of each of the first coefficients costs; 0 for none.
    pub(super) l1: f64,
    /// How many coefficients, from the first, are penalised so.
    pub(super) penalised: usize,
}

impl Descent {
    /// Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with steps halved until they pay; with a penalty by
    /// orthants (OWL-QN, Andrew and Gao 2007). `at` tells value and gradient of the smooth part.
    pub(super) fn minimum(&self, start: Vec<f64>, at: impl Fn(&[f64]) -> (f64, Vec<f64>)) -> Vec<f64> {
        let mut point = start;
        let (mut smooth, mut gradient) = at(&point);
        let mut history: VecDeque<Correction> = VecDeque::with_capacity(MEMORY);
        for _ in 0..self.max_iterations {
            let slope = self.steepest(&point, &gradient);
            if slope.iter().all(|partial| partial.abs() <= self.tolerance) {
                break;
            }
            let mut direction = newton(&slope, &history);
            if self.l1 > 0.0 {
                // No coefficient goes where the penalised function rises.
                direction.iter_mut().zip(&slope).for_each(|(along, slope)| {
                    if *along * slope >= 0.0 {
                        *along = 0.0;
                    }
                });
            }
            if dot(&direction, &slope) >= 0.0 {
                history.clear();
                direction = slope.iter().map(|partial| -partial).collect();
            }
            let value = smooth + self.penalty(&point);
            // The first direction has no scale of its own.
            let descent = dot(&direction, &slope);
            let mut step = if history.is_empty() { 1.0 / descent.abs().sqrt().max(1.0) } else { 1.0 };
            let accepted = (0..MAX_HALVINGS).find_map(|_| {
                let next = self.step(&point, &direction, &slope, step);
                let (next_smooth, next_gradient) = at(&next);
                let gain: f64 =
                    next.iter().zip(&point).zip(&slope).map(|((to, from), slope)| (to - from) * slope).sum();
                let pays = next_smooth + self.penalty(&next) <= value + 1e-4 * gain;
                step /= 2.0;
                pays.then_some((next, next_smooth, next_gradient))
            });
            let Some((next, next_smooth, next_gradient)) = accepted else { break };
            let correction = Correction::new(&point, &next, &gradient, &next_gradient);
            (point, smooth, gradient) = (next, next_smooth, next_gradient);
            if let Some(correction) = correction {
                if history.len() == MEMORY {
                    history.pop_front();
                }
                history.push_back(correction);
            }
        }
        point
    }

    fn penalty(&self, point: &[f64]) -> f64 {
        if self.l1 == 0.0 {
            0.0
        } else {
            self.l1 * point[..self.penalised].iter().map(|value| value.abs()).sum::<f64>()
        }
    }

    /// The gradient of the penalised function; where it has a kink, that of the side to which it falls, or none.
    fn steepest(&self, point: &[f64], gradient: &[f64]) -> Vec<f64> {
        let mut slope = gradient.to_vec();
        if self.l1 > 0.0 {
            for (slope, &at) in slope.iter_mut().zip(&point[..self.penalised]) {
                *slope = match at {
                    0.0 if *slope > self.l1 => *slope - self.l1,
                    0.0 if *slope < -self.l1 => *slope + self.l1,
                    0.0 => 0.0,
                    _ => *slope + self.l1.copysign(at),
                };
            }
        }
        slope
    }

    /// A step that ends where a penalised coefficient would change its sign.
    fn step(&self, point: &[f64], direction: &[f64], slope: &[f64], step: f64) -> Vec<f64> {
        let mut next: Vec<f64> = point.iter().zip(direction).map(|(at, along)| at + step * along).collect();
        if self.l1 > 0.0 {
            for (place, to) in next[..self.penalised].iter_mut().enumerate() {
                let side = if point[place] == 0.0 { -slope[place] } else { point[place] };
                if *to * side <= 0.0 {
                    *to = 0.0;
                }
            }
        }
        next
    }
}

/// One remembered step: how the gradient changed along it.
struct Correction {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

impl Correction {
    /// `None` where the step met no curvature worth remembering.
    fn new(from: &[f64], to: &[f64], gradient: &[f64], next_gradient: &[f64]) -> Option<Correction> {
        let step: Vec<f64> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        let change: Vec<f64> = next_gradient.iter().zip(gradient).map(|(to, from)| to - from).collect();
        let curvature = dot(&step, &change);
        (curvature > 1e-12 * dot(&change, &change)).then(|| Correction { step, change, inverse: 1.0 / curvature })
    }
}

/// Minus the inverse Hessian, as far as the remembered steps tell it, times the gradient (Nocedal and Wright 2006,
/// algorithm 7.4).
fn newton(gradient: &[f64], history: &VecDeque<Correction>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|partial| -partial).collect();
    let mut shares = Vec::with_capacity(history.len());
    for correction in history.iter().rev() {
        let share = correction.inverse * dot(&correction.step, &direction);
        add(&mut direction, -share, &correction.change);
        shares.push(share);
    }
    if let Some(last) = history.back() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|along| *along *= scale);
    }
    for (correction, share) in history.iter().zip(shares.into_iter().rev()) {
        let other = correction.inverse * dot(&correction.change, &direction);
        add(&mut direction, share - other, &correction.step);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

const MEMORY: usize = 10;
const MAX_HALVINGS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn minimum(l1: f64) -> Vec<f64> {
        let descent = Descent { max_iterations: 100, tolerance: 1e-10, l1, penalised: 2 };
        // (x - 3)^2 / 2 + (y + 0.5)^2 / 2 + (z - 1)^2 / 2, of which z is not penalised.
        descent.minimum(vec![0.0; 3], |at| {
            let gradient = vec![at[0] - 3.0, at[1] + 0.5, at[2] - 1.0];
            (gradient.iter().map(|partial| partial * partial).sum::<f64>() / 2.0, gradient)
        })
    }

    #[test]
    fn a_penalty_draws_coefficients_to_0_and_keeps_small_ones_there() {
        let near = |found: Vec<f64>, expected: [f64; 3]| {
            assert!(found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-8), "{found:?}");
        };
        near(minimum(0.0), [3.0, -0.5, 1.0]);
        near(minimum(1.0), [2.0, 0.0, 1.0]);
    }
}
