//! Passwords: which ones are taken, and how they are hashed.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use souk_kit::secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::Error;
use crate::accounts::{Email, Name};

/// OWASP's floor for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at a time: each takes a core and 19 MiB.
const RUNNING: usize = 2;
/// How many may wait for their turn: about a second's worth.
const WAITING: usize = 64;

/// The contract's limits, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=128;

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

/// What a password turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the one.
    Wrong,
    /// The one.
    Right,
    /// The one, but hashed with parameters that are no longer ours.
    Outdated,
}

/// Hashes passwords, a few at a time.
#[derive(Debug, Clone)]
pub struct Hasher {
    /// Those under way and those that wait.
    places: Arc<Semaphore>,
    /// Those under way.
    turns: Arc<Semaphore>,
    /// The hash of a password that nobody has, for accounts that do not exist.
    nobodys: Arc<str>,
}

impl Hasher {
    /// A hasher with its own queue.
    pub async fn start() -> Result<Self, Error> {
        let mut hasher = Self {
            places: Arc::new(Semaphore::new(RUNNING + WAITING)),
            turns: Arc::new(Semaphore::new(RUNNING)),
            nobodys: "".into(),
        };
        hasher.nobodys = hasher.hash(&secret::random_token()?).await?.into();
        Ok(hasher)
    }

    /// The PHC string of a password, with a new salt.
    pub async fn hash(&self, password: &SecretString) -> Result<String, Error> {
        let password = password.clone();
        let hash = move || argon2()?.hash_password(password.expose_secret().as_bytes());
        Ok(self.run(hash).await?.to_string())
    }

    /// Compares a password with the hash of an account. Without an account it costs the same, and
    /// is wrong.
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<Verdict, Error> {
        let password = password.clone();
        let exists = stored.is_some();
        let stored = stored.unwrap_or(&self.nobodys).to_owned();
        let verdict = self.run(move || verify(&password, &stored)).await?;
        Ok(if exists { verdict } else { Verdict::Wrong })
    }

    /// Runs one hash when its turn comes; refuses at once when too many wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Error> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return Err(Error::Busy),
        };
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        // the work goes on when its caller has left: it keeps its turn until it is done
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        Ok(done.await??)
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn verify(password: &SecretString, stored: &str) -> Result<Verdict, HashError> {
    let stored = PasswordHash::new(stored)?;
    match argon2()?.verify_password(password.expose_secret().as_bytes(), &stored) {
        Ok(()) if is_current(&stored) => Ok(Verdict::Right),
        Ok(()) => Ok(Verdict::Outdated),
        Err(HashError::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(error) => Err(error),
    }
}

fn is_current(stored: &PasswordHash) -> bool {
    let ours = |params: Params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
    };
    stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && Params::try_from(stored).is_ok_and(ours)
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

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_right_but_outdated() {
        let hasher = Hasher::start().await.unwrap();
        let password = "correct horse battery".into();
        let weaker = Params::new(8 * 1024, 1, 1, None).unwrap();
        let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, weaker);
        let old = weaker.hash_password(b"correct horse battery").unwrap().to_string();
        let new = hasher.hash(&password).await.unwrap();
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(hasher.verify(&password, Some(&old)).await.unwrap(), Verdict::Outdated);
        assert_eq!(hasher.verify(&password, Some(&new)).await.unwrap(), Verdict::Right);
        assert_eq!(hasher.verify(&"another".into(), Some(&new)).await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify(&password, None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let hasher = Hasher::start().await.unwrap();
        let _others = hasher.places.clone().acquire_many_owned(66).await.unwrap();
        let refused = hasher.hash(&"correct horse battery".into()).await;
        assert!(matches!(refused, Err(Error::Busy)));
    }
}
