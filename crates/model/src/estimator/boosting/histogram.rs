//! Gradients summed up by bin, in whole numbers: the same sums whatever the order, and differences without error.

use std::sync::Mutex;

use rayon::prelude::*;

use super::objective::Objective;
use crate::estimator::binned::Binned;

/// What rows add up to: their gradients and hessians in units of a [`Packed`], and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) gradient: i64,
    pub(super) hessian: i64,
    pub(super) rows: u64,
}

/// The sums of some rows by bin, columns one behind the other.
pub(super) type Histogram = Vec<Sums>;

/// The gradient and the hessian of each row, rounded and put into one word, so that one addition sums up both and the
/// number of rows.
///
/// Rounding is up or down by a random number of the row (Shi et al. 2022, "Quantized training of gradient boosting
/// decision trees", s.4.2): the sums are right on average even where most gradients are below the unit.
pub(super) struct Packed {
    words: Vec<u64>,
    /// What one unit of a gradient and of a hessian stand for.
    pub(super) units: [f64; 2],
}

/// The columns that a tree may use, and where the bins of each begin.
pub(super) struct Layout<'a> {
    pub(super) columns: Vec<usize>,
    pub(super) starts: Vec<usize>,
    bins: usize,
    room: &'a Room,
}

/// Memory that is used again: to ask the system for it each time costs a fifth of the fit, and threads wait for each other
/// there.
#[derive(Default)]
pub(super) struct Room {
    histograms: Mutex<Vec<Histogram>>,
    /// All zero.
    words: Mutex<Vec<Vec<Words>>>,
}

/// A column's sums while they are packed, and one more cache line, so that equal bins of all columns do not fall into the
/// same few lines.
type Words = [u64; 256 + 8];

impl Room {
    /// Keeps a histogram that nobody looks at any more.
    pub(super) fn give_back(&self, histogram: Histogram) {
        give(&self.histograms, histogram);
    }
}

/// What a panicked thread left behind is not used.
fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().ok()?.pop()
}

fn give<T>(pool: &Mutex<Vec<T>>, used: T) {
    if let Ok(mut pool) = pool.lock() {
        pool.push(used);
    }
}

impl std::ops::Add for Sums {
    type Output = Sums;

    fn add(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient + other.gradient,
            hessian: self.hessian + other.hessian,
            rows: self.rows + other.rows,
        }
    }
}

impl std::ops::Sub for Sums {
    type Output = Sums;

    fn sub(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            rows: self.rows - other.rows,
        }
    }
}

impl Sums {
    fn unpack(word: u64) -> Sums {
        Sums {
            gradient: (word as i64) >> GRADIENT,
            hessian: ((word >> HESSIAN) & ((1 << (GRADIENT - HESSIAN)) - 1)) as i64,
            rows: word & ((1 << HESSIAN) - 1),
        }
    }
}

impl Packed {
    /// Rounds the derivatives of one output for every row; `key` is another number for each tree.
    /// `words` is memory that is used again.
    pub(super) fn of(
        objective: &Objective<'_>,
        output: usize,
        shares: &[f32],
        key: u32,
        mut words: Vec<u64>,
    ) -> Packed {
        let blocks = || objective.codes.par_chunks(BLOCK).zip(shares.par_chunks(BLOCK * objective.outputs));
        let derivatives = |(codes, shares): (&[u32], &[f32]), take: &mut dyn FnMut(usize, [f32; 2])| {
            let shares = shares.iter().skip(output).step_by(objective.outputs);
            for (at, (&code, &share)) in codes.iter().zip(shares).enumerate() {
                take(at, objective.derivatives(output, code, share));
            }
        };
        let most = blocks().map(|block| {
            let mut most = [0.0f32; 2];
            derivatives(block, &mut |_, [gradient, hessian]| {
                most = [most[0].max(gradient.abs()), most[1].max(hessian)];
            });
            most
        });
        let most = most.reduce(|| [0.0; 2], |one, other| [one[0].max(other[0]), one[1].max(other[1])]);
        let unit = |most: f32, units: u32| if most > 0.0 { most / units as f32 } else { 1.0 };
        let units = [unit(most[0], MOST_GRADIENT), unit(most[1], MOST_HESSIAN)];
        let per = units.map(|unit| 1.0 / unit);
        words.resize(objective.codes.len(), 0);
        words.par_chunks_mut(BLOCK).zip(blocks()).enumerate().for_each(|(number, (words, block))| {
            let first = (number * BLOCK) as u32;
            derivatives(block, &mut |at, [gradient, hessian]| {
                let noise = scatter(first.wrapping_add(at as u32) ^ key);
                let ups = [noise >> 16, noise & 0xffff].map(|noise| noise as f32 / 65536.0);
                // Shifted to be positive, so that cutting off the fraction rounds down.
                let shift = MOST_GRADIENT as i32 + 1;
                let gradient = (gradient * per[0] + ups[0] + shift as f32) as i32 - shift;
                let hessian = (hessian * per[1] + ups[1]) as i32;
                let gradient = i64::from(gradient.min(MOST_GRADIENT as i32)) << GRADIENT;
                let hessian = i64::from(hessian.min(MOST_HESSIAN as i32)) << HESSIAN;
                words[at] = (gradient + hessian + 1) as u64;
            });
        });
        Packed { words, units: units.map(f64::from) }
    }

