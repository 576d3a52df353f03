//! Numbers that are the same for the same seed.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for one of many: however they are thrown, the others' are not moved.
    pub fn of(seed: u64, one: u64) -> Self {
        let mut dice = Self(seed ^ one.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.next();
        dice
    }

    /// A number below `limit`, which is more than 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Whether something happens that does so in so many of 100 cases.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    /// A time up to so many milliseconds.
    pub fn millis(&mut self, most: usize) -> Duration {
        Duration::from_millis(self.below(most + 1) as u64)
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}

/// A seed that nobody has chosen, short enough to be typed.
pub fn any_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) % 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_the_same_numbers_and_each_of_many_has_others() {
        let numbers = |mut dice: Dice| -> Vec<usize> { (0..20).map(|_| dice.below(100)).collect() };
        assert_eq!(numbers(Dice::of(7, 1)), numbers(Dice::of(7, 1)));
        assert_ne!(numbers(Dice::of(7, 1)), numbers(Dice::of(7, 2)));
        assert_ne!(numbers(Dice::of(7, 1)), numbers(Dice::of(8, 1)));
    }
}
