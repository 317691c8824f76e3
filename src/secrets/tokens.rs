//! Random tokens: shown once, kept only as hashes, compared in constant time.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Result};

/// Letters and digits that are not taken for one another when read aloud or copied by hand (no 0/O, 1/I/L, U/V).
const READABLE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ+=";

/// Random bytes from the operating system.
///
/// # Errors
/// [`Error::Internal`] when the operating system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// The prefix of every portal token.
pub const PORTAL_TOKEN_PREFIX: &str = "belfry_";

/// A random secret in its plain form, of 192 bits or more. It is shown or sent once and cannot be printed by accident.
#[derive(Clone)]
pub struct PlainToken(String);

impl PlainToken {
    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random_bytes::<24>()?)))
    }

    /// A fresh one of 256 bits, behind a prefix by which people and scanners of source code know what it is.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no random bytes.
    pub fn generate_with_prefix(prefix: &str) -> Result<Self> {
        Ok(Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))))
    }

    /// One that somebody presents.
    #[must_use]
    pub fn from_presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The token itself, for the one place that shows or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the database keeps. The token has 192 random bits or more, so a fast hash is enough.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A one-time code for a new account, or for setting the deployment up: 20 readable characters (about 98 bits) in
/// groups of five.
///
/// # Errors
/// [`Error::Internal`] when the operating system gives no random bytes.
pub fn one_time_code() -> Result<PlainToken> {
    // The last two of the 32 are no letters; a byte that lands on them is thrown away, so that each letter is as likely.
    let mut code = String::new();
    let mut letters = 0;
    while letters < 20 {
        for byte in random_bytes::<32>()? {
            let letter = READABLE_ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'+');
            if letters < 20 && letter.is_ascii_alphanumeric() {
                if letters > 0 && letters % 5 == 0 {
                    code.push('-');
                }
                code.push(char::from(letter));
                letters += 1;
            }
        }
    }
    Ok(PlainToken(code))
}

/// A code of six digits, for what ends after minutes and a handful of tries.
///
/// # Errors
/// [`Error::Internal`] when the operating system gives no random bytes.
pub fn six_digit_code() -> Result<PlainToken> {
    // Of 2^64 numbers none is more likely by more than one in ten million millions.
    Ok(PlainToken(format!("{:06}", u64::from_le_bytes(random_bytes()?) % 1_000_000)))
}

/// A text of the form of a one-time code as [`one_time_code`] writes it: its letters may be typed in lower case, which no two
/// of them share.
#[must_use]
pub fn one_time_code_as_typed(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let is_group =
        |group: &str| group.len() == 5 && group.bytes().all(|byte| byte != b'+' && READABLE_ALPHABET.contains(&byte));
    (code.split('-').count() == 4 && code.split('-').all(is_group)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print_itself() {
        let token = PlainToken::generate().unwrap();
        assert_eq!(format!("{token:?}"), "***");
        assert_eq!(token.expose().len(), 32);
    }

    #[test]
    fn a_one_time_code_is_four_groups_of_five() {
        let code = one_time_code().unwrap();
        let groups: Vec<&str> = code.expose().split('-').collect();
        assert_eq!(groups.len(), 4);
        assert!(groups.iter().all(|group| group.len() == 5 && group.bytes().all(|b| b.is_ascii_alphanumeric())));
        assert_ne!(code.expose(), one_time_code().unwrap().expose());
    }

    #[test]
    fn a_one_time_code_may_be_typed_in_lower_case() {
        let code = one_time_code().unwrap();
        assert_eq!(
            one_time_code_as_typed(&format!(" {} ", code.expose().to_lowercase())).as_deref(),
            Some(code.expose())
        );
        for other in ["", "a password", "ABCDE-FGHJK-MNPQR", "ABCDE-FGHJK-MNPQR-STVW0", "abcde-fghjk-mnpqr-stv+w"] {
            assert_eq!(one_time_code_as_typed(other), None, "{other}");
        }
    }

    #[test]
    fn six_digits_are_six_also_when_they_begin_with_zeros() {
        let codes: Vec<PlainToken> = (0..200).map(|_| six_digit_code().unwrap()).collect();
        assert!(codes.iter().all(|code| code.expose().len() == 6 && code.expose().bytes().all(|b| b.is_ascii_digit())));
        assert!(codes.iter().any(|code| code.expose() != codes[0].expose()));
    }
}
