//! The record as a CSV file, written a few rows at a time.

use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation as _;

use super::store::DeliveryRow;
use crate::{
    channels::channel_key,
    delivery::reason_key,
    error::{Error, Result},
    language::Language,
    text::{BYTE_ORDER_MARK, close_directions, is_direction_control, is_invisible},
    web::Times,
};

/// What spreadsheets begin a formula with, those of East Asia also in full width.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Marks that right-to-left texts need: they set the direction of the signs beside them, and of nothing else.
const MARKS: [char; 3] = ['\u{200e}', '\u{200f}', '\u{61c}'];

/// The keys of the columns' names.
const COLUMN_KEYS: [&str; 10] = [
    "deliveries-number",
    "deliveries-time",
    "deliveries-finished",
    "deliveries-object",
    "deliveries-alert",
    "deliveries-channel",
    "deliveries-recipient",
    "deliveries-status",
    "deliveries-reason",
    "deliveries-chosen-by",
];

/// The beginning of the file: the names of its columns.
///
/// # Errors
/// Never in practice; the writer's memory is all that could fail.
pub fn csv_header(language: Language) -> Result<Vec<u8>> {
    // By this mark Excel sees that the file is UTF-8.
    let mut file = BYTE_ORDER_MARK.to_string().into_bytes();
    file.extend(csv_records([COLUMN_KEYS.map(|key| language.text(key).into_owned())])?);
    Ok(file)
}

/// Some rows of the file.
///
/// # Errors
/// As [`csv_header`].
pub fn csv_rows(rows: &[DeliveryRow], language: Language, times: Times) -> Result<Vec<u8>> {
    csv_records(rows.iter().map(|row| csv_cells(row, language, times)))
}

fn csv_cells(row: &DeliveryRow, language: Language, times: Times) -> [String; 10] {
    let reason =
        if row.reason.is_empty() { String::new() } else { language.text(reason_key(&row.reason)).into_owned() };
    [
        row.id.to_string(),
        times.format_with_offset(&row.created_at),
        row.finished_at.map(|time| times.format_with_offset(&time)).unwrap_or_default(),
        row.object.clone(),
        row.alert.map(|alert| alert.to_string()).unwrap_or_default(),
        row.channel.map(|channel| language.text(channel_key(&channel)).into_owned()).unwrap_or_default(),
        row.recipient_in(&language).into_owned(),
        language.text(super::state_key(&row.state)).into_owned(),
        reason,
        row.rule_names.clone(),
    ]
}

fn csv_records<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Result<Vec<u8>> {
    // All in quotes: where a country's spreadsheets expect semicolons between cells, a bare one within would begin another cell.
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row.map(|cell| neutralize_formula(seen(&close_directions(&cell)))))
            .map_err(Error::internal)?;
    }
    writer.into_inner().map_err(Error::internal)
}

/// A cell in which characters that show nothing by themselves stand as their numbers, so that two names that look alike are told
/// apart. What belongs to a character before it, as in an emoji, stays; so does what is for the direction of writing.
fn seen(cell: &str) -> String {
    let mut seen = String::with_capacity(cell.len());
    for cluster in cell.graphemes(true) {
        let stays = |c: char| !is_invisible(c) || c.is_whitespace() || is_direction_control(c) || MARKS.contains(&c);
        if cluster.contains(stays) {
            seen.push_str(cluster);
        } else {
            // A text takes whatever is written.
            _ = write!(seen, "{}", cluster.escape_unicode());
        }
    }
    seen
}

/// A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection"): an apostrophe in front makes it text.
fn neutralize_formula(cell: String) -> String {
    let shown = cell.trim_start_matches(|c| is_direction_control(c) || MARKS.contains(&c));
    if shown.starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_starts_with_a_byte_order_mark_and_translated_headers() {
        let text = String::from_utf8(csv_header(Language::Chinese).unwrap()).unwrap();
        assert!(text.starts_with("\u{feff}\"编号\",\"时间\","), "{text}");
        assert!(text.ends_with("\r\n"));
    }

    #[test]
    fn a_cell_turns_no_other_and_hides_nothing() {
        for (cell, written) in [
            ("\u{202e}gpj.exe", "\u{202e}gpj.exe\u{202c}"),
            ("\u{2066}a", "\u{2066}a\u{2069}"),
            ("a\u{2069}", "a"),
            ("ops\u{200b}", "ops\\u{200b}"),
            ("o\u{ad}ps", "o\\u{ad}ps"),
            ("\u{feff}=1+1", "\\u{feff}=1+1"),
            ("\u{202e}=1+1", "'\u{202e}=1+1\u{202c}"),
            ("\u{200e}@a", "'\u{200e}@a"),
            ("＝1", "'＝1"),
            ("\u{3164}", "\\u{3164}"),
            ("a\u{180e}b", "a\\u{180e}b"),
            ("👨\u{200d}👩 ❤\u{fe0f} e\u{301}", "👨\u{200d}👩 ❤\u{fe0f} e\u{301}"),
            ("می\u{200c}خواهم \u{200f}!", "می\u{200c}خواهم \u{200f}!"),
            ("磁盘　a", "磁盘　a"),
        ] {
            let file = String::from_utf8(csv_records([[cell.to_owned()]]).unwrap()).unwrap();
            assert_eq!(file, format!("\"{written}\"\r\n"), "{cell:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_starts_a_formula_and_no_text_is_lost(cell in "[=+@\\-\t\r\n\"',;a-z磁 ]{0,12}") {
            let file = csv_records([[cell.clone(), "next".to_owned()]]).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file.as_slice());
            let row = reader.records().next().unwrap().unwrap();
            prop_assert!(!row[0].starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", &row[0]);
            let text = format!("'{cell}");
            prop_assert!([cell.as_str(), text.as_str()].contains(&&row[0]));
            prop_assert_eq!(&row[1], "next");
            let mut elsewhere = csv::ReaderBuilder::new();
            let mut reader = elsewhere.has_headers(false).delimiter(b';').from_reader(file.as_slice());
            let row = reader.records().next().unwrap().unwrap();
            prop_assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{row:?}");
        }
    }
}
