//! What can go wrong while answering: plain data that a room above turns into a page or a problem document.

use std::fmt;

/// The result of anything that can fail on the way to an answer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum Error {
    /// Nobody is logged in.
    LogInFirst,
    /// The account must choose a password before anything else.
    PasswordFirst,
    /// The deployment has no account yet.
    SetUpFirst,
    /// Known, but not allowed.
    Forbidden,
    /// A form without this session's token, or from another site.
    CrossSite,
    /// There is no such thing, or it is not yours: the two look the same.
    NotFound,
    /// The page is there, but not for this method.
    OtherWay,
    /// The request cannot be read: not UTF-8, a NUL, a malformed number.
    Malformed,
    /// The body is larger than any form of ours.
    TooLarge,
    /// Too many failures; try again after this many seconds.
    TooMany {
        /// Seconds to wait.
        retry_after: i64,
    },
    /// What is to be stored breaks a rule of the database that a check before it could not see: a name just taken.
    Taken,
    /// The database cannot be reached or is too busy; nothing was stored.
    Unavailable(String),
    /// A fault of the program. The text is for the log alone.
    Internal(String),
}

impl Error {
    /// The database cannot be used right now.
    pub fn unavailable(fault: impl fmt::Display) -> Self {
        Self::Unavailable(fault.to_string())
    }

    /// A fault of the program.
    pub fn internal(fault: impl fmt::Display) -> Self {
        Self::Internal(fault.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(fault) => write!(f, "the database cannot be used: {fault}"),
            Self::Internal(fault) => write!(f, "internal fault: {fault}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<diesel::result::Error> for Error {
    fn from(fault: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Fault};
        match fault {
            Fault::NotFound => Self::NotFound,
            Fault::DatabaseError(Kind::UniqueViolation, _) => Self::Taken,
            Fault::DatabaseError(Kind::ClosedConnection | Kind::ReadOnlyTransaction, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            // SQLite tells a lock, a full disk and a failing one only by their words.
            Fault::DatabaseError(_, info)
                if ["locked", "full", "disk I/O", "readonly", "terminating connection", "server closed"]
                    .iter()
                    .any(|word| info.message().contains(word)) =>
            {
                Self::Unavailable(info.message().to_owned())
            }
            Fault::BrokenTransactionManager => Self::unavailable(fault),
            other => Self::internal(other),
        }
    }
}
