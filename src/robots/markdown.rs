//! The little markdown that Belfry's messages are written in, and what the channels need done to it.
//!
//! It knows headings (`#`), quotes (`>`), bold (`**`), lists (`-`) and links (`[text](https://…)`), one line each. A backslash
//! before a sign of punctuation makes it a plain character; [`escape_markdown`] writes them. No channel sees those backslashes:
//! where a channel has no markup the character stands as it was typed, and where it has some, only what would be markup there
//! is changed.

/// Breaks what would be markup without being seen. Used where a vendor's reader goes by neighbouring characters.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// A character of a text, and whether it is only itself, whatever it means in Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glyph {
    pub character: char,
    pub is_literal: bool,
}

impl Glyph {
    fn is_mark(self, character: char) -> bool {
        self.character == character && !self.is_literal
    }
}

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Words, with their marks.
    Text(Vec<Glyph>),
    /// A link to a web page.
    Link { text: Vec<Glyph>, url: String },
}

/// Makes a text that someone typed, such as a member's name, harmless inside a message: it stays one line and can neither
/// mention anyone, nor become a link, nor change how the text around it looks.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    // A line of nothing else underlines the one above it, or is a rule across the page or the head of a table.
    let is_rule = text.chars().all(|character| "-=*_|: +".contains(character));
    let mut at_start = true;
    for character in text.chars() {
        if "\\`*_~[]<>#|@&".contains(character) || (is_rule && at_start && character.is_ascii_punctuation()) {
            escaped.push('\\');
        }
        at_start &= character == ' ';
        escaped.push(if character.is_control() { ' ' } else { character });
    }
    escaped
}

/// A text of several lines that someone typed, each made harmless as [`escape_markdown`] does. A tab stays as wide as four blanks.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| escape_markdown(&line.replace('\t', "    "))).collect();
    lines.join("\n")
}

/// An address as the destination of a link in Markdown.
#[must_use]
pub fn escape_link_url(url: &str) -> String {
    let mut escaped = String::with_capacity(url.len());
    for character in url.chars() {
        if "()[]*_\\".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A text as people read it who see its source: without the backslashes of [`escape_markdown`].
#[must_use]
pub fn unescape_markdown(text: &str) -> String {
    parse_glyphs(text).into_iter().map(|glyph| glyph.character).collect()
}

/// The characters of a text.
pub(super) fn parse_glyphs(text: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            '\\' => characters.next_if(char::is_ascii_punctuation),
            _ => None,
        };
        glyphs.push(Glyph { character: literal.unwrap_or(character), is_literal: literal.is_some() });
    }
    glyphs
}

