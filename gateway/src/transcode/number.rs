//! Numbers as text: JSON's grammar, exact integers, shortest floats.

use std::str::FromStr;

use super::error::Issue;
use super::scalar::Scalar;
use super::wire::{put_varint, zigzag};

/// How long the JSON number at the start of `bytes` is.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && bytes[sign] == b'0') {
        return None;
    }
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    Some(end)
}

/// Whether the whole text is a JSON number.
pub(super) fn is_number(text: &str) -> bool {
    number_length(text.as_bytes()) == Some(text.len())
}

/// The value of a JSON number if it is whole: `12`, `12.0`, `1.2e1`. What is too large for an
/// `i128` becomes its largest or smallest value, which no field can hold either.
pub(super) fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let negative = digits.len() < text.len();
    let magnitude = if digits.len() < 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.bytes().fold(0, |value: u64, digit| value * 10 + u64::from(digit - b'0')).into()
    } else {
        whole_decimal(digits)?
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn whole_decimal(text: &str) -> Option<i128> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let trailing_zeros = digits.len() - digits.trim_end_matches('0').len();
    let Ok(exponent) = exponent.parse::<i64>() else {
        return if exponent.starts_with('-') { None } else { Some(i128::MAX) };
    };
    let scale = exponent.checked_sub(fraction.len() as i64)?.checked_add(trailing_zeros as i64)?;
    if scale < 0 {
        return None;
    }
    let power = u32::try_from(scale).ok().and_then(|scale| 10i128.checked_pow(scale));
    let value = significant.parse::<i128>().ok().zip(power);
    Some(value.and_then(|(value, power)| value.checked_mul(power)).unwrap_or(i128::MAX))
}

/// Appends a number, written as JSON writes it, to the wire bytes of a numeric field.
pub(super) fn put_number(out: &mut Vec<u8>, scalar: Scalar, text: &str) -> Result<(), Issue> {
    match scalar {
        Scalar::Double => {
            let value = float(text, f64::is_finite)?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        Scalar::Float => {
            let value = float(text, f32::is_finite)?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        Scalar::Int32 => put_varint(out, i64::from(int::<i32>(text)?) as u64),
        Scalar::Int64 => put_varint(out, int::<i64>(text)? as u64),
        Scalar::Uint32 => put_varint(out, int::<u32>(text)?.into()),
        Scalar::Uint64 => put_varint(out, int::<u64>(text)?),
        Scalar::Sint32 => put_varint(out, zigzag(int::<i32>(text)?.into())),
        Scalar::Sint64 => put_varint(out, zigzag(int::<i64>(text)?)),
        Scalar::Fixed32 => out.extend_from_slice(&int::<u32>(text)?.to_le_bytes()),
        Scalar::Fixed64 => out.extend_from_slice(&int::<u64>(text)?.to_le_bytes()),
        Scalar::Sfixed32 => out.extend_from_slice(&int::<i32>(text)?.to_le_bytes()),
        Scalar::Sfixed64 => out.extend_from_slice(&int::<i64>(text)?.to_le_bytes()),
        Scalar::Bool => return Err("must be true or false".into()),
        Scalar::String | Scalar::Bytes => return Err("must be a string".into()),
    }
    Ok(())
}

/// Appends a number that stands in quotation marks or in a parameter.
pub(super) fn put_quoted_number(
    out: &mut Vec<u8>,
    scalar: Scalar,
    text: &str,
) -> Result<(), Issue> {
    let special = match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if is_number(text) => return put_number(out, scalar, text),
        _ => return Err(not_a_number(scalar).into()),
    };
    match scalar {
        Scalar::Double => out.extend_from_slice(&special.to_le_bytes()),
        Scalar::Float => out.extend_from_slice(&(special as f32).to_le_bytes()),
        _ => return Err(not_a_number(scalar).into()),
    }
    Ok(())
}

/// What to say of something that is no number where a field of this type needs one.
pub(super) fn not_a_number(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Double | Scalar::Float => "must be a number",
        _ => "must be an integer",
    }
}

fn float<T: FromStr + Copy>(text: &str, is_finite: fn(T) -> bool) -> Result<T, Issue> {
    let value = text.parse::<T>().map_err(|_| "must be a number")?;
    if is_finite(value) { Ok(value) } else { Err("is too large".into()) }
}

fn int<T: TryFrom<i128> + Bounded>(text: &str) -> Result<T, Issue> {
    let value = integer(text).ok_or("must be an integer")?;
    T::try_from(value).map_err(|_| T::RANGE.into())
}

trait Bounded {
    /// What to say of an integer that the type cannot hold.
    const RANGE: &str;
}

impl Bounded for i32 {
    const RANGE: &str = "must be an integer from -2147483648 to 2147483647";
}

impl Bounded for u32 {
    const RANGE: &str = "must be an integer from 0 to 4294967295";
}

impl Bounded for i64 {
    const RANGE: &str = "must be an integer from -9223372036854775808 to 9223372036854775807";
}

impl Bounded for u64 {
    const RANGE: &str = "must be an integer from 0 to 18446744073709551615";
}

/// Appends the shortest text that reads back as the same float.
pub(super) fn put_float<F: zmij::Float>(out: &mut Vec<u8>, value: F) {
    let mut buffer = zmij::Buffer::new();
    let text = match buffer.format(value) {
        special @ ("NaN" | "inf" | "-inf") => match special {
            "inf" => "\"Infinity\"",
            "-inf" => "\"-Infinity\"",
            _ => "\"NaN\"",
        },
        finite => finite.strip_suffix(".0").unwrap_or(finite),
    };
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// 64-bit integers stand in quotation marks: JavaScript would round them.
pub(super) fn put_quoted_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    put_integer(out, value);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_exact_however_they_are_written() {
        let cases = [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("12.0", Some(12)),
            ("1.25e2", Some(125)),
            ("1250e-1", Some(125)),
            ("-1E3", Some(-1000)),
            ("0e999999999999999999999", Some(0)),
            ("9223372036854775807", Some(i64::MAX.into())),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("1e999999999999999999999", Some(i128::MAX)),
            ("1e60", Some(i128::MAX)),
            ("1e-999999999999999999999", None),
            ("1.5", None),
            ("1e-1", None),
        ];
        for (text, expected) in cases {
            assert!(is_number(text), "{text}");
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for text in ["", "-", "01", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", " 1", "1 ", "١"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