    /// Its memory, to be used again.
    pub(super) fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// What these rows add up to.
    pub(super) fn sum(&self, rows: &[u32]) -> Sums {
        let sum = |rows: &[u32]| {
            let words = rows.iter().map(|&row| Sums::unpack(self.words[row as usize]));
            words.fold(Sums::default(), |sum, row| sum + row)
        };
        rows.par_chunks(PARALLEL).map(sum).reduce(Sums::default, |one, other| one + other)
    }
}

impl<'a> Layout<'a> {
    /// Lays out these columns.
    pub(super) fn new(binned: &Binned, columns: Vec<usize>, room: &'a Room) -> Layout<'a> {
        let mut bins = 0;
        let starts = columns.iter().map(|&column| {
            bins += binned.columns[column].count;
            bins - binned.columns[column].count
        });
        let starts = starts.collect();
        Layout { columns, starts, bins, room }
    }

    /// The sums of these rows by bin.
    pub(super) fn histogram(&self, binned: &Binned, packed: &Packed, rows: &[u32]) -> Histogram {
        let threads = rayon::current_num_threads();
        if threads < 2 || rows.len() < PARALLEL {
            return self.fill(binned, packed, rows);
        }
        let parts = rows.par_chunks(rows.len().div_ceil(threads)).map(|rows| self.fill(binned, packed, rows));
        parts.reduce(Vec::new, |one, other| match (one.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => one,
            _ => self.add(one, other),
        })
    }

    fn add(&self, mut one: Histogram, other: Histogram) -> Histogram {
        one.iter_mut().zip(&other).for_each(|(one, other)| *one = *one + *other);
        self.room.give_back(other);
        one
    }

    fn fill(&self, binned: &Binned, packed: &Packed, rows: &[u32]) -> Histogram {
        let mut sums = take(&self.room.histograms).unwrap_or_default();
        sums.clear();
        sums.resize(self.bins, Sums::default());
        let width = binned.width();
        if rows.len() < FEW {
            for &row in rows {
                let unpacked = Sums::unpack(packed.words[row as usize]);
                let row = binned.row(row);
                for (&column, &start) in self.columns.iter().zip(&self.starts) {
                    let sum = &mut sums[start + usize::from(row[column])];
                    *sum = *sum + unpacked;
                }
            }
            return sums;
        }
        let mut words = take(&self.room.words).unwrap_or_default();
        words.resize(self.columns.len(), [0u64; 256 + 8]);
        let whole = self.columns.len() == width;
        let (varied, odd) = (binned.varied, (width - binned.varied).min(64));
        for rows in rows.chunks(CARRY) {
            for (place, &row) in rows.iter().enumerate() {
                if let Some(&soon) = rows.get(place + SOON) {
                    binned.expect(soon);
                    prefetch_index::prefetch_index(&packed.words, soon as usize);
                }
                let (number, word, row) = (row, packed.words[row as usize], binned.row(row));
                if whole {
                    for (words, &bin) in words[..varied].iter_mut().zip(row) {
                        let sum = &mut words[usize::from(bin)];
                        *sum = sum.wrapping_add(word);
                    }
                    if odd > 0 {
                        let mut differs = binned.odd(number);
                        while differs != 0 {
                            let column = varied + differs.trailing_zeros() as usize;
                            differs &= differs - 1;
                            let sum = &mut words[column][usize::from(row[column])];
                            *sum = sum.wrapping_add(word);
                        }
                        for (words, &bin) in words[varied + odd..].iter_mut().zip(&row[varied + odd..]) {
                            let sum = &mut words[usize::from(bin)];
                            *sum = sum.wrapping_add(word);
                        }
                    }
                } else {
                    for (words, &column) in words.iter_mut().zip(&self.columns) {
                        let sum = &mut words[usize::from(row[column])];
                        *sum = sum.wrapping_add(word);
                    }
                }
            }
            for ((words, &column), &start) in words.iter_mut().zip(&self.columns).zip(&self.starts) {
                let count = binned.columns[column].count;
                for (sum, word) in sums[start..start + count].iter_mut().zip(words) {
                    if *word != 0 {
                        *sum = *sum + Sums::unpack(*word);
                        *word = 0;
                    }
                }
            }
        }
        if whole && odd > 0 {
            // What most rows have in common is what is left of all rows.
            let all = sums[..binned.columns[0].count].iter().fold(Sums::default(), |sum, bin| sum + *bin);
            let all = if varied > 0 { all } else { packed.sum(rows) };
            for column in varied..varied + odd {
                let bins = &mut sums[self.starts[column]..][..binned.columns[column].count];
                let others = bins.iter().fold(Sums::default(), |sum, bin| sum + *bin);
                bins[usize::from(binned.columns[column].usual)] = all - others;
            }
        }
        give(&self.room.words, words);
        sums
    }
}

/// Spreads the bits of a number (the finaliser of MurmurHash3 for 32 bits).
fn scatter(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let value = (value ^ (value >> 13)).wrapping_mul(0xc2b2_ae35);
    value ^ (value >> 16)
}

/// A word holds the number of rows from bit 0 on, hessians from 13 on and gradients, which may be negative, from 37 on.
const HESSIAN: u32 = 13;
const GRADIENT: u32 = 37;
const MOST_GRADIENT: u32 = (1 << 14) - 1;
const MOST_HESSIAN: u32 = (1 << 12) - 1;
/// So many rows can be added up before a part of the word could overflow into the next.
const CARRY: usize = 4096;
const _: () = assert!(CARRY < 1 << HESSIAN);
const _: () = assert!(CARRY as u64 * (MOST_HESSIAN as u64) < 1 << (GRADIENT - HESSIAN));
const _: () = assert!(CARRY as u64 * (MOST_GRADIENT as u64) < 1 << (63 - GRADIENT));
const BLOCK: usize = 4096;
/// Rows are fetched so many places ahead.
const SOON: usize = 8;
/// Fewer rows than this are summed up one by one.
const FEW: usize = 128;
/// Fewer rows than this are not worth a second thread.
const PARALLEL: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;

