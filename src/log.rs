//! Log lines: those that strangers can cause are bounded, so that nobody fills a disk with them, and what they hold is shown as it is.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write as _,
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::text::is_invisible;

/// How long a line of one kind and subject stands for those like it.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The most subjects that are told apart at a time; what is beyond shares one line a kind.
const MAX_SUBJECTS: usize = 1000;

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As people read it.
    Text,
    /// As JSON.
    Json,
}

/// Writes log lines in which control characters, direction controls and other invisible characters, which can only come from
/// outside, stand as their numbers. Whoever reads the log sees them, no terminal obeys them, and none of them begins a line.
#[derive(Debug)]
pub struct Escaping<W> {
    to: W,
    format: Format,
}

impl<W> Escaping<W> {
    /// Writes to this place in this format.
    pub fn new(to: W, format: Format) -> Self {
        Self { to, format }
    }
}

impl<W: Write> Write for Escaping<W> {
    /// `line` is a whole one: `tracing_subscriber` writes each of them at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.to.write_all(escaped(&String::from_utf8_lossy(line), self.format).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A line whose characters are all seen, but for its own end.
fn escaped(line: &str, format: Format) -> Cow<'_, str> {
    let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
    if !text.contains(is_unseen) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for character in text.chars() {
        if !is_unseen(character) {
            escaped.push(character);
            continue;
        }
        // A text takes whatever is written.
        _ = match format {
            Format::Text => write!(escaped, "{}", character.escape_unicode()),
            Format::Json => {
                character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(escaped, "\\u{unit:04x}"))
            }
        };
    }
    escaped.push_str(end);
    Cow::Owned(escaped)
}

/// Whether a character of a line is not seen, or ends the line where it is shown.
fn is_unseen(character: char) -> bool {
    match character {
        '\u{2028}' | '\u{2029}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => character.is_control() || is_invisible(character) && !character.is_whitespace(),
    }
}

/// Counts lines by kind, such as a wrong token, and subject, such as an address, and lets one a minute through.
#[derive(Debug, Default)]
pub struct BoundedLines(Mutex<HashMap<(&'static str, String), WarningWindow>>);

#[derive(Debug)]
struct WarningWindow {
    since: Instant,
    suppressed: u64,
}

impl BoundedLines {
    /// Whether a line may be written now: then how many like it were left out since the last.
    #[must_use]
    pub fn admit(&self, kind: &'static str, subject: &str) -> Option<u64> {
        self.admit_at(kind, subject, Instant::now())
    }

    fn admit_at(&self, kind: &'static str, subject: &str, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |window: &WarningWindow| now.duration_since(window.since) >= WARNING_INTERVAL;
        let mut key = (kind, subject.to_owned());
        if windows.len() >= MAX_SUBJECTS && !windows.contains_key(&key) {
            windows.retain(|_, window| !is_over(window));
            if windows.len() >= MAX_SUBJECTS {
                key.1.clear();
            }
        }
        match windows.get_mut(&key) {
            Some(window) if is_over(window) => {
                let suppressed = window.suppressed;
                *window = WarningWindow { since: now, suppressed: 0 };
                Some(suppressed)
            }
            Some(window) => {
                window.suppressed += 1;
                None
            }
            None => {
                windows.insert(key, WarningWindow { since: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_stands_as_its_number_and_only_the_end_ends_the_line() {
        for (outside, text, json) in [
            ("磁盘 a b\u{3000}c", "磁盘 a b\u{3000}c", "磁盘 a b\u{3000}c"),
            ("a\u{202e}b", "a\\u{202e}b", "a\\u202eb"),
            ("\u{2066}a", "\\u{2066}a", "\\u2066a"),
            ("\u{feff}a\u{ad}", "\\u{feff}a\\u{ad}", "\\ufeffa\\u00ad"),
            ("a\nERROR b\r", "a\\u{a}ERROR b\\u{d}", "a\\u000aERROR b\\u000d"),
            ("\u{1b}[2Ja\u{7f}\u{9b}", "\\u{1b}[2Ja\\u{7f}\\u{9b}", "\\u001b[2Ja\\u007f\\u009b"),
            ("a\u{2028}b", "a\\u{2028}b", "a\\u2028b"),
            ("a\u{e0041}", "a\\u{e0041}", "a\\udb40\\udc41"),
        ] {
            for (format, expected) in [(Format::Text, text), (Format::Json, json)] {
                let mut written = Vec::new();
                Escaping::new(&mut written, format).write_all(format!("{outside}\n").as_bytes()).unwrap();
                assert_eq!(String::from_utf8(written).unwrap(), format!("{expected}\n"), "{outside:?}");
            }
            let written: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
            assert_eq!(written, outside);
        }
    }

    #[test]
    fn one_line_per_minute_and_subject_counts_the_suppressed() {
        let (lines, begin) = (BoundedLines::default(), Instant::now());
        let admit = |subject: &str, second: u64| lines.admit_at("kind", subject, begin + Duration::from_secs(second));
        assert_eq!((admit("a", 0), admit("b", 1)), (Some(0), Some(0)));
        assert_eq!((admit("a", 1), admit("a", 59)), (None, None));
        assert_eq!((admit("a", 60), admit("a", 121)), (Some(2), Some(0)));
    }

    #[test]
    fn the_number_of_subjects_is_bounded_and_a_flood_of_one_kind_hides_no_other() {
        let (lines, now) = (BoundedLines::default(), Instant::now());
        let flood = |now| {
            let twice = (0..5000).chain(0..5000).map(|number: i32| number.to_string());
            twice.filter(|subject| lines.admit_at("flood", subject, now).is_some()).count()
        };
        assert_eq!(flood(now), MAX_SUBJECTS + 1);
        assert_eq!((lines.admit_at("other", "a", now), lines.admit_at("other", "b", now)), (Some(0), None));
        assert!(lines.0.lock().unwrap().len() <= MAX_SUBJECTS + 2);
        for subject in ["a", "b"] {
            assert_eq!(lines.admit_at("other", subject, now + WARNING_INTERVAL), Some(0), "the flood is over");
        }
    }
}
