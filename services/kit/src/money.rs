//! Amounts: integer minor units of a currency inside, `google.type.Decimal` at the edge, and never
//! a float on the way.

use std::fmt;
use std::iter::repeat_n;
use std::str::FromStr;

use souk_proto::google::r#type::Decimal;

/// A currency of ISO 4217 that has a minor unit, if only one that equals the major one (JPY).
///
/// Gold, test codes and the like (XAU, XTS, XXX) are none; what ISO has withdrawn lately still is,
/// so that amounts of yesterday can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The US dollar.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The code of ISO 4217.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals an amount has: 0–4.
    pub fn decimals(self) -> u32 {
        // there is one: see `from_str`
        self.0.exponent().unwrap_or_default().into()
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Reads a code of three capital letters.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let currency = iso_currency::Currency::from_code(code).ok_or(UnknownCurrency)?;
        currency.exponent().map(|_| Self(currency)).ok_or(UnknownCurrency)
    }
}

/// The code is not one of a currency in which there are prices.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the code of a currency (ISO 4217), for example USD")]
pub struct UnknownCurrency;

/// The characters of the longest amount: the digits of an `i64` and a point.
const LONGEST: usize = 20;

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

    /// Nothing of a currency.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
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
        let mut digits = whole.bytes().chain(fraction.bytes()).chain(repeat_n(b'0', missing));
        let minor = digits.try_fold(0_i64, |minor, digit| {
            minor.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        });
        Ok(Self { minor: minor.ok_or(Invalid::Overflow)?, currency })
    }

    /// The amount with all decimals of the currency, written from the end of a buffer.
    fn write(self, buffer: &mut [u8; LONGEST]) -> &str {
        let decimals = self.currency.decimals();
        let (mut rest, mut start) = (self.minor.unsigned_abs(), buffer.len());
        for written in 0.. {
            if written > decimals && rest == 0 {
                break;
            }
            if written == decimals && decimals > 0 {
                start -= 1;
                buffer[start] = b'.';
            }
            start -= 1;
            buffer[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        std::str::from_utf8(&buffer[start..]).unwrap_or_default()
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

    /// The difference; `None` when it is less than nothing or the currencies differ.
    pub fn minus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Self::from_minor(self.minor.checked_sub(other.minor)?, self.currency).ok()
    }
}

/// All decimals of the currency: `599.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; LONGEST]))
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        Self { value: money.write(&mut [0; LONGEST]).to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn parse(text: &str) -> Result<i64, Invalid> {
        parse_in("USD", text)
    }

    fn parse_in(code: &str, text: &str) -> Result<i64, Invalid> {
        Money::parse(text, currency(code)).map(Money::minor)
    }

    fn write(code: &str, minor: i64) -> String {
        Money::from_minor(minor, currency(code)).unwrap().to_string()
    }

    #[test]
    fn an_amount_keeps_its_exact_digits() {
        assert_eq!(parse("599.00"), Ok(59_900));
        assert_eq!(parse("0.1"), Ok(10));
        assert_eq!(parse("19"), Ok(1_900));
        assert_eq!(parse("00000000000000000000019.5"), Ok(1_950));
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

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        assert_eq!(parse_in("JPY", "599"), Ok(599));
        assert_eq!(parse_in("JPY", "599.0"), Err(Invalid::Scale(0)));
        assert_eq!(parse_in("KWD", "1.5"), Ok(1_500));
        assert_eq!(parse_in("CLF", "1.00005"), Err(Invalid::Scale(4)));

        assert_eq!(write("JPY", 0), "0");
        assert_eq!(write("JPY", i64::MAX), "9223372036854775807");
        assert_eq!(write("USD", 5), "0.05");
        assert_eq!(write("KWD", 1_500), "1.500");
        assert_eq!(write("CLF", 1), "0.0001");
        assert_eq!(write("CLF", i64::MAX), "922337203685477.5807");
    }

    #[test]
    fn what_has_no_minor_unit_is_no_currency_for_a_price() {
        let codes = ["XXX", "XTS", "XAU", "XAG", "XDR", "XBA", "XSU", "XUA"];
        for code in codes.into_iter().chain(["usd", "US", "USDX", "", "QQQ", "US$", "€"]) {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn currencies_of_the_world_are_known() {
        for (code, decimals) in [
            ("USD", 2),
            ("EUR", 2),
            ("INR", 2),
            ("ZWG", 2),
            ("XCG", 2),
            ("XOF", 0),
            ("JPY", 0),
            ("ISK", 0),
            ("KWD", 3),
            ("TND", 3),
            ("UYW", 4),
            ("CLF", 4),
        ] {
            assert_eq!(currency(code).code(), code);
            assert_eq!(currency(code).decimals(), decimals, "{code}");
        }
    }

    #[test]
    fn amounts_of_different_currencies_have_no_sum() {
        let one = |code| Money::from_minor(1, currency(code)).unwrap();
        assert_eq!(one("EUR").plus(one("USD")), None);
        assert_eq!(one("EUR").plus(one("EUR")).map(Money::minor), Some(2));
    }

    /// Currencies of every number of decimals.
    fn currencies() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["JPY", "USD", "EUR", "KWD", "CLF"]).prop_map(currency)
    }

    proptest! {
        #[test]
        fn every_amount_reads_back_as_itself(minor in 0..=i64::MAX, currency in currencies()) {
            let money = Money::from_minor(minor, currency).unwrap();
            prop_assert_eq!(Money::parse(&money.to_string(), currency), Ok(money));
        }

        #[test]
        fn an_amount_is_what_its_digits_say(
            whole in 0..=1_000_000_000_000_i64,
            fraction in "[0-9]{0,5}",
            currency in currencies(),
        ) {
            let point = if fraction.is_empty() { "" } else { "." };
            let parsed = Money::parse(&format!("{whole}{point}{fraction}"), currency);
            let decimals = currency.decimals() as usize;
            if fraction.len() > decimals {
                prop_assert_eq!(parsed, Err(Invalid::Scale(currency.decimals())));
            } else {
                let minor = format!("{whole}{fraction:0<decimals$}").parse().unwrap();
                prop_assert_eq!(parsed.map(Money::minor), Ok(minor));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*", currency in currencies()) {
            let _ = Money::parse(&text, currency);
        }
    }
}