/// A title as one line of plain text.
pub(super) fn to_one_line(title: &str) -> String {
    title.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A title (already one line) as a heading of the message, which shows it as it was typed.
pub(super) fn to_heading(title: &str) -> Vec<Atom> {
    markup_lines(&format!("### {}", escape_markdown(title))).concat()
}

/// Whether an underscore between these could end what is emphasized, so that it would not be seen. Without an end nothing is.
fn ends_emphasis(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(|before| !before.is_whitespace())
        && after.is_none_or(|after| !after.is_alphanumeric() && after != '_')
}

/// A title within a line of Markdown, so that it stays one line and makes neither a link nor a mention nor bold letters.
#[must_use]
pub fn escape_title(title: &str) -> String {
    escape_markdown(&to_one_line(title))
}

/// The lines of a text as pieces, for channels that have no markup but links.
pub(super) fn parse_lines(text: &str) -> impl Iterator<Item = Vec<Span>> {
    text.lines().map(|line| parse_spans(strip_line_marks(&parse_glyphs(line.trim_end()))))
}

/// The words of a piece, without marks.
pub(super) fn plain_text(glyphs: &[Glyph]) -> String {
    let mut words = String::new();
    let mut glyphs = glyphs.iter().copied().peekable();
    while let Some(glyph) = glyphs.next() {
        if glyph.is_mark('*') && glyphs.next_if(|next| next.is_mark('*')).is_some() {
            continue;
        }
        words.push(glyph.character);
    }
    words
}

/// A text as a channel shows it that has links but no other markup, in Markdown once more.
#[must_use]
pub fn keep_links_only(text: &str) -> String {
    let shown = |span: Span| match span {
        Span::Text(text) => escape_all_punctuation(&plain_text(&text)),
        Span::Link { text, url } => format!("[{}]({url})", escape_all_punctuation(&plain_text(&text))),
    };
    let lines: Vec<String> = parse_lines(text).map(|line| line.into_iter().map(shown).collect()).collect();
    lines.join("\n")
}

/// Words that Markdown leaves as they are.
fn escape_all_punctuation(words: &str) -> String {
    let mut literal = String::with_capacity(words.len());
    for character in words.chars() {
        if character.is_ascii_punctuation() {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

/// A line without the marks of a heading or a quote.
fn strip_line_marks(line: &[Glyph]) -> &[Glyph] {
    let level = line.iter().take_while(|glyph| glyph.is_mark('#')).count();
    let is_blank = |position: usize| line.get(position).is_some_and(|glyph| glyph.character == ' ');
    let marks = match line.first() {
        _ if (1..=6).contains(&level) && is_blank(level) => level + 1,
        Some(first) if first.is_mark('>') && is_blank(1) => 2,
        _ => 0,
    };
    line.get(marks..).unwrap_or_default()
}

pub(super) fn parse_spans(mut rest: &[Glyph]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut words = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        match parse_link(rest) {
            Some((text, url, after)) => {
                push_text(&mut spans, &mut words);
                spans.push(Span::Link { text: text.to_vec(), url });
                rest = after;
            }
            None => {
                words.push(*first);
                rest = after;
            }
        }
    }
    push_text(&mut spans, &mut words);
    spans
}

fn push_text(spans: &mut Vec<Span>, words: &mut Vec<Glyph>) {
    if !words.is_empty() {
        spans.push(Span::Text(std::mem::take(words)));
    }
}

/// Splits at the first mark of this kind.
fn split_at_mark(glyphs: &[Glyph], mark: char) -> Option<(&[Glyph], &[Glyph])> {
    let position = glyphs.iter().position(|glyph| glyph.is_mark(mark))?;
    Some((glyphs.get(..position)?, glyphs.get(position + 1..)?))
}

/// The link that `text` begins with: its words, its address, and what follows.
fn parse_link(text: &[Glyph]) -> Option<(&[Glyph], String, &[Glyph])> {
    let rest = text.split_first().filter(|(first, _)| first.is_mark('['))?.1;
    let (words, rest) = split_at_mark(rest, ']')?;
    let rest = rest.split_first().filter(|(first, _)| first.is_mark('('))?.1;
    let (url, after) = split_at_mark(rest, ')')?;
    let url: String = url.iter().map(|glyph| glyph.character).collect();
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let is_link = is_web
        && !words.is_empty()
        && !words.iter().any(|glyph| glyph.is_mark('['))
        && !url.contains(char::is_whitespace);
    is_link.then_some((words, url, after))
}

/// A piece of a line that is written whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Atom {
    /// A character as it is seen, with what makes it plain.
    Text(String),
    /// A link, in three parts: what stands before its words, the characters of its words, and what stands after them.
    Link { open: String, words: Vec<String>, close: String },
    /// Something that begins and must be ended by this.
    Open { mark: String, end: String },
    /// The end of what began last.
    Close(String),
}

/// How many signs that would be markup only in pairs are in a text, its own marks included.
#[derive(Clone, Copy, Default)]
struct MarkCounts {
    stars: usize,
    backticks: usize,
}

/// The lines of a text in the Markdown of DingTalk and WeCom.
pub(super) fn markup_lines(text: &str) -> Vec<Vec<Atom>> {
    let lines: Vec<Vec<Glyph>> = text.lines().map(|line| parse_glyphs(line.trim_end())).collect();
    let counts = lines.iter().fold(MarkCounts::default(), |counts, line| {
        line.iter().enumerate().fold(counts, |mut counts, (place, glyph)| {
            let (before, after) = adjacent_characters(line, place);
            match glyph.character {
                '*' if !is_isolated(before, after) => counts.stars += 1,
                '`' => counts.backticks += 1,
                _ => {}
            }
            counts
        })
    });
    lines.iter().map(|line| markup_line(line, counts)).collect()
}

fn adjacent_characters(line: &[Glyph], position: usize) -> (Option<char>, Option<char>) {
    let at = |position: Option<usize>| position.and_then(|position| line.get(position)).map(|glyph| glyph.character);
    (at(position.checked_sub(1)), at(position.checked_add(1)))
}

/// Whether a character stands between blanks, or at the edge of the line.
fn is_isolated(before: Option<char>, after: Option<char>) -> bool {
    before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)
}

/// The blanks from which on an indented line is code, and would be shown with what makes its marks plain.
const CODE_INDENT: usize = 4;

/// How many blanks of a line are to be seen as such. Those before the mark of a list belong to the mark.
fn indent(line: &[Glyph]) -> usize {
    let blanks = line.iter().take_while(|glyph| glyph.character == ' ').count();
    let is_list = line.get(blanks).is_some_and(|glyph| !glyph.is_literal && "-*+>".contains(glyph.character));
    if blanks < CODE_INDENT || is_list { 0 } else { blanks }
}

fn markup_line(line: &[Glyph], counts: MarkCounts) -> Vec<Atom> {
    let mut position = indent(line);
    let mut atoms = vec![Atom::Text("\u{a0}".to_owned()); position];
    for span in parse_spans(line.get(position..).unwrap_or_default()) {
        match span {
            Span::Text(text) => {
                let end = position + text.len();
                push_markup(line, position..end, counts, &mut atoms);
                position = end;
            }
            Span::Link { text, url } => {
                let words = render_graphemes(&text, |glyph, at| written_in_link(&text, at, glyph));
                let close = format!("]({})", percent_encode(&url));
                atoms.push(Atom::Link { open: "[".to_owned(), words, close });
                // The brackets are not counted in the words; what follows the link goes on behind it.
                position = position_after_link(line, position);
            }
        }
    }
    atoms
}

/// Where the line goes on behind the link that begins here.
fn position_after_link(line: &[Glyph], position: usize) -> usize {
    let rest = line.get(position..).unwrap_or_default();
    parse_link(rest).map_or(position, |(.., after)| line.len() - after.len())
}

/// An address without what a reader of Markdown would take for its end, for a mark, or for the name of a character.
fn percent_encode(url: &str) -> String {
    let mut encoded = String::with_capacity(url.len());
    for (position, character) in url.char_indices() {
        match character {
            '(' => encoded.push_str("%28"),
            ')' => encoded.push_str("%29"),
            '*' => encoded.push_str("%2A"),
            '\\' => encoded.push_str("%5C"),
            '<' => encoded.push_str("%3C"),
            '>' => encoded.push_str("%3E"),
            ';' if url.get(..position).is_some_and(ends_with_entity) => encoded.push_str("%3B"),
            other => encoded.push(other),
        }
    }
    encoded
}

/// Whether a semicolon behind this would make the name of a character of its end.
fn ends_with_entity(text: &str) -> bool {
    let before = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '#');
    before.ends_with('&') && before.len() < text.len()
}

