//! Log lines that strangers can cause: bounded, so that nobody fills a disk with them.

use std::{collections::HashMap, sync::Mutex};

use chrono::{NaiveDateTime, TimeDelta};

/// How long a line of one kind and subject stands for those like it.
const EVERY: TimeDelta = TimeDelta::minutes(1);
/// The most subjects that are told apart at a time; what is beyond shares one line a kind.
const MOST_SUBJECTS: usize = 1000;

/// Counts warnings of one kind, such as refused posts, by subject, such as an address, and lets one a minute through.
#[derive(Debug, Default)]
pub struct BoundedWarnings(Mutex<HashMap<String, Window>>);

#[derive(Debug)]
struct Window {
    since: NaiveDateTime,
    left_out: u64,
}

impl BoundedWarnings {
    /// Whether the line may be written now: then how many like it were left out since the last.
    #[must_use]
    pub fn admit(&self, subject: &str, now: NaiveDateTime) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_over = |window: &Window| now - window.since >= EVERY || now < window.since;
        if windows.len() >= MOST_SUBJECTS && !windows.contains_key(subject) {
            windows.retain(|_, window| !is_over(window) || window.left_out > 0);
        }
        let subject = if windows.len() >= MOST_SUBJECTS && !windows.contains_key(subject) { "" } else { subject };
        match windows.get_mut(subject) {
            Some(window) if is_over(window) => {
                let left_out = window.left_out;
                *window = Window { since: now, left_out: 0 };
                Some(left_out)
            }
            Some(window) => {
                window.left_out += 1;
                None
            }
            None => {
                windows.insert(subject.to_owned(), Window { since: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_and_subject_says_how_many_were_left_out() {
        let warnings = BoundedWarnings::default();
        let at = |second: i64| NaiveDateTime::default() + TimeDelta::seconds(second);
        assert_eq!(warnings.admit("a", at(0)), Some(0));
        assert_eq!(warnings.admit("b", at(1)), Some(0));
        assert_eq!((warnings.admit("a", at(1)), warnings.admit("a", at(59))), (None, None));
        assert_eq!(warnings.admit("a", at(60)), Some(2));
        assert_eq!(warnings.admit("a", at(121)), Some(0));
        // A clock that is set back silences nobody.
        assert_eq!(warnings.admit("a", at(0)), Some(0));
    }

    #[test]
    fn the_number_of_subjects_is_bounded() {
        let warnings = BoundedWarnings::default();
        let now = NaiveDateTime::default();
        let admitted = (0..5000).filter(|number| warnings.admit(&number.to_string(), now).is_some()).count();
        assert_eq!(admitted, MOST_SUBJECTS + 1);
        assert!(warnings.0.lock().unwrap().len() <= MOST_SUBJECTS + 1);
        assert!(warnings.admit("new", now + EVERY).is_some());
    }
}
