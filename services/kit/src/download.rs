//! Which bytes of a resource a request asks for, as the policy of a download has it.

use std::ops::Range;

/// The part of a resource of `size` bytes that begins at `offset`, and has `limit` bytes at most: see
/// `souk.policy.v1.Download`. What lies behind the end is nothing, and so is a limit that is negative.
pub fn part(offset: i64, limit: i64, size: u64) -> Range<u64> {
    let first = match u64::try_from(offset) {
        Ok(first) => first.min(size),
        Err(_) => size.saturating_sub(offset.unsigned_abs()),
    };
    let most = if limit == 0 { size } else { u64::try_from(limit).unwrap_or_default() };
    first..first.saturating_add(most).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_there_is_of_what_was_asked_for() {
        for (offset, limit, expected) in [
            (0, 0, 0..10),
            (0, 3, 0..3),
            (4, 0, 4..10),
            (4, 99, 4..10),
            (-3, 0, 7..10),
            (-3, 1, 7..8),
            (-99, 0, 0..10),
            (10, 0, 10..10),
            (i64::MAX, i64::MAX, 10..10),
            (i64::MIN, i64::MAX, 0..10),
            (3, -1, 3..3),
        ] {
            assert_eq!(part(offset, limit, 10), expected, "{offset} {limit}");
        }
        assert_eq!(part(0, 0, 0), 0..0);
        assert_eq!(part(-1, 1, 0), 0..0);
    }
}