/// A character of the words of a link as a reader of Markdown shows it as it is.
fn written_in_link(words: &[Glyph], place: usize, glyph: Glyph) -> String {
    let Glyph { character, is_literal: true } = glyph else { return glyph.character.to_string() };
    let (before, after) = adjacent_characters(words, place);
    match character {
        '&' if is_entity(words, place) => format!("&{ZERO_WIDTH_SPACE}"),
        '<' => format!("<{ZERO_WIDTH_SPACE}"),
        '\\' if after.is_none_or(|after| after.is_ascii_punctuation()) => format!("\\{ZERO_WIDTH_SPACE}"),
        '_' if ends_emphasis(before, after) => format!("_{ZERO_WIDTH_SPACE}"),
        '~' if before == Some('~') || after == Some('~') => "～".to_owned(),
        '[' => "［".to_owned(),
        ']' => "］".to_owned(),
        '`' => "｀".to_owned(),
        '*' => "＊".to_owned(),
        '@' => "＠".to_owned(),
        other => other.to_string(),
    }
}

/// A character of a template's code as it is: nothing that fills the code ends it or mentions anybody.
fn written_in_code(code: &[Glyph], place: usize) -> String {
    let Some(glyph) = code.get(place) else { return String::new() };
    let (_, after) = adjacent_characters(code, place);
    match glyph.character {
        '`' => "｀".to_owned(),
        '<' if after == Some('@') => format!("<{ZERO_WIDTH_SPACE}"),
        '@' if glyph.is_literal => "＠".to_owned(),
        other => other.to_string(),
    }
}

/// Characters as they are seen: each with its marks, its skin colour or what else belongs to it.
fn render_graphemes(glyphs: &[Glyph], write: impl Fn(Glyph, usize) -> String) -> Vec<String> {
    let text: String = glyphs.iter().map(|glyph| glyph.character).collect();
    let mut position = 0;
    super::truncation::graphemes(&text)
        .map(|cluster| {
            let count = cluster.chars().count();
            let written = glyphs.iter().enumerate().skip(position).take(count).map(|(at, glyph)| write(*glyph, at));
            let written = written.collect();
            position += count;
            written
        })
        .collect()
}

