//! When a delivery is tried again.

use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The delays between the attempts, in seconds: 73 hours and 47 minutes. A receiver that is down from Friday
/// to Monday misses nothing.
const DELAYS: [u64; 15] = [
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    10 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
];

/// The longest that a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(12 * HOUR);

/// How long to wait after this many attempts that failed (1 after the first), or `None` to give up. `jitter`
/// is a random number in `[0, 1)`, which takes a fifth away or adds one, so that deliveries which failed
/// together do not come again together. What a receiver asks for (`Retry-After`) makes the wait no shorter.
#[must_use]
pub fn next(attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Option<Duration> {
    let failed_before = usize::try_from(attempt.saturating_sub(1)).ok()?;
    let delay = Duration::from_secs(*DELAYS.get(failed_before)?).mul_f64(factor(jitter));
    Some(delay.max(retry_after.unwrap_or_default().min(LONGEST)))
}

/// 0.8 to 1.2.
fn factor(jitter: f64) -> f64 {
    // a number that is none must not end the process
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    0.8 + 0.4 * jitter
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;

    fn all(jitter: f64) -> Vec<Duration> {
        (1..).map_while(|attempt| next(attempt, jitter, None)).collect()
    }

    fn any_wish() -> impl Strategy<Value = Option<Duration>> {
        prop::option::of(any::<u64>().prop_map(Duration::from_secs))
    }

    #[test]
    fn there_are_sixteen_attempts_and_the_first_retry_comes_soon() {
        let delays = all(MIDDLE);
        assert_eq!(delays.len() + 1, 16);
        assert_eq!(delays.first(), Some(&Duration::from_secs(5)));
        assert_eq!(delays.last(), Some(&Duration::from_secs(12 * HOUR)));
        assert_eq!(next(u32::MAX, MIDDLE, None), None);
    }

    #[test]
    fn it_is_tried_for_three_days_and_for_less_than_four() {
        let hours = |jitter| all(jitter).iter().sum::<Duration>().as_secs_f64() / 3600.0;
        assert!((72.0..74.0).contains(&hours(MIDDLE)));
        assert!(hours(0.0) > 59.0);
        assert!(hours(1.0) < 90.0);
    }

    #[test]
    fn no_number_breaks_the_schedule() {
        for jitter in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN] {
            assert_eq!(all(jitter).len(), all(MIDDLE).len());
        }
    }

    proptest! {
        #[test]
        fn delays_grow(jitter in 0.0..1.0) {
            prop_assert!(all(jitter).is_sorted());
        }

        #[test]
        fn jitter_moves_a_delay_by_a_fifth_at_most(attempt in 1u32..=15, jitter in 0.0..1.0) {
            let delay = next(attempt, MIDDLE, None).unwrap();
            let moved = next(attempt, jitter, None).unwrap();
            prop_assert!(delay.mul_f64(0.799_999) <= moved && moved <= delay.mul_f64(1.200_001));
        }

        #[test]
        fn a_wish_never_shortens_and_never_ends_the_schedule(
            attempt: u32, jitter in 0.0..1.0, wish in any_wish()
        ) {
            let (with, without) = (next(attempt, jitter, wish), next(attempt, jitter, None));
            prop_assert_eq!(with.is_some(), without.is_some());
            prop_assert!(with >= without);
        }

        #[test]
        fn a_wish_is_granted_up_to_half_a_day(
            attempt in 1u32..=15, jitter in 0.0..1.0, wish: u64
        ) {
            let wish = Duration::from_secs(wish);
            let delay = next(attempt, jitter, Some(wish)).unwrap();
            prop_assert!(delay >= wish.min(LONGEST));
            prop_assert!(delay <= next(attempt, jitter, None).unwrap().max(LONGEST));
        }
    }
}
