//! A robot's two secrets, its address and its signing secret, as types that cannot be printed by accident.

use std::fmt;

use super::Channel;
use crate::text::trim_invisible;

/// What stands in debug output instead of a secret.
const MASK: &str = "***";

/// The longest signing secret, in bytes. DingTalk's have 67.
const MAX_SECRET_BYTES: usize = 256;

/// A robot's whole address. Whoever has it can write to the group, so it is a secret: `Debug` masks it, and there is no
/// `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct RobotUrl(String);

impl RobotUrl {
    /// Only [`super::RobotAddress::parse`] and [`super::build_request`] make one, so every `RobotUrl` points at a permitted host.
    pub(super) fn new(url: String) -> Self {
        Self(url)
    }

    /// The address itself: to dial, to seal, and to take the fingerprint of. Never to log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RobotUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The secret that a robot's messages are signed with (加签, 签名校验). `Debug` masks it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// Reads a secret as a person pastes it; white space around it is dropped. What was accepted once is accepted again,
    /// unchanged, so a stored secret is read back through here too.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, without repeating it.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, SecretFault> {
        let text = trim_invisible(text);
        if text.is_empty() {
            return Err(SecretFault::Empty);
        }
        if text.len() > MAX_SECRET_BYTES {
            return Err(SecretFault::TooLong);
        }
        // A blank inside a secret is a slip of the clipboard; it would only show as a wrong signature later.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretFault::Characters);
        }
        match channel {
            Channel::DingTalk if !text.starts_with("SEC") => Err(SecretFault::Prefix),
            Channel::WeCom => Err(SecretFault::NotUsed),
            Channel::DingTalk | Channel::Lark => Ok(Self(text.to_owned())),
        }
    }

    /// The secret itself: to sign with and to seal. Never to log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn from_trusted(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Why a text is no signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// There is nothing but white space.
    Empty,
    /// Longer than 256 bytes.
    TooLong,
    /// A character that secrets do not have: a blank inside, a control character, anything beyond ASCII.
    Characters,
    /// DingTalk's secrets begin with `SEC`.
    Prefix,
    /// WeCom robots do not sign.
    NotUsed,
}

impl SecretFault {
    /// Every fault.
    pub const ALL: [Self; 5] = [Self::Empty, Self::TooLong, Self::Characters, Self::Prefix, Self::NotUsed];

    /// The key of the text that tells the person what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Empty => "robots-secret-fault-empty",
            Self::TooLong => "robots-secret-fault-too-long",
            Self::Characters => "robots-secret-fault-characters",
            Self::Prefix => "robots-secret-fault-prefix",
            Self::NotUsed => "robots-secret-fault-not-used",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_debug_output() {
        let secret = SigningSecret::parse(Channel::DingTalk, "SECfake").unwrap();
        assert_eq!(format!("{secret:?} {:?}", RobotUrl::new("https://fake".to_owned())), "*** ***");
    }

    #[test]
    fn white_space_around_a_secret_is_dropped_and_the_rest_kept() {
        assert_eq!(SigningSecret::parse(Channel::DingTalk, " SECfake\n").unwrap().expose(), "SECfake");
        assert_eq!(SigningSecret::parse(Channel::Lark, "demo").unwrap().expose(), "demo");
    }

    #[test]
    fn each_fault_of_a_secret_is_named() {
        let fault_of = |channel, text: &str| SigningSecret::parse(channel, text).unwrap_err();
        assert_eq!(fault_of(Channel::DingTalk, "fake"), SecretFault::Prefix);
        assert_eq!(fault_of(Channel::DingTalk, "secfake"), SecretFault::Prefix);
        assert_eq!(fault_of(Channel::Lark, " \t"), SecretFault::Empty);
        assert_eq!(fault_of(Channel::Lark, "two words"), SecretFault::Characters);
        assert_eq!(fault_of(Channel::Lark, "密钥"), SecretFault::Characters);
        assert_eq!(fault_of(Channel::Lark, &"x".repeat(257)), SecretFault::TooLong);
        assert!(SigningSecret::parse(Channel::Lark, &"x".repeat(256)).is_ok());
        assert_eq!(fault_of(Channel::WeCom, "fake"), SecretFault::NotUsed);
    }
}