/// Writes a stretch of a line that holds no link.
fn push_markup(line: &[Glyph], range: std::ops::Range<usize>, counts: MarkCounts, atoms: &mut Vec<Atom>) {
    let mut plain: Vec<Glyph> = Vec::new();
    let mut start = range.start;
    let mut position = range.start;
    let flush = |plain: &mut Vec<Glyph>, start: usize, atoms: &mut Vec<Atom>| {
        let written = render_graphemes(plain, |glyph, at| escape_glyph(line, start + at, glyph, counts));
        atoms.extend(written.into_iter().map(Atom::Text));
        plain.clear();
    };
    while let Some(glyph) = line.get(position).copied().filter(|_| position < range.end) {
        let rest = line.get(position..range.end).unwrap_or_default();
        let (length, atom) = match parse_mark(rest, atoms) {
            Some(found) => found,
            None => {
                plain.push(glyph);
                position += 1;
                continue;
            }
        };
        flush(&mut plain, start, atoms);
        atoms.push(atom);
        position += length;
        start = position;
    }
    flush(&mut plain, start, atoms);
}

/// The mark of a template that a text begins with, and how long it is: bold, code, or a tag such as WeCom's colours.
fn parse_mark(rest: &[Glyph], before: &[Atom]) -> Option<(usize, Atom)> {
    let text = |length: usize| -> String { rest.iter().take(length).map(|glyph| glyph.character).collect() };
    let first = rest.first().filter(|glyph| !glyph.is_literal)?;
    match first.character {
        '*' if rest.get(1)?.is_mark('*') => {
            let is_open = before.iter().fold(false, |is_open, atom| match atom {
                Atom::Open { mark, .. } if mark == "**" => true,
                Atom::Close(mark) if mark == "**" => false,
                _ => is_open,
            });
            let closes_later = split_at_mark(rest.get(2..)?, '*').is_some();
            match is_open {
                true => Some((2, Atom::Close("**".to_owned()))),
                false if closes_later => Some((2, Atom::Open { mark: "**".to_owned(), end: "**".to_owned() })),
                false => None,
            }
        }
        '`' => {
            let (code, _) = split_at_mark(rest.get(1..)?, '`')?;
            let shown: String = (0..code.len()).map(|place| written_in_code(code, place)).collect();
            Some((code.len() + 2, Atom::Text(format!("`{shown}`"))))
        }
        '<' => {
            let (tag, _) = split_at_mark(rest.get(1..)?, '>')?;
            let length = tag.len() + 2;
            let name: String =
                tag.iter().map(|glyph| glyph.character).take_while(char::is_ascii_alphanumeric).collect();
            let mark = text(length);
            match tag.first()?.character {
                '/' => Some((length, Atom::Close(mark))),
                _ if name.is_empty() || mark.ends_with("/>") || name.eq_ignore_ascii_case("br") => {
                    Some((length, Atom::Text(mark)))
                }
                _ => Some((length, Atom::Open { mark, end: format!("</{name}>") })),
            }
        }
        _ => None,
    }
}

