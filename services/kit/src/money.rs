//! Amounts: integer minor units of a currency inside, `google.type.Decimal` at the edge, and never
//! a float on the way.

use std::fmt;
use std::str::FromStr;

use souk_proto::google::r#type::Decimal;

/// A currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Currency {
    /// The US dollar.
    Usd,
}

impl Currency {
    /// The code of ISO 4217.
    pub fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
        }
    }

    /// How many decimals an amount has.
    pub fn decimals(self) -> u32 {
        match self {
            Self::Usd => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        match code {
            "USD" => Ok(Self::Usd),
            _ => Err(UnknownCurrency),
        }
    }
}

/// The code is not one of a currency that Souk knows.
#[derive(Debug, thiserror::Error)]
#[error("must be a currency that is supported: USD")]
pub struct UnknownCurrency;

/// An amount of a currency. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why a text is not an amount. The messages are meant for the caller.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a decimal number.
    #[error("must be a decimal number")]
    Syntax,
    /// Less than nothing.
    #[error("must not be negative")]
    Negative,
    /// More decimals than the currency has.
    #[error("must have at most {0} decimals")]
    Scale(u32),
    /// More than fits.
    #[error("is too large")]
    Overflow,
}

impl Money {
    /// An amount in minor units (cents).
    ///
    /// # Errors
    ///
    /// [`Invalid::Negative`].
    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, Invalid> {
        if minor < 0 { Err(Invalid::Negative) } else { Ok(Self { minor, currency }) }
    }

    /// Reads `599`, `599.0` or `599.00`; no sign but `-`, no exponent, no separators.
    ///
    /// # Errors
    ///
    /// See [`Invalid`].
    pub fn parse(text: &str, currency: Currency) -> Result<Self, Invalid> {
        match text.strip_prefix('-') {
            Some(positive) => Self::parse_unsigned(positive, currency).and(Err(Invalid::Negative)),
            None => Self::parse_unsigned(text, currency),
        }
    }

    fn parse_unsigned(text: &str, currency: Currency) -> Result<Self, Invalid> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(Invalid::Syntax),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(Invalid::Syntax);
        }
        let decimals = currency.decimals();
        let missing = usize::try_from(decimals)
            .ok()
            .and_then(|decimals| decimals.checked_sub(fraction.len()))
            .ok_or(Invalid::Scale(decimals))?;
        let minor = format!("{whole}{fraction}{}", "0".repeat(missing));
        minor.parse().map(|minor| Self { minor, currency }).map_err(|_| Invalid::Overflow)
    }

    /// Minor units (cents).
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The price of `quantity` units; `None` when it does not fit.
    pub fn times(self, quantity: i32) -> Option<Self> {
        let minor = self.minor.checked_mul(i64::from(quantity))?;
        Self::from_minor(minor, self.currency).ok()
    }

    /// The sum; `None` when it does not fit or the currencies differ.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Some(Self { minor: self.minor.checked_add(other.minor)?, currency: self.currency })
    }
}

/// All decimals of the currency: `599.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let unit = 10_i64.pow(decimals);
        let width = usize::try_from(decimals).unwrap_or_default();
        match decimals {
            0 => write!(f, "{}", self.minor),
            _ => write!(f, "{}.{:0width$}", self.minor / unit, self.minor % unit),
        }
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        Self { value: money.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<i64, Invalid> {
        Money::parse(text, Currency::Usd).map(Money::minor)
    }

    #[test]
    fn an_amount_keeps_its_exact_digits() {
        assert_eq!(parse("599.00"), Ok(59_900));
        assert_eq!(parse("0.1"), Ok(10));
        assert_eq!(parse("19"), Ok(1_900));
        assert_eq!(parse("92233720368547758.07"), Ok(i64::MAX));
    }

    #[test]
    fn what_is_not_an_amount_is_refused_with_the_reason() {
        assert_eq!(parse("1.999"), Err(Invalid::Scale(2)));
        assert_eq!(parse("-1.00"), Err(Invalid::Negative));
        assert_eq!(parse("92233720368547758.08"), Err(Invalid::Overflow));
        for text in ["", ".", "1.", ".5", "+1", "1e3", "1,000", "NaN", "--1", " 1", "１"] {
            assert_eq!(parse(text), Err(Invalid::Syntax), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_reads_back_as_itself(minor in 0..=i64::MAX) {
            let money = Money::from_minor(minor, Currency::Usd).unwrap();
            prop_assert_eq!(Money::parse(&money.to_string(), Currency::Usd), Ok(money));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = Money::parse(&text, Currency::Usd);
        }
    }
}