    #[test]
    fn sums_do_not_hang_on_the_way_they_are_made() {
        let rows = 20_000;
        let values = (0..rows).flat_map(|row| [(row % 7) as f32, (row % 300) as f32]).collect();
        let binned = Binned::of(&Matrix::new(2, values).unwrap(), None);
        let codes: Vec<u32> = (0..rows as u32).map(|row| row % 3 / 2).collect();
        let shares: Vec<f32> = (0..rows).map(|row| 0.5 + (row as f32 * 0.37).sin() / 2.1).collect();
        let packed =
            Packed::of(&Objective { codes: &codes, weights: &[1.0, 1.0], outputs: 1 }, 0, &shares, 7, Vec::new());
        let room = Room::default();
        let layout = Layout::new(&binned, vec![0, 1], &room);
        let all: Vec<u32> = (0..rows as u32).collect();
        let whole = layout.fill(&binned, &packed, &all);
        let few = all.chunks(100).map(|rows| layout.fill(&binned, &packed, rows));
        let sum = few.reduce(|one, other| one.into_iter().zip(other).map(|(one, other)| one + other).collect());
        assert_eq!(Some(&whole), sum.as_ref());
        let part = Layout::new(&binned, vec![1], &room).fill(&binned, &packed, &all);
        assert_eq!(whole[layout.starts[1]..], part);
    }

    #[test]
    fn rounded_sums_are_right_on_average() {
        let (codes, mut shares) = (vec![0; 100_000], vec![1e-5f32; 100_000]);
        shares[0] = 0.5;
        let packed =
            Packed::of(&Objective { codes: &codes, weights: &[1.0, 1.0], outputs: 1 }, 0, &shares, 3, Vec::new());
        let sums = packed.sum(&(1..100_000).collect::<Vec<u32>>());
        assert!((sums.gradient as f64 * packed.units[0] - 1.0).abs() < 0.05, "{sums:?}");
        assert!((sums.hessian as f64 * packed.units[1] - 1.0).abs() < 0.05, "{sums:?}");
        assert_eq!(sums.rows, 99_999);
    }
}