/// A character as a reader of Markdown shows it as it is. Those of a template are left alone.
fn escape_glyph(line: &[Glyph], position: usize, glyph: Glyph, counts: MarkCounts) -> String {
    let Glyph { character, is_literal: true } = glyph else { return glyph.character.to_string() };
    let (before, after) = adjacent_characters(line, position);
    let is_mention = !before.is_some_and(|before| before.is_ascii_alphanumeric() || "._%+-".contains(before));
    if is_in_address(line, position) {
        // What replaces a character there must leave the address the same.
        return match character {
            '*' if counts.stars > 1 => "%2A".to_owned(),
            '@' if is_mention => "%40".to_owned(),
            ']' if after == Some('(') => "%5D".to_owned(),
            other => other.to_string(),
        };
    }
    // At the beginning of a line, or of a quote or a list's line, which a template may have begun.
    let at_start = || {
        let ahead = line.iter().take(position);
        ahead.into_iter().all(|glyph| glyph.character == ' ' || (!glyph.is_literal && ">-*+".contains(glyph.character)))
    };
    let with_break_before = || format!("{ZERO_WIDTH_SPACE}{character}");
    let with_break_after = || format!("{character}{ZERO_WIDTH_SPACE}");
    match character {
        '*' if counts.stars > 1 && !is_isolated(before, after) => "＊".to_owned(),
        '`' if counts.backticks > 1 => "｀".to_owned(),
        '~' if before == Some('~') || after == Some('~') => "～".to_owned(),
        '_' if ends_emphasis(before, after) => with_break_after(),
        // The backslash would be taken for an escape, and not be seen.
        '\\' if after.is_some_and(|after| after.is_ascii_punctuation()) => with_break_after(),
        ']' if after == Some('(') => with_break_after(),
        ']' if after == Some(':')
            && line.iter().find(|glyph| glyph.character != ' ').is_some_and(|it| it.character == '[') =>
        {
            with_break_after()
        }
        '<' if after.is_some_and(|after| after.is_ascii_alphabetic() || "/!?@".contains(after)) => with_break_after(),
        '<' if is_mail_link(line, position) => with_break_after(),
        // A mention is a word of its own; an address of a person or a machine is none.
        '@' if is_mention => "＠".to_owned(),
        '&' if is_entity(line, position) => with_break_after(),
        // Signs at the end of a heading are taken for its end.
        '#' if after.is_none() && line.first().is_some_and(|first| first.is_mark('#')) => with_break_after(),
        '>' | '#' if at_start() => with_break_before(),
        '-' | '=' | '+' | '|' | '_' | ':' if at_start() && is_rule(line) => with_break_before(),
        other => other.to_string(),
    }
}

