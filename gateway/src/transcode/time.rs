//! google.protobuf.Timestamp as RFC 3339, google.protobuf.Duration as seconds.

use super::error::{Fault, Issue, WireError};
use super::number::put_integer;

/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;
/// Ten thousand years.
const LONGEST_DURATION: u64 = 315_576_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Seconds and nanoseconds of a point in time or of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub seconds: i64,
    pub nanos: i32,
}

/// Reads RFC 3339: `2025-01-31T23:59:59.5+01:00`, with capital `T` and `Z`.
pub(super) fn parse_timestamp(text: &str) -> Result<Time, Issue> {
    let issue = "must be a time like 2025-01-31T23:59:59Z";
    match read_timestamp(text.as_bytes()).ok_or(issue)? {
        time if (FIRST_SECOND..=LAST_SECOND).contains(&time.seconds) => Ok(time),
        _ => Err("must be a time in the years 1 to 9999".into()),
    }
}

fn read_timestamp(text: &[u8]) -> Option<Time> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    let separators = [date[4], date[7], clock[0], clock[3], clock[6]];
    if separators != *b"--T::" {
        return None;
    }
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    let (hour, minute, second) =
        (digits(&clock[1..3])?, digits(&clock[4..6])?, digits(&clock[7..])?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let (nanos, zone) = read_fraction(rest)?;
    let seconds =
        days_from_civil(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second
            - read_offset(zone)?;
    Some(Time { seconds, nanos })
}

/// The nanoseconds after the decimal point, if there is one, and what follows.
fn read_fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some(fraction) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let value = digits(&fraction[..length])? * 10i64.pow(9 - length as u32);
    Some((value as i32, &fraction[length..]))
}

/// The seconds that a time zone is ahead of UTC.
fn read_offset(zone: &[u8]) -> Option<i64> {
    let (sign, clock) = match zone.split_first()? {
        (b'Z', []) => return Some(0),
        (b'+', clock) => (1, clock),
        (b'-', clock) => (-1, clock),
        _ => return None,
    };
    if clock.len() != 5 || clock[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&clock[..2])?, digits(&clock[3..])?);
    (hour < 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |value, byte| {
        let digit = byte.is_ascii_digit().then_some(i64::from(byte.wrapping_sub(b'0')))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends a point in time as RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second's fraction.
pub(super) fn put_timestamp(out: &mut Vec<u8>, time: Time) -> Result<(), Fault> {
    if !(FIRST_SECOND..=LAST_SECOND).contains(&time.seconds) {
        return Err(WireError::new("is a time outside the years 1 to 9999"));
    }
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(WireError::new("is a time with nanoseconds out of range"));
    }
    let (year, month, day) = civil_from_days(time.seconds.div_euclid(SECONDS_A_DAY));
    let second = time.seconds.rem_euclid(SECONDS_A_DAY) as u32;
    let mut text = *b"\"0000-00-00T00:00:00";
    put_two_digits(&mut text, 1, year / 100);
    put_two_digits(&mut text, 3, year % 100);
    put_two_digits(&mut text, 6, month);
    put_two_digits(&mut text, 9, day);
    put_two_digits(&mut text, 12, second / 3600);
    put_two_digits(&mut text, 15, second / 60 % 60);
    put_two_digits(&mut text, 18, second % 60);
    out.extend_from_slice(&text);
    put_fraction(out, time.nanos as u32);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

fn put_two_digits(text: &mut [u8; 20], at: usize, value: u32) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

fn put_fraction(out: &mut Vec<u8>, nanos: u32) {
    if nanos == 0 {
        return;
    }
    let mut text = *b".000000000";
    let mut rest = nanos;
    for digit in text[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let length = match nanos {
        _ if nanos.is_multiple_of(1_000_000) => 3,
        _ if nanos.is_multiple_of(1_000) => 6,
        _ => 9,
    };
    out.extend_from_slice(&text[..=length]);
}

/// Reads seconds: `1.5s`, `-3s`.
pub(super) fn parse_duration(text: &str) -> Result<Time, Issue> {
    let time = read_duration(text.as_bytes()).ok_or("must be a duration like 1.5s")?;
    if time.seconds.unsigned_abs() > LONGEST_DURATION {
        return Err("must be at most 315576000000s".into());
    }
    Ok(time)
}

fn read_duration(text: &[u8]) -> Option<Time> {
    let number = text.strip_suffix(b"s")?;
    let magnitude = number.strip_prefix(b"-").unwrap_or(number);
    let sign = if magnitude.len() < number.len() { -1 } else { 1 };
    let length = magnitude.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (whole, fraction) = magnitude.split_at(length);
    let (nanos, rest) = read_fraction(fraction)?;
    let seconds = digits(whole).unwrap_or(i64::MAX);
    rest.is_empty().then_some(Time { seconds: seconds * sign, nanos: nanos * sign as i32 })
}

/// Appends a span as seconds, with 0, 3, 6 or 9 digits of a second's fraction.
pub(super) fn put_duration(out: &mut Vec<u8>, time: Time) -> Result<(), Fault> {
    let nanos = i64::from(time.nanos);
    if time.seconds.unsigned_abs() > LONGEST_DURATION || nanos.abs() >= 1_000_000_000 {
        return Err(WireError::new("is a duration out of range"));
    }
    if time.seconds.signum() * nanos.signum() < 0 {
        return Err(WireError::new("is a duration of two signs"));
    }
    out.push(b'"');
    if time.seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    put_integer(out, time.seconds.unsigned_abs());
    put_fraction(out, time.nanos.unsigned_abs());
    out.extend_from_slice(b"s\"");
    Ok(())
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01. The algorithm is Howard Hinnant's: years begin in March, so that the leap
/// day is the last of its year, and 400 years have 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// The other way, for days from the year 1 on.
fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let days = (days + 719_468) as u32;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + days / 146_097 * 400 + u32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_reads_back() {
        for days in FIRST_SECOND / SECONDS_A_DAY..=LAST_SECOND / SECONDS_A_DAY {
            let (year, month, day) = civil_from_days(days);
            let (year, month, day) = (year.into(), month.into(), day.into());
            assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(19_782), (2024, 2, 29));
    }

    #[test]
    fn offsets_and_fractions_count() {
        let time = |text| parse_timestamp(text).map(|time| (time.seconds, time.nanos));
        assert_eq!(time("1970-01-01T00:00:00Z"), Ok((0, 0)));
        assert_eq!(time("1970-01-01T01:00:00.5+01:00"), Ok((0, 500_000_000)));
        assert_eq!(time("1969-12-31T23:59:59.000000001-00:30"), Ok((1799, 1)));
        assert_eq!(time("9999-12-31T23:59:59.999999999Z"), Ok((LAST_SECOND, 999_999_999)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2025",
            "2025-01-31",
            "2025-01-31T23:59:59",
            "2025-01-31t23:59:59Z",
            "2025-01-31 23:59:59Z",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00.1234567890Z",
            "2025-01-01T00:00:00+0100",
            "2025-01-01T00:00:00+24:00",
            "2025-01-01T00:00:00ZZ",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "2025-01-01T00:00:0é",
        ] {
            assert!(parse_timestamp(text).is_err(), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "-s",
            "1.s",
            ".5s",
            "+1s",
            "1e3s",
            "315576000001s",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
