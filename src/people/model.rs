//! Who somebody named is to the tenant now, and how people's names are read from a text.

use std::collections::{HashMap, HashSet};

use crate::{db::AccountId, text::join_names};

/// What a named account is in the tenant now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A member with a robot.
    Reachable,
    /// A member without any robot.
    WithoutRobot,
    /// A member whom an administrator stopped.
    Disabled,
    /// No member any more.
    Left,
}

impl Standing {
    /// The key of the warning beside the name; nothing when there is none. Only who sees contact information is told
    /// that somebody has none.
    #[must_use]
    pub fn warning(self, sees_contacts: bool) -> Option<&'static str> {
        match self {
            Self::Reachable => None,
            Self::WithoutRobot => sees_contacts.then_some("people-without-robot"),
            Self::Disabled => Some("people-disabled"),
            Self::Left => Some("people-left"),
        }
    }
}

/// Somebody whom a group, schedule or rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub account: AccountId,
    /// The name it logs in with.
    pub username: String,
    /// What the tenant calls the person; the username of somebody who left.
    pub display_name: String,
    /// What he is in the tenant now.
    pub standing: Standing,
}

/// The names in a text, as they were typed, each once: separated by commas, semicolons, spaces or line breaks. Usernames
/// are compared without case.
#[must_use]
pub fn typed_names(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    words(text).filter(|name| seen.insert(name.to_ascii_lowercase())).map(str::to_owned).collect()
}

/// Everything in a text that stands between commas, semicolons, spaces or line breaks, repetitions included.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || [',', ';', '，', '、', '；'].contains(&c)).filter(|word| !word.is_empty())
}

/// The accounts that the names call, in the names' order.
///
/// # Errors
/// The names that call nobody.
pub fn match_names(names: &[String], known: &[Person]) -> Result<Vec<AccountId>, Vec<String>> {
    let by_key: HashMap<String, AccountId> =
        known.iter().map(|person| (person.username.to_ascii_lowercase(), person.account)).collect();
    let mut unknown = Vec::new();
    let mut accounts = Vec::new();
    for name in names {
        match by_key.get(&name.to_ascii_lowercase()) {
            Some(account) => accounts.push(*account),
            None => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() { Ok(accounts) } else { Err(unknown) }
}

/// Names in one line: the first `most` of them, each cut to the length of a username, and a sign that there are more.
pub fn joined<'n>(names: impl IntoIterator<Item = &'n str>, most: usize) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(most).map(|name| name.chars().take(64).collect()).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    format!("{}{more}", join_names(&first, ", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(id: i64, username: &str) -> Person {
        let account = AccountId(id);
        Person { account, username: username.into(), display_name: username.into(), standing: Standing::Reachable }
    }

    #[test]
    fn names_stand_between_commas_of_either_language_spaces_and_lines_and_count_once() {
        assert_eq!(typed_names("ann, Bob\r\n张三，eve、ANN；\t x "), ["ann", "Bob", "张三", "eve", "x"]);
        assert!(typed_names(" ,\n").is_empty());
    }

    #[test]
    fn names_call_people_without_case_and_those_that_call_nobody_are_named() {
        let known = [person(1, "Ann"), person(2, "bob")];
        let names = |text: &str| typed_names(text);
        assert_eq!(match_names(&names("BOB ann"), &known), Ok(vec![AccountId(2), AccountId(1)]));
        assert_eq!(match_names(&names("bob carl 张三"), &known), Err(vec!["carl".into(), "张三".into()]));
    }

    #[test]
    fn only_who_sees_contact_information_is_told_that_somebody_has_none() {
        assert_eq!(Standing::WithoutRobot.warning(false), None);
        assert!(Standing::WithoutRobot.warning(true).is_some());
        assert!(Standing::Left.warning(false).is_some() && Standing::Disabled.warning(false).is_some());
        assert_eq!(Standing::Reachable.warning(true), None);
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_names_in_it_hold_no_separator_and_a_line_of_them_is_bounded(text in ".{0,400}") {
            let names = typed_names(&text);
            prop_assert!(names.iter().all(|name| !name.is_empty() && words(name).eq([name.as_str()])));
            prop_assert!(joined(names.iter().map(String::as_str), 3).chars().count() <= 3 * (66 + 8) + 3);
        }
    }
}
