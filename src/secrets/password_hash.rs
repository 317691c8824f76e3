//! Argon2id hashes of passwords.
//!
//! The 19 MiB that a hash needs are on the stack of a thread of its own, which the system takes back when the thread ends. An
//! allocator keeps them for seconds, or until something else is allocated.

use std::thread;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};

use crate::error::{Error, Result};

/// The library's default, which is OWASP's recommendation: 19 MiB, two passes, one lane.
const BLOCKS: usize = Params::DEFAULT_M_COST as usize;
/// Twice what the blocks need. Only what is touched becomes memory.
const STACK_BYTES: usize = 2 * BLOCKS * Block::SIZE;

/// Hashes with a random salt, in the PHC string format.
///
/// # Errors
/// [`Error::Internal`] when there is no thread or no randomness.
pub(super) fn hash(password: &str) -> Result<String> {
    let mut bytes = [0; Salt::RECOMMENDED_LENGTH];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    let salt = Salt::new(&bytes).map_err(Error::internal)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::default()).map_err(Error::internal)?,
        salt: Some(salt),
        hash: Some(derive(password, &salt)?),
    };
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed.
///
/// # Errors
/// [`Error::Internal`] when this is no hash, or one with other parameters than [`hash`] uses.
pub(super) fn verify(password: &str, hash: &str) -> Result<bool> {
    let hash = PasswordHash::new(hash).map_err(Error::internal)?;
    let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && hash.params == ParamsString::try_from(&Params::default()).map_err(Error::internal)?;
    match (hash.salt, hash.hash) {
        (Some(salt), Some(expected)) if is_ours => Ok(derive(password, &salt)? == expected),
        _ => Err(Error::Internal("a password is hashed with unknown parameters".into())),
    }
}

fn derive(password: &str, salt: &[u8]) -> Result<Output> {
    let work = || {
        let mut blocks = [Block::new(); BLOCKS];
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        Argon2::default().hash_password_into_with_memory(
            password.as_bytes(),
            salt,
            &mut output,
            blocks.as_mut_slice(),
        )?;
        Output::new(&output).map_err(|_| argon2::Error::OutputTooLong)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("password".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).map_err(Error::internal)?;
        let ended = running.join().map_err(|_| Error::Internal("hashing a password panicked".into()))?;
        ended.map_err(Error::internal)
    })
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    const PASSWORD: &str = "correct horse battery staple";
    const SALT: &[u8] = b"0123456789abcdef";

    #[test]
    fn hashes_are_those_of_the_library() {
        let ours = hash(PASSWORD).unwrap();
        assert!(Argon2::default().verify_password(PASSWORD.as_bytes(), &PasswordHash::new(&ours).unwrap()).is_ok());
        let theirs = Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), SALT).unwrap().to_string();
        assert!(verify(PASSWORD, &theirs).unwrap());
    }

    #[test]
    fn another_password_does_not_verify() {
        let hash = hash(PASSWORD).unwrap();
        assert!(verify(PASSWORD, &hash).unwrap());
        for other in
            ["", "correct horse battery stapl", "correct horse battery staple ", "Correct horse battery staple"]
        {
            assert!(!verify(other, &hash).unwrap(), "{other:?}");
        }
    }

    #[test]
    fn each_hash_has_its_own_salt() {
        assert_ne!(hash(PASSWORD).unwrap(), hash(PASSWORD).unwrap());
    }

    #[test]
    fn what_is_no_hash_of_ours_is_an_error() {
        let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap())
            .hash_password_with_salt(PASSWORD.as_bytes(), SALT)
            .unwrap()
            .to_string();
        for hash in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", &weaker] {
            assert!(verify(PASSWORD, hash).is_err(), "{hash:?}");
        }
    }
}