/// Whether a character is part of an address that stands in a text.
fn is_in_address(line: &[Glyph], position: usize) -> bool {
    let is_part = |glyph: &&Glyph| glyph.character.is_ascii_graphic() && !"<>\"`".contains(glyph.character);
    let ahead = line.get(..=position).unwrap_or_default();
    let at_start = ahead.len() - ahead.iter().rev().take_while(is_part).count();
    let address: String = line.iter().skip(at_start).take_while(is_part).map(|glyph| glyph.character).collect();
    let scheme = address.find("://").filter(|scheme| at_start + scheme < position);
    scheme
        .and_then(|scheme| address.get(..scheme))
        .is_some_and(|before| before.ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Whether the name or number of a character begins here, such as `&amp;`.
fn is_entity(line: &[Glyph], place: usize) -> bool {
    let name = line.iter().skip(place + 1).map(|glyph| glyph.character);
    let length = name.clone().take_while(|c| c.is_ascii_alphanumeric() || *c == '#').count();
    length > 0 && name.clone().nth(length) == Some(';')
}

/// Whether an address of mail in angle brackets begins here: its first character may be a sign, as in `<=a@b>`.
fn is_mail_link(line: &[Glyph], place: usize) -> bool {
    let mut ahead = line.iter().skip(place + 1).map(|glyph| glyph.character);
    let within = ahead.clone().take_while(|c| c.is_ascii_graphic() && *c != '>');
    within.clone().any(|c| c == '@') && ahead.nth(within.count()) == Some('>')
}

/// Whether a line underlines the one above it, is a rule across the page, or the head of a table.
fn is_rule(line: &[Glyph]) -> bool {
    line.iter().all(|glyph| "-=*_|: +".contains(glyph.character))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> Span {
        Span::Text(text.chars().map(|character| Glyph { character, is_literal: false }).collect())
    }

    fn page(text: &str, url: &str) -> Span {
        let Span::Text(text) = plain(text) else { unreachable!() };
        Span::Link { text, url: url.to_owned() }
    }

    /// The pieces of a text, as a channel without markup shows them.
    fn shown(text: &str) -> Vec<String> {
        let span = |span| match span {
            Span::Text(text) => plain_text(&text),
            Span::Link { text, url } => format!("{{{} {url}}}", plain_text(&text)),
        };
        parse_lines(text).map(|line| line.into_iter().map(span).collect()).collect()
    }

    /// A text in the Markdown of DingTalk and WeCom.
    fn marked(text: &str) -> String {
        super::super::truncation::fit_lines(&markup_lines(text), "\n", usize::MAX, char::len_utf8).text
    }

    /// What somebody typed, in the Markdown of DingTalk and WeCom.
    fn typed(text: &str) -> String {
        marked(&text.split('\n').map(escape_markdown).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_link_is_distinguished_from_plain_brackets() {
        let line = parse_lines("see [the page](https://a.example/b) and [db-1] or [x](javascript:y)").next().unwrap();
        assert_eq!(
            line,
            [plain("see "), page("the page", "https://a.example/b"), plain(" and [db-1] or [x](javascript:y)")]
        );
        assert_eq!(shown("**[the page](https://a.example/b\\(1\\))**"), ["{the page https://a.example/b(1)}"]);
    }

    #[test]
    fn marks_of_headings_quotes_and_bold_are_dropped_and_nothing_else() {
        let text = "### Title\n> **quoted**  \n#1 in line\n- item\n\n####### seven";
        assert_eq!(shown(text), ["Title", "quoted", "#1 in line", "- item", "", "####### seven"]);
    }

    #[test]
    fn without_markup_words_are_literal_and_links_stay_links() {
        let shown = keep_links_only("### *Title*\n**bold** [the_page](https://a.example/b_c)");
        assert_eq!(shown, "\\*Title\\*\nbold [the\\_page](https://a.example/b_c)");
    }

    #[test]
    fn what_somebody_typed_stands_as_it_is_where_there_is_no_markup() {
        let texts = [
            "C:\\Temp\\*.log",
            "a|b",
            "__init__ and _x_",
            "<b>bold</b> & <@all>",
            "1 * 2 * 3",
            "**bold** `code` ```x```",
            "https://x.example/a|b?c=[d]&e=(f)#g~~h",
            "\\\\server\\share\\",
            "[x](https://evil.example)",
            "### heading",
            "> quote",
            "|---|---|",
            "user@host #1 @all",
            "\\* \\_ \\[",
        ];
        for text in texts {
            assert_eq!(shown(&escape_markdown(text)), [text]);
            assert_eq!(unescape_markdown(&escape_markdown(text)), text);
        }
    }

    #[test]
    fn where_there_is_markup_only_what_would_be_markup_is_changed() {
        let same = [
            "C:\\Temp",
            "a|b",
            "snake_case_name",
            "1 * 2 * 3",
            "rm *.log",
            "a < b > c",
            "ssh root@10.0.0.1",
            "it's 5 ` long",
            "https://x.example/a|b?c=[d]&e=f#g_",
            "https://user@x.example:8443/a~b",
            "http://[fd00::1]:3000/x",
            "[db-7] is full",
            "price #1",
            "~/bin and ~x",
            "- an item",
            "a & b; c",
            "https://x.example/?a=1&b=2;",
        ];
        for text in same {
            assert_eq!(typed(text), text);
        }
        let changed = [
            ("<@all>", "<\u{200b}＠all>"),
            ("<b>x</b>", "<\u{200b}b>x<\u{200b}/b>"),
            ("[x](https://evil.example)", "[x]\u{200b}(https://evil.example)"),
            ("@all @13800138000", "＠all ＠13800138000"),
            ("**bold**", "＊＊bold＊＊"),
            ("`code`", "｀code｀"),
            ("~~gone~~", "～～gone～～"),
            ("__init__", "__init__\u{200b}"),
            ("### x", "\u{200b}### x"),
            ("> x", "\u{200b}> x"),
            ("---", "\u{200b}---"),
            ("|--|--|", "\u{200b}|--|--|"),
            ("\\\\server", "\\\u{200b}\\server"),
            ("[a]: x", "[a]\u{200b}: x"),
            ("&lt;b&#62;", "&\u{200b}lt;b&\u{200b}#62;"),
            ("https://x.example/@all*b*c", "https://x.example/%40all%2Ab%2Ac"),
        ];
        for (text, expected) in changed {
            assert_eq!(typed(text), expected, "{text}");
        }
    }

    #[test]
    fn the_marks_of_a_template_stay_and_what_fills_it_changes_none_of_them() {
        assert_eq!(marked("**a** <font color=\"info\">b</font> `c`"), "**a** <font color=\"info\">b</font> `c`");
        assert_eq!(marked("**\\*a\\***"), "**＊a＊**");
        assert_eq!(marked("[x \\] y](https://a.example/\\(b\\))"), "[x ］ y](https://a.example/%28b%29)");
        assert_eq!(marked("- \\# x"), "- \u{200b}# x");
        assert_eq!(marked("`\\`a\\_ \\<b> \\<\\@all>\\``"), "`｀a_ <b> <\u{200b}＠all>｀`");
    }

    #[test]
    fn an_address_of_mail_in_angle_brackets_is_no_link() {
        for (text, shown) in [("<=h@h>", "<\u{200b}=h@h>"), ("<1@b.example>", "<\u{200b}1@b.example>"), ("<5>", "<5>")]
        {
            assert_eq!(typed(text), shown);
        }
    }

    #[test]
    fn a_link_leads_where_it_was_meant_to_and_shows_its_words_as_they_are() {
        use pulldown_cmark::{Event, Parser, Tag};
        for (words, url, shown_url) in [
            ("Open", "http://[fd00::1]:3000/d/1", "http://[fd00::1]:3000/d/1"),
            ("Open", "https://g.example/?a=1&amp;b=2&c;", "https://g.example/?a=1&amp%3Bb=2&c%3B"),
            ("Open", "https://g.example/?a=1&b=2;3", "https://g.example/?a=1&b=2;3"),
            ("Open", "https://g.example/&#38;;", "https://g.example/&#38%3B;"),
            ("__init__.py", "https://g.example/__init__", "https://g.example/__init__"),
            ("a ~~b~~ \\_ <b> &amp; ```c``` _x_", "https://g.example/", "https://g.example/"),
            ("C:\\", "https://g.example/", "https://g.example/"),
        ] {
            let marked = marked(&format!("[{}]({})", escape_markdown(words), escape_link_url(url)));
            let events: Vec<Event<'_>> = Parser::new(&marked).collect();
            let leads = events.iter().find_map(|event| match event {
                Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.to_string()),
                _ => None,
            });
            assert_eq!(leads.as_deref(), Some(shown_url), "{marked}");
            let read: String = events
                .iter()
                .map(|event| match event {
                    Event::Text(text) => text.as_ref(),
                    Event::Start(Tag::Paragraph | Tag::Link { .. }) | Event::End(_) => "",
                    other => panic!("{other:?} of {marked}"),
                })
                .collect();
            assert_eq!(as_typed(&read), words, "{marked}");
        }
    }

    #[test]
    fn a_tab_and_an_indented_line_stay_as_wide_as_they_are_and_are_no_code() {
        let content = |text: &str| marked(&escape_lines(text));
        assert_eq!(content("a\tb"), "a    b");
        assert_eq!(content("x:\n\n\t<b>y_z_</b>"), "x:\n\n\u{a0}\u{a0}\u{a0}\u{a0}<\u{200b}b>y_z_\u{200b}<\u{200b}/b>");
        assert_eq!(content("  two"), "  two");
        assert_eq!(marked("    - nested"), "    - nested");
        assert_eq!(shown(&escape_lines("\tx")), ["    x"]);
    }

    #[test]
    fn a_title_within_a_line_stays_as_it_was_written() {
        assert_eq!(shown(&escape_title("disk #7 [db] at 95 % *now*")), ["disk #7 [db] at 95 % *now*"]);
        assert_eq!(
            marked(&escape_title("[x](https://a) <@all> **b**")),
            "[x]\u{200b}(https://a) <\u{200b}＠all> ＊＊b＊＊"
        );
    }

    /// What somebody typed as a title, in the Markdown of DingTalk and WeCom.
    fn headed(title: &str) -> String {
        super::super::truncation::fit_lines(&[to_heading(title)], "\n", usize::MAX, char::len_utf8).text
    }

    /// The text of a heading, by another reader of Markdown than the vendors'. Nothing else may be in it.
    fn read_heading(marked: &str) -> Result<String, TestCaseError> {
        use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
        let options = Options::ENABLE_TABLES;
        let mut read = String::new();
        for event in Parser::new_ext(marked, options) {
            match event {
                Event::Text(words) => read.push_str(&words),
                Event::Start(Tag::Heading { level: HeadingLevel::H3, .. }) | Event::End(TagEnd::Heading(_)) => {}
                other => prop_assert!(false, "{other:?} of {marked:?}"),
            }
        }
        Ok(read)
    }

    /// A title as it was typed, from how it is read: without breaks, and with the signs that full-width ones stand for.
    fn as_typed(read: &str) -> String {
        let narrow = |character| match character {
            '＊' => '*',
            '｀' => '`',
            '～' => '~',
            '＠' => '@',
            other => other,
        };
        read.replace("%40", "@")
            .replace("%2A", "*")
            .replace("%5D", "]")
            .chars()
            .filter(|c| *c != ZERO_WIDTH_SPACE)
            .map(narrow)
            .collect()
    }

    #[test]
    fn a_title_is_read_as_it_was_typed() {
        for title in [
            "rm *.log",
            "1 * 2 * 3",
            "snake_case",
            "it's 5 ` long",
            "C:\\Temp",
            "disk #7",
            "a < b",
            "[db-7] full",
            "a & b",
            "# 1",
            "- x",
            "1. x",
        ] {
            assert_eq!(headed(title), format!("### {title}"));
        }
        let changed = [
            ("*x*", "＊x＊"),
            ("**bold** a", "＊＊bold＊＊ a"),
            ("_x_", "_x_\u{200b}"),
            ("__init__.py", "__init__\u{200b}.py"),
            ("`x` failed", "｀x｀ failed"),
            ("[x](https://y.example)", "[x]\u{200b}(https://y.example)"),
            ("![x](y)", "![x]\u{200b}(y)"),
            ("C #", "C #\u{200b}"),
            ("##", "##\u{200b}"),
            ("<font color=\"warning\">x</font>", "<\u{200b}font color=\"warning\">x<\u{200b}/font>"),
            ("<@all> @all", "<\u{200b}＠all> ＠all"),
            ("~~x~~", "～～x～～"),
            ("&lt;", "&\u{200b}lt;"),
            ("\\*", "\\\u{200b}*"),
        ];
        for (title, expected) in changed {
            let marked = headed(title);
            assert_eq!(marked, format!("### {expected}"));
            assert_eq!(as_typed(&read_heading(&marked).unwrap()), title);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_title_holds_it_is_read_as_it_was_typed(title in "[\\[\\]()#>*~<_`|\\\\ahtps/@&;! 中=-]{1,30}") {
            let title = title.trim();
            let marked = headed(title);
            prop_assert_eq!(as_typed(&read_heading(&marked)?), title);
            prop_assert!(!marked.contains("<@"));
        }

        #[test]
        fn an_escaped_text_is_a_single_piece_of_text(text in any::<String>()) {
            let escaped = escape_markdown(&text);
            prop_assert_eq!(escaped.lines().count().max(1), 1);
            let expected: String = to_one_line(&text);
            prop_assert_eq!(unescape_markdown(&escaped), expected);
            let spans = parse_spans(&parse_glyphs(&escaped));
            prop_assert!(spans.iter().all(|span| matches!(span, Span::Text(_))));
        }

        #[test]
        fn a_title_within_a_line_is_found_again_and_makes_no_markup(
            before in "[a-z ]{0,5}",
            title in "[\\[\\]()#>*~<_`|\\\\ahtps:/@\n中]{0,40}",
        ) {
            let line = format!("- **{before}** {} [Open](https://a.example)", escape_title(&title));
            let expected = format!("- {before} {} {{Open https://a.example}}", to_one_line(&title));
            prop_assert_eq!(shown(&line), [expected]);
            let atoms = markup_lines(&line).concat();
            prop_assert_eq!(atoms.iter().filter(|atom| matches!(atom, Atom::Link { .. })).count(), 1);
        }

        /// What readers of Markdown make of it, by another one than the vendors'.
        #[test]
        fn what_somebody_typed_is_seen_as_it_was_typed(text in "[\\[\\]()#>*~<_`|\\\\ahtps:/@ 中=-]{0,30}") {
            let marked = typed(&text);
            let mut seen = String::new();
            for event in pulldown_cmark::Parser::new_ext(&marked, pulldown_cmark::Options::ENABLE_TABLES) {
                match event {
                    pulldown_cmark::Event::Text(words) => seen.push_str(&words),
                    pulldown_cmark::Event::Start(tag) => {
                        use pulldown_cmark::Tag;
                        prop_assert!(
                            matches!(tag, Tag::Paragraph | Tag::List(_) | Tag::Item | Tag::CodeBlock(_)),
                            "{:?} of {:?}", tag, marked
                        );
                    }
                    pulldown_cmark::Event::Code(_) | pulldown_cmark::Event::Html(_) | pulldown_cmark::Event::InlineHtml(_) => {
                        prop_assert!(false, "{:?}", marked);
                    }
                    _ => {}
                }
            }
            prop_assert!(!marked.contains("<@"));
        }

        #[test]
        fn reading_lines_never_panics(text in "[\\[\\]()#> *`<ahtps:/\n中]{0,60}") {
            prop_assert_eq!(parse_lines(&text).count(), text.lines().count());
            prop_assert_eq!(markup_lines(&text).len(), text.lines().count());
        }
    }
}
