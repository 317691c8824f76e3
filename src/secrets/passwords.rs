//! Passwords: Argon2id hashes, a bounded number of them at a time, and what makes a password too weak.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// The fewest characters (NIST SP 800-63B-4, 3.1.1.2: a password that is the only factor).
const SHORTEST: usize = 15;
/// The most characters: far more than anyone types, and few enough that checking one costs little.
const LONGEST: usize = 256;
/// A password that a guesser finds within this many tries is common (10^8, the border between zxcvbn's scores 2 and 3).
const GUESSES: u64 = 100_000_000;
/// zxcvbn's time grows faster than the length; what lies behind this many characters is not needed to call it strong.
const LOOKED_AT: usize = 64;

/// So many characters must be left when the words of the place are taken out of a password.
const OWN: usize = 8;

/// Words that every deployment shares and that a guesser tries first; the caller adds those of the account.
const CONTEXT: [&str; 6] = ["belfry", "dingtalk", "lark", "wecom", "administrator", "robot"];

/// Hashes and checks passwords, only so many at a time: each takes 19 MiB. Clones share the bound.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than 15 characters.
    TooShort,
    /// More than 256 characters.
    TooLong,
    /// On the lists of common ones, or made of the product's, the tenant's or the person's own words.
    Common,
}

impl Weakness {
    /// The key of the text that says so.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::TooShort => "accounts-password-too-short",
            Self::TooLong => "accounts-password-too-long",
            Self::Common => "accounts-password-common",
        }
    }
}

/// What is wrong with a new password, if anything. `context` are the words that belong to its owner: username, tenant,
/// product name.
#[must_use]
pub fn weakness(password: &str, context: &[&str]) -> Option<Weakness> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Some(Weakness::TooShort);
    }
    if length > LONGEST {
        return Some(Weakness::TooLong);
    }
    let words: Vec<&str> = CONTEXT.iter().chain(context).copied().collect();
    let start: String = password.chars().take(LOOKED_AT).collect();
    let common = zxcvbn::zxcvbn(&start, &words).guesses() < GUESSES || left_without(&words, password) < OWN;
    common.then_some(Weakness::Common)
}

/// How many characters are left of a password without the words that belong to its place.
fn left_without(words: &[&str], password: &str) -> usize {
    let mut left = password.to_lowercase();
    for word in words.iter().filter(|word| word.chars().count() >= 4) {
        left = left.replace(&word.to_lowercase(), "");
    }
    left.chars().count()
}

impl Passwords {
    /// At most this many hashes at a time.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_a_time)) }
    }

    /// Hashes a password for the database, with a salt of its own.
    ///
    /// # Errors
    /// [`Error::Internal`] when hashing fails.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(Error::internal)
        })
        .await
    }

    /// Whether this is the password behind the hash. Without a hash (there is no such account) it takes just as long
    /// and says no.
    ///
    /// # Errors
    /// [`Error::Internal`] when hashing fails.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let password = password.to_owned();
        self.run(move || {
            let exists = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let hash = PasswordHash::new(&hash).map_err(Error::internal)?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && exists)
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _permit = self.permits.acquire().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(job).await.map_err(Error::internal)?
    }
}

/// The hash of a random password that nobody knows, with the same parameters as any other.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_costs_what_a_real_one_costs() {
        let real = Argon2::default().hash_password(b"correct horse battery staple").unwrap().to_string();
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(NOBODY), parameters(&real));
        assert!(PasswordHash::new(NOBODY).is_ok());
    }

    #[test]
    fn length_is_counted_in_characters_and_composition_is_free() {
        assert_eq!(weakness("short", &[]), Some(Weakness::TooShort));
        assert_eq!(weakness(&"长".repeat(14), &[]), Some(Weakness::TooShort));
        assert_eq!(weakness("correct horse battery staple", &[]), None);
        assert_eq!(weakness("夜里三点有人要看见这条重要的消息", &[]), None);
        assert_eq!(weakness(&"correct horse ".repeat(40), &[]), Some(Weakness::TooLong));
    }

    #[test]
    fn common_passwords_and_the_words_of_the_place_are_refused() {
        for common in
            ["passwordpassword", "123456789012345", "qwertyuiopasdfgh", "aaaaaaaaaaaaaaaaaa", "password1234567"]
        {
            assert_eq!(weakness(common, &[]), Some(Weakness::Common), "{common}");
        }
        for own in ["dataphindataphin", "Dataphin1234567", "wanglili-dataphin", "belfryadministrator"] {
            assert_eq!(weakness(own, &["Dataphin", "wanglili"]), Some(Weakness::Common), "{own}");
        }
    }

    #[test]
    fn a_very_long_password_is_judged_quickly() {
        let long = "a".repeat(LONGEST);
        assert_eq!(weakness(&long, &[]), Some(Weakness::Common));
    }
}
