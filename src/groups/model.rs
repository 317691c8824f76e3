//! What a user group is to be, as somebody asked for it.

use crate::people::typed_names;

/// The most administrators that a group has, as in Dataphin's page on user groups.
pub const MOST_ADMINS: usize = 5;

/// What administrators of the tenant alone decide about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Its name, unique in the tenant without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The usernames of those who may change its members and switch it on and off.
    pub admins: Vec<String>,
}

/// The usernames of a group's administrators; nothing when there are too many.
#[must_use]
pub fn admins(text: &str) -> Option<Vec<String>> {
    Some(typed_names(text)).filter(|names| names.len() <= MOST_ADMINS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_at_most_five_administrators_and_may_have_none() {
        assert_eq!(admins(""), Some(vec![]));
        assert_eq!(admins("a b c d e A").map(|names| names.len()), Some(5));
        assert_eq!(admins("a b c d e f"), None);
    }
}
