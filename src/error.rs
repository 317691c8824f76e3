//! What can go wrong while answering: plain data that a room above turns into a page or a problem document.

use std::fmt;

/// The result of anything that can fail on the way to an answer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum Error {
    /// Nobody is logged in.
    LogInRequired,
    /// The account must choose a password before anything else.
    PasswordChangeRequired,
    /// The deployment has no account yet.
    SetUpRequired,
    /// A form that was kept in a page came back too late, to another address, or changed.
    ResubmitExpired,
    /// Known, but not allowed.
    Forbidden,
    /// A form without this session's token, or from another site.
    CrossSite,
    /// The request names another host than the one that is answered.
    WrongHost,
    /// A form of a page of ours that came by another scheme or host than the settings say: by https through a proxy, say.
    MisconfiguredOrigin,
    /// A form of a page of ours that is not of this session: its own is over, or another has begun.
    SessionExpired,
    /// There is no such thing, or it is not yours: the two look the same.
    NotFound,
    /// The page is there, but not for this method.
    MethodNotAllowed {
        /// The methods that it is there for, as the header `Allow` lists them.
        allow: &'static str,
    },
    /// The request cannot be read: not UTF-8, a NUL, a malformed number.
    Malformed,
    /// The body is no form.
    NoForm,
    /// The body is larger than any form of ours.
    TooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// Too many failures; try again after this many seconds.
    TooManyAttempts {
        /// Seconds to wait.
        retry_after: i64,
    },
    /// What is to be stored breaks a rule of the database that a check before it could not see: a name just taken.
    AlreadyExists,
    /// The database cannot be reached or is too busy; nothing was stored.
    Unavailable(String),
    /// Too many passwords wait to be checked; nothing was stored.
    TooBusy,
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

/// Words by which alone SQLite tells a lock, a full disk and a failing one, and Postgres its own comings and goings.
const UNAVAILABLE_MESSAGES: [&str; 12] = [
    "locked",
    "full",
    "disk I/O",
    "readonly",
    // SQLite has undone the whole transaction already, for one of the reasons above.
    "no such savepoint",
    "terminating connection",
    "server closed",
    "deadlock detected",
    "No space left",
    "starting up",
    "shutting down",
    "could not connect",
];

impl From<diesel::result::Error> for Error {
    fn from(fault: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Fault};
        match fault {
            Fault::NotFound => Self::NotFound,
            Fault::DatabaseError(Kind::UniqueViolation, _) => Self::AlreadyExists,
            Fault::DatabaseError(
                Kind::ClosedConnection
                | Kind::ReadOnlyTransaction
                | Kind::UnableToSendCommand
                | Kind::SerializationFailure,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            Fault::DatabaseError(_, info)
                if UNAVAILABLE_MESSAGES.iter().any(|words| info.message().contains(words)) =>
            {
                Self::Unavailable(info.message().to_owned())
            }
            Fault::BrokenTransactionManager => Self::unavailable(fault),
            other => Self::internal(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind as Kind, Error as Fault};

    use super::*;

    fn error_for(kind: Kind, message: &str) -> Error {
        Fault::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn transient_database_errors_are_not_internal_errors() {
        for kind in
            [Kind::ClosedConnection, Kind::ReadOnlyTransaction, Kind::UnableToSendCommand, Kind::SerializationFailure]
        {
            assert!(matches!(error_for(kind, "x"), Error::Unavailable(_)));
        }
        for message in [
            "database is locked",
            "database or disk is full",
            "deadlock detected",
            "could not extend file \"base/1/2\": No space left on device",
            "the database system is starting up",
            "the database system is shutting down",
            "could not connect to server",
        ] {
            assert!(matches!(error_for(Kind::Unknown, message), Error::Unavailable(_)), "{message}");
        }
        assert!(matches!(error_for(Kind::Unknown, "syntax error"), Error::Internal(_)));
        assert!(matches!(error_for(Kind::UniqueViolation, "x"), Error::AlreadyExists));
    }
}
