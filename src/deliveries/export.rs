//! The record as a CSV file, written a few rows at a time.

use super::store::Listed;
use crate::{
    channels::channel_key,
    courier::reason_key,
    error::{Error, Result},
    language::Language,
    web::Times,
};

/// By this mark Excel sees that the file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The keys of the columns' names.
const COLUMNS: [&str; 10] = [
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
pub fn head(language: Language) -> Result<Vec<u8>> {
    let mut file = BYTE_ORDER_MARK.as_bytes().to_vec();
    file.extend(lines([COLUMNS.map(|key| language.text(key).into_owned())])?);
    Ok(file)
}

/// Some rows of the file.
///
/// # Errors
/// As [`head`].
pub fn rows(rows: &[Listed], language: Language, times: Times) -> Result<Vec<u8>> {
    lines(rows.iter().map(|row| cells(row, language, times)))
}

fn cells(row: &Listed, language: Language, times: Times) -> [String; 10] {
    let reason =
        if row.reason.is_empty() { String::new() } else { language.text(reason_key(&row.reason)).into_owned() };
    [
        row.id.to_string(),
        times.with_offset(&row.created_at),
        row.finished_at.map(|time| times.with_offset(&time)).unwrap_or_default(),
        row.object.clone(),
        row.alert.map(|alert| alert.to_string()).unwrap_or_default(),
        row.channel.map(|channel| language.text(channel_key(&channel)).into_owned()).unwrap_or_default(),
        row.recipient.clone(),
        language.text(super::state_key(&row.state)).into_owned(),
        reason,
        row.chosen_by.clone(),
    ]
}

fn lines<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Result<Vec<u8>> {
    // All in quotes: where a country's spreadsheets expect semicolons between cells, a bare one within would begin another cell.
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.map(harmless)).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(Error::internal)
}

/// A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection"): an apostrophe in front makes it text.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_begins_with_the_mark_and_the_names_in_the_viewers_language() {
        let text = String::from_utf8(head(Language::Chinese).unwrap()).unwrap();
        assert!(text.starts_with("\u{feff}\"编号\",\"时间\","), "{text}");
        assert!(text.ends_with("\r\n"));
    }

    proptest! {
        #[test]
        fn no_cell_begins_a_formula_and_no_word_is_lost(cell in "[=+@\\-\t\r\n\"',;a-z磁 ]{0,12}") {
            let file = lines([[cell.clone(), "next".to_owned()]]).unwrap();
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
