//! The hash of a password: argon2id (RFC 9106), as a PHC string, which carries its parameters.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{Error, Result, try_generate_salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// OWASP's floor for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// In bytes, as that of the salt (16) what RFC 9106 recommends.
const OUTPUT_LEN: usize = 32;

/// What a hash with our parameters works in, in blocks of 1 KiB. The next hash may work in the same, and
/// writes over it.
pub const BLOCKS: usize = MEMORY_KIB as usize;

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

/// The PHC string of a password, with a new salt.
pub fn hash(password: &SecretString, memory: &mut [Block]) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_LEN))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = Salt::new(&try_generate_salt()?)?;
    let mut output = [0; OUTPUT_LEN];
    compute(&argon2, password, &salt, &mut output, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(Output::new(&output)?),
    };
    Ok(hash.to_string())
}

/// Compares a password with a hash of any parameters.
pub fn verify(password: &SecretString, stored: &str, memory: &mut [Block]) -> Result<Verdict> {
    let stored = PasswordHash::new(stored)?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Ok(Verdict::Wrong);
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
    let version = stored.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    compute(&argon2, password, salt, output, memory)?;
    Ok(match bool::from(output.ct_eq(expected.as_bytes())) {
        false => Verdict::Wrong,
        true if is_current(&stored, argon2.params()) => Verdict::Right,
        true => Verdict::Outdated,
    })
}

fn compute(
    argon2: &Argon2<'_>,
    password: &SecretString,
    salt: &Salt,
    output: &mut [u8],
    memory: &mut [Block],
) -> Result<()> {
    let password = password.expose_secret().as_bytes();
    let needed = argon2.params().block_count();
    if needed <= memory.len() {
        return Ok(argon2.hash_password_into_with_memory(password, salt, output, memory)?);
    }
    // a hash of parameters that are stronger than ours
    let mut larger = Vec::new();
    larger.try_reserve_exact(needed).map_err(|_| Error::OutOfMemory)?;
    larger.resize(needed, Block::new());
    let done = argon2.hash_password_into_with_memory(password, salt, output, &mut larger);
    wipe(&mut larger);
    Ok(done?)
}

/// Leaves nothing of what was hashed last.
pub fn wipe(memory: &mut [Block]) {
    for block in memory {
        block.as_mut().zeroize();
    }
}

fn is_current(stored: &PasswordHash, params: &Params) -> bool {
    stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    const PASSWORD: &str = "correct horse battery";

    fn theirs(memory_kib: u32, passes: u32, lanes: u32) -> Argon2<'static> {
        let params = Params::new(memory_kib, passes, lanes, None).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    #[test]
    fn a_hash_is_a_phc_string_that_others_understand() {
        let mut memory = vec![Block::new(); BLOCKS];
        let first = hash(&PASSWORD.into(), &mut memory).unwrap();
        let second = hash(&PASSWORD.into(), &mut memory).unwrap();
        assert_ne!(first, second);
        for hash in [first, second] {
            let [_, algorithm, version, params, salt, output] =
                hash.split('$').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!((algorithm, version, params), ("argon2id", "v=19", "m=19456,t=2,p=1"));
            // 16 and 32 bytes in base64
            assert_eq!((salt.len(), output.len()), (22, 43));
            assert!(Argon2::default().verify_password(PASSWORD.as_bytes(), &*hash).is_ok());
        }
    }

    #[test]
    fn a_hash_of_other_parameters_is_right_but_outdated() {
        let mut memory = vec![Block::new(); BLOCKS];
        let ours = hash(&PASSWORD.into(), &mut memory).unwrap();
        for (memory_kib, passes, lanes) in [(24 * 1024, 1, 1), (8 * 1024, 1, 1), (1024, 3, 2)] {
            let old = theirs(memory_kib, passes, lanes).hash_password(PASSWORD.as_bytes()).unwrap();
            let mut check =
                |password: &str, hash: &str| verify(&password.into(), hash, &mut memory).unwrap();
            assert_eq!(check(PASSWORD, &old.to_string()), Verdict::Outdated);
            assert_eq!(check("another", &old.to_string()), Verdict::Wrong);
            assert_eq!(check(PASSWORD, &ours), Verdict::Right);
            assert_eq!(check("another", &ours), Verdict::Wrong);
        }
    }

    #[test]
    fn what_is_no_hash_is_an_error_and_lets_nobody_in() {
        let mut memory = vec![Block::new(); BLOCKS];
        for text in ["", "plain text", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$x"] {
            assert!(verify(&PASSWORD.into(), text, &mut memory).is_err(), "{text}");
        }
        let empty = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ";
        assert_eq!(verify(&PASSWORD.into(), empty, &mut memory).unwrap(), Verdict::Wrong);
    }
}
