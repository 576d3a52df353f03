//! Passwords: which ones are taken.

use std::ops::RangeInclusive;

use secrecy::{ExposeSecret as _, SecretString};

use crate::account::{Email, Name};

/// The contract's limits, in characters.
const LENGTH: RangeInclusive<usize> = 12..=128;

/// The most common passwords of leaks: those with 12 characters or more, in lower case, of the
/// 20 000 that Royce Williams compiled (gist 226886fd01572964e1431ac8afc999ce) and Django 5.2.19
/// ships as `django/contrib/auth/common-passwords.txt.gz`, without the garbled ones.
const LEAKED: &str = include_str!("leaked_passwords.txt");

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too short or too long.
    #[error("must have 12 to 128 characters")]
    Length,
    /// The first that an attacker tries.
    #[error("is known from leaks: choose another one")]
    Leaked,
    /// The second.
    #[error("must not be the e-mail address or the name")]
    Personal,
}

/// Checks a new password. No rules of composition: they make passwords worse (NIST SP 800-63B).
pub fn check(password: &SecretString, email: &Email, name: &Name) -> Result<(), Weakness> {
    let password = password.expose_secret();
    if !LENGTH.contains(&password.chars().count()) {
        return Err(Weakness::Length);
    }
    let password = password.to_lowercase();
    if LEAKED.lines().any(|leaked| leaked == password) {
        return Err(Weakness::Leaked);
    }
    if [email.as_str(), name.as_str()].iter().any(|known| known.to_lowercase() == password) {
        return Err(Weakness::Personal);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(password: &str) -> Result<(), Weakness> {
        let email = Email::parse("Ada.Lovelace@example.com").unwrap();
        let name = Name::parse("Augusta Ada King").unwrap();
        check(&password.into(), &email, &name)
    }

    #[test]
    fn a_password_is_judged_by_its_length_and_by_who_may_know_it() {
        assert_eq!(checked("correct horse battery"), Ok(()));
        assert_eq!(checked("ein langer Satz, mit Ümläuten"), Ok(()));
        assert_eq!(checked("elevenchars"), Err(Weakness::Length));
        assert_eq!(checked(&"é".repeat(129)), Err(Weakness::Length));
        assert_eq!(checked("QWERTYuiop123"), Err(Weakness::Leaked));
        assert_eq!(checked("ada.lovelace@EXAMPLE.com"), Err(Weakness::Personal));
        assert_eq!(checked("augusta ada king"), Err(Weakness::Personal));
    }

    #[test]
    fn the_leaked_passwords_are_sorted_in_lower_case_and_long_enough_to_matter() {
        let all: Vec<_> = LEAKED.lines().collect();
        assert!(all.is_sorted());
        assert!(all.iter().all(|leaked| leaked.len() >= 12 && *leaked == leaked.to_lowercase()));
        assert!(all.len() > 100);
    }
}
