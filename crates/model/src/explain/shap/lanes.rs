//! Numbers for some points of integration, side by side as a processor's registers hold them.

/// One number for each of some points.
pub(super) trait Lanes: Copy + Send + Sync {
    /// How many points there are.
    const COUNT: usize;

    /// The numbers that a function makes of the points' places.
    fn from_fn(number: impl FnMut(usize) -> f64) -> Self;

    /// Each number times its fellow.
    fn times(self, other: Self) -> Self;

    /// Each number and its fellow.
    fn plus(self, other: Self) -> Self;

    /// Each number without its fellow.
    fn less(self, other: Self) -> Self;

    /// All numbers together, halves upon halves: in the same order on every machine.
    fn sum(self) -> f64;

    /// The same number for all points.
    #[inline(always)]
    fn all(number: f64) -> Self {
        Self::from_fn(|_| number)
    }
}

/// Eight points: one register of 512 bits, or two of 256.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Wide([f64; 8]);

/// Four points: one register of 256 bits.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Narrow([f64; 4]);

impl Lanes for Wide {
    const COUNT: usize = 8;

    #[inline(always)]
    fn from_fn(number: impl FnMut(usize) -> f64) -> Wide {
        Wide(std::array::from_fn(number))
    }

    #[inline(always)]
    fn times(self, other: Wide) -> Wide {
        Wide(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
    }

    #[inline(always)]
    fn plus(self, other: Wide) -> Wide {
        Wide(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    fn less(self, other: Wide) -> Wide {
        Wide(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }

    #[inline(always)]
    fn sum(self) -> f64 {
        let of = self.0;
        ((of[0] + of[4]) + (of[2] + of[6])) + ((of[1] + of[5]) + (of[3] + of[7]))
    }
}

impl Lanes for Narrow {
    const COUNT: usize = 4;

    #[inline(always)]
    fn from_fn(number: impl FnMut(usize) -> f64) -> Narrow {
        Narrow(std::array::from_fn(number))
    }

    #[inline(always)]
    fn times(self, other: Narrow) -> Narrow {
        Narrow(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
    }

    #[inline(always)]
    fn plus(self, other: Narrow) -> Narrow {
        Narrow(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    fn less(self, other: Narrow) -> Narrow {
        Narrow(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }

    #[inline(always)]
    fn sum(self) -> f64 {
        let of = self.0;
        (of[0] + of[2]) + (of[1] + of[3])
    }
}
