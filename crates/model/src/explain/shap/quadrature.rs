//! Points and weights by which a polynomial is integrated without error.

/// The points and weights of Gauss and Legendre on 0..1: the sum of weight times value is the integral of any polynomial
/// of a degree below twice their number. There must be one at least.
pub(super) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let points = (0..count).map(|number| {
        // Near a root of the polynomial (Abramowitz and Stegun 22.16.6), from where Newton's steps lead to it.
        let mut x = (std::f64::consts::PI * (number as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..STEPS {
            let (value, derivative) = legendre(count, x);
            slope = derivative;
            let step = value / derivative;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
    });
    points.collect()
}

/// The Legendre polynomial of this degree, and its derivative.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for number in 2..=degree {
        let number = number as f64;
        (before, value) = (value, ((2.0 * number - 1.0) * x * value - (number - 1.0) * before) / number);
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

/// Newton's steps double the right digits each.
const STEPS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_below_twice_the_points_are_integrated_without_error() {
        for count in [1, 2, 3, 4, 8, 13, 40, 300] {
            let points = gauss_legendre(count);
            for power in 0..2 * count {
                let sum: f64 = points.iter().map(|(t, weight)| weight * t.powi(power as i32)).sum();
                assert!((sum * (power + 1) as f64 - 1.0).abs() < 1e-11, "{count} {power} {sum}");
            }
        }
    }
}
