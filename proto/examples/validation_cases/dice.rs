//! Choices that are the same in every run.

/// A linear congruential generator (the constants are Knuth's MMIX).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = usize::try_from(self.0 >> 33).unwrap_or_default();
        values.get(number.checked_rem(values.len())?)
    }
}
