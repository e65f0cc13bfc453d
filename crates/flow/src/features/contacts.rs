//! How many distinct contacts there were in each of three sliding windows, in constant memory.
//!
//! Few are counted exactly. Many are counted by the array of HyperLogLog (Flajolet and others 2007) made to slide
//! (Chabchoub and Hébrail, "Sliding HyperLogLog", 2010): a cell for each register and rank holds the time of its latest
//! hit, so that one array answers for every window. HyperLogLog reads of each register its highest fresh rank; here all
//! fresh cells are counted, which the array holds anyway and which errs by 0.69 / √registers in place of 1.04 (Lang, "Back
//! to the future", 2017, s. 2: the number of collected coupons).
//!
//! Standard error, from the test below: under 9 % from 17 contacts to a million.

use std::sync::LazyLock;

/// Distinct contacts, each with the tick of its latest visit.
#[derive(Clone, Debug)]
pub(super) enum Contacts {
    /// Hash and tick of each contact.
    Few(Vec<(u64, u32)>),
    Many(Box<Sketch>),
}

/// The windows, in ticks of 100 ms: 10 s, 1 min, 10 min.
pub(super) const WINDOWS: [u32; 3] = [100, 600, 6000];
/// What many contacts take at the most, with their allocation.
pub(super) const SKETCH_BYTES: usize = size_of::<Sketch>() + 16;

/// For each register and rank the tick of the latest hit.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// The tick that stamp 0 stands for; it means never.
    base: u32,
    /// By rank, then by register.
    stamps: [u16; CELLS],
    /// The fresh cells counted last, and at which tick.
    counted: Option<(u32, [u16; 3])>,
}

impl Contacts {
    /// Notes a visit. Ticks never go back.
    pub(super) fn hit(&mut self, hash: u64, tick: u32) {
        match self {
            Contacts::Few(contacts) => {
                if let Some(contact) = contacts.iter_mut().find(|contact| contact.0 == hash) {
                    contact.1 = tick;
                    return;
                }
                // What left the longest window makes room.
                if let Some(old) = contacts.iter_mut().find(|contact| tick.saturating_sub(contact.1) >= WINDOWS[2]) {
                    *old = (hash, tick);
                    return;
                }
                if contacts.len() < FEW {
                    contacts.push((hash, tick));
                    return;
                }
                let mut sketch = Box::new(Sketch::new(tick));
                contacts.iter().for_each(|&(hash, tick)| sketch.hit(hash, tick));
                sketch.hit(hash, tick);
                *self = Contacts::Many(sketch);
            }
            Contacts::Many(sketch) => sketch.hit(hash, tick),
        }
    }

    /// Distinct contacts in each window up to `now`.
    pub(super) fn within(&mut self, now: u32) -> [f32; 3] {
        match self {
            Contacts::Few(contacts) => WINDOWS.map(|window| {
                let since = now.saturating_sub(window) + 1;
                contacts.iter().filter(|contact| contact.1 >= since).count() as f32
            }),
            Contacts::Many(sketch) => sketch.within(now),
        }
    }
}

impl Default for Contacts {
    fn default() -> Contacts {
        Contacts::Few(Vec::new())
    }
}

impl Sketch {
    fn new(tick: u32) -> Sketch {
        Sketch { base: tick.saturating_sub(WINDOWS[2] + 1), stamps: [0; CELLS], counted: None }
    }

    fn hit(&mut self, hash: u64, tick: u32) {
        // The bits of a multiplication mix better than those of the hash: the highest choose the register.
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let register = (mixed >> (64 - REGISTERS.trailing_zeros())) as usize;
        let rank = ((mixed << REGISTERS.trailing_zeros()).leading_zeros() as usize).min(RANKS - 1);
        let stamp = self.stamp(tick);
        let before = std::mem::replace(&mut self.stamps[rank * REGISTERS + register], stamp);
        if let Some((_, cells)) = self.counted.as_mut().filter(|(counted, _)| *counted == tick) {
            for (cells, since) in cells.iter_mut().zip(since(tick, self.base)) {
                *cells += u16::from(before < since);
            }
        }
    }

    /// The tick as a stamp; where it lies too far ahead for one, the stamps are moved back.
    fn stamp(&mut self, tick: u32) -> u16 {
        if let Ok(stamp) = u16::try_from(tick.saturating_sub(self.base)) {
            return stamp;
        }
        let base = tick.saturating_sub(WINDOWS[2] + 1);
        let step = u16::try_from(base.saturating_sub(self.base)).unwrap_or(u16::MAX);
        self.stamps.iter_mut().for_each(|stamp| *stamp = stamp.saturating_sub(step));
        self.base = base;
        self.counted = None;
        (tick - base) as u16
    }

    fn within(&mut self, now: u32) -> [f32; 3] {
        let cells = match self.counted {
            Some((tick, cells)) if tick == now => cells,
            _ => {
                let cells = self.fresh_cells(now);
                self.counted = Some((now, cells));
                cells
            }
        };
        let estimates = &*ESTIMATES;
        cells.map(|cells| estimates[usize::from(cells)])
    }

