//! An operator's list of passwords that nobody may choose, such as one of breached passwords.

use std::{collections::HashSet, fmt, fs, io::Read as _, path::Path, sync::Arc};

use super::passwords::{MAX_CHARS, MIN_CHARS};
use crate::text::BYTE_ORDER_MARK;

/// The largest list, in bytes. It is kept in memory.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Passwords in lower case. Clones share the list.
#[derive(Clone, Default)]
pub struct Blocklist(Arc<HashSet<Box<str>>>);

impl Blocklist {
    /// Reads a file of UTF-8 text, a password a line. What is too short or too long to be chosen anyway is left out.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(file: &Path) -> Result<Self, String> {
        let read_error = |fault: &dyn fmt::Display| {
            format!("BELFRY_PASSWORD_BLOCKLIST_FILE {} cannot be read: {fault}.", file.display())
        };
        let mut text = String::new();
        // Opening a pipe that nobody writes to would never end.
        if !fs::metadata(file).map_err(|fault| read_error(&fault))?.is_file() {
            return Err(read_error(&"it is no regular file"));
        }
        let opened = fs::File::open(file).map_err(|fault| read_error(&fault))?;
        opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|fault| read_error(&fault))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(read_error(&format!("it is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024)));
        }
        // Windows' editors begin a file of UTF-8 with it, and it is no part of the first password.
        Ok(Self::from_text(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text)))
    }

    fn from_text(text: &str) -> Self {
        let can_be_chosen = |line: &&str| (MIN_CHARS..=MAX_CHARS).contains(&line.chars().count());
        Self(Arc::new(text.lines().filter(can_be_chosen).map(|line| line.to_lowercase().into()).collect()))
    }

    /// Whether the list has this password, in any case.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        self.0.contains(password.to_lowercase().as_str())
    }
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocklist({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_password_is_found_in_any_case_and_short_ones_take_no_room() {
        let list = Blocklist::from_text("short\nCorrect Horse Battery Staple\r\n夜里三点有人要看见这条重要的消息\n");
        assert!(list.contains("correct horse battery staple") && list.contains("夜里三点有人要看见这条重要的消息"));
        assert!(!list.contains("correct horse battery") && !list.contains("short"));
        assert_eq!(format!("{list:?}"), "Blocklist(2)");
    }

    #[test]
    fn the_first_password_is_found_behind_a_byte_order_mark() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(&file, "\u{feff}correct horse battery staple\r\nanother one of these\r\n").unwrap();
        let list = Blocklist::open(&file).unwrap();
        assert!(list.contains("correct horse battery staple") && list.contains("another one of these"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        assert!(Blocklist::open(&file).unwrap_err().contains("BELFRY_PASSWORD_BLOCKLIST_FILE"));
        fs::write(&file, b"\xff\xfe").unwrap();
        assert!(Blocklist::open(&file).is_err());
    }
}