    /// Cells hit in each window.
    fn fresh_cells(&mut self, now: u32) -> [u16; 3] {
        self.stamp(now);
        let since = since(now, self.base);
        let mut cells = [0u16; 3];
        for stamps in self.stamps.as_chunks::<REGISTERS>().0 {
            for (cells, since) in cells.iter_mut().zip(since) {
                *cells += stamps.iter().map(|&stamp| u16::from(stamp >= since)).sum::<u16>();
            }
        }
        cells
    }
}

/// The first stamp in each window up to `now`. No window begins before stamp 1: 0 is never.
fn since(now: u32, base: u32) -> [u16; 3] {
    WINDOWS.map(|window| now.saturating_add(1).saturating_sub(window).saturating_sub(base).max(1) as u16)
}

/// For each number of cells hit, the number of contacts that is expected to hit so many.
static ESTIMATES: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut contacts = 0.0;
    let estimate = |cells: usize| {
        // Where all are hit, there is no telling how many; half a cell less is the last word.
        let wanted = (cells as f64).min(CELLS as f64 - 0.5);
        for _ in 0..50 {
            let (expected, slope) = expected_cells(contacts);
            let step = (wanted - expected) / slope;
            contacts += step;
            if step.abs() <= contacts * 1e-9 {
                break;
            }
        }
        contacts as f32
    };
    (0..=CELLS).map(estimate).collect()
});

/// How many cells so many contacts hit on average, and how many more one more does.
fn expected_cells(contacts: f64) -> (f64, f64) {
    (0..RANKS).fold((0.0, 0.0), |(cells, slope), rank| {
        // The last rank takes all that is beyond.
        let share = 0.5f64.powi((rank + 1).min(RANKS - 1) as i32) / REGISTERS as f64;
        let missed = (-contacts * share).exp();
        (cells + REGISTERS as f64 * (1.0 - missed), slope + REGISTERS as f64 * share * missed)
    })
}

/// Up to so many contacts are counted exactly.
const FEW: usize = 16;
/// More err less and take more room: 64 err by 8.7 % in 2 KiB.
const REGISTERS: usize = 64;
/// Enough for two million contacts.
const RANKS: usize = 16;
const CELLS: usize = REGISTERS * RANKS;

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    fn hash(value: u64) -> u64 {
        foldhash::fast::FixedState::with_seed(0).hash_one(value)
    }

    /// The root mean square of the relative errors over 100 hosts with so many contacts each.
    fn error(contacts: u64) -> f64 {
        let squares: f64 = (0..100)
            .map(|host| {
                let mut seen = Contacts::default();
                (0..contacts).for_each(|contact| seen.hit(hash(host << 40 | contact), 10));
                let estimate = f64::from(seen.within(10)[0]);
                (estimate / contacts as f64 - 1.0).powi(2)
            })
            .sum();
        (squares / 100.0).sqrt()
    }

    #[test]
    fn the_last_tick_that_there_is_ends_a_window_like_any_other() {
        assert_eq!(since(u32::MAX, u32::MAX), [1; 3]);
    }

    #[test]
    fn few_contacts_are_counted_exactly_and_leave_their_window() {
        let mut contacts = Contacts::default();
        contacts.hit(7, 1);
        contacts.hit(7, 50);
        contacts.hit(8, 120);
        assert_eq!(contacts.within(120), [2.0, 2.0, 2.0]);
        assert_eq!(contacts.within(200), [1.0, 2.0, 2.0]);
        for contact in 1..=16 {
            assert_eq!(error(contact), 0.0);
        }
    }

    #[test]
    fn many_contacts_are_estimated_with_an_error_below_a_tenth() {
        for contacts in [17, 30, 64, 128, 300, 1000, 3000, 10_000, 30_000, 100_000] {
            let error = error(contacts);
            println!("{contacts} contacts: {:.1} %", error * 100.0);
            assert!(error < 0.105, "{contacts} contacts err by {error}");
        }
    }

    #[test]
    fn many_contacts_leave_their_windows() {
        let mut contacts = Contacts::default();
        (0..1000).for_each(|contact| contacts.hit(hash(contact), 1));
        (1000..1100).for_each(|contact| contacts.hit(hash(contact), 200));
        let [ten_seconds, minute, ten_minutes] = contacts.within(250);
        assert!((80.0..120.0).contains(&ten_seconds), "{ten_seconds}");
        assert!(minute > 900.0 && minute == ten_minutes);
        assert_eq!(contacts.within(10_000), [0.0; 3]);
    }

    #[test]
    fn a_long_time_later_old_hits_do_not_come_back() {
        let mut contacts = Contacts::default();
        (0..1000).for_each(|contact| contacts.hit(hash(contact), 1));
        for tick in [65_000, 70_000, 140_000, 10_000_000, u32::MAX - 1] {
            contacts.hit(hash(1), tick);
            assert!(contacts.within(tick)[2] < 1.5, "at {tick}");
        }
    }
}
