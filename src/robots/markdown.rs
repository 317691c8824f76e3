//! The little markdown that Belfry's messages are written in, and what the channels need done to it.
//!
//! It knows headings (`#`), quotes (`>`), bold (`**`), lists (`-`) and links (`[text](https://…)`), one line each.

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span<'t> {
    /// Words, without marks.
    Text(String),
    /// A link to a web page.
    Link { text: String, url: &'t str },
}

/// Makes a text that someone typed, such as a member's name, harmless inside a message: it stays one line and can
/// neither mention anyone, nor become a link, nor change how the text around it looks.
///
/// The vendors document no escape character that all of them understand, so the characters that could begin such a
/// construct are replaced by their full-width twins, which read the same and mean nothing to any of them.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let twin = |character: char| match character {
        '[' => '［',
        ']' => '］',
        '<' => '＜',
        '>' => '＞',
        '*' => '＊',
        '`' => '｀',
        '~' => '～',
        '@' => '＠',
        '#' => '＃',
        '|' => '｜',
        '\\' => '＼',
        control if control.is_control() => ' ',
        other => other,
    };
    text.chars().map(twin).collect::<String>().replace("://", "：//")
}

/// A title as one line of plain text.
pub(super) fn one_line(title: &str) -> String {
    title.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A title (already one line) as a heading of the message.
///
/// Titles must be found again just as they were written, so nothing is replaced: a zero-width space breaks what would
/// be a link or one of WeCom's `<@userid>` mentions.
pub(super) fn heading(title: &str) -> String {
    format!("### {}", title.replace("](", "]\u{200b}(").replace('<', "<\u{200b}"))
}

/// A title within a line of Markdown, so that it stays one line and makes neither a link nor a mention nor bold letters.
///
/// As in a heading, nothing is replaced, because titles must be found again: zero-width spaces break what would be markup.
#[must_use]
pub fn title_within(title: &str) -> String {
    let mut within = String::with_capacity(title.len());
    for character in one_line(title).chars() {
        // A title's own end may not join with what follows it either: that is never one of these.
        let joins =
            matches!((within.chars().next_back(), character), (Some('*'), '*') | (Some('~'), '~') | (Some(']'), '('));
        if joins {
            within.push('\u{200b}');
        }
        within.push(character);
        if character == '<' {
            within.push('\u{200b}');
        }
    }
    within
}

/// The lines of a text as pieces without markup, for channels that have none.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Vec<Span<'_>>> {
    text.lines().map(|line| spans(unmarked(line.trim_end())))
}

/// A text as a channel shows it that has links but no other markup, in Markdown once more.
#[must_use]
pub fn links_alone(text: &str) -> String {
    let shown = |span: Span<'_>| match span {
        Span::Text(words) => literal(&words),
        Span::Link { text, url } => format!("[{}]({url})", literal(&text)),
    };
    let lines: Vec<String> = lines(text).map(|line| line.into_iter().map(shown).collect()).collect();
    lines.join("\n")
}

/// Words that Markdown leaves as they are.
fn literal(words: &str) -> String {
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
fn unmarked(line: &str) -> &str {
    let heading = line.trim_start_matches('#');
    let level = line.len() - heading.len();
    match heading.strip_prefix(' ') {
        Some(words) if (1..=6).contains(&level) => words,
        _ => line.strip_prefix("> ").unwrap_or(line),
    }
}

fn spans(mut rest: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut words = String::new();
    while let Some(start) = rest.find('[') {
        let (before, bracket) = rest.split_at(start);
        words.push_str(before);
        if let Some((text, url, after)) = link(bracket) {
            push_words(&mut spans, &mut words);
            spans.push(Span::Link { text: text.replace("**", ""), url });
            rest = after;
        } else {
            words.push('[');
            rest = bracket.get(1..).unwrap_or_default();
        }
    }
    words.push_str(rest);
    push_words(&mut spans, &mut words);
    spans
}

fn push_words(spans: &mut Vec<Span<'_>>, words: &mut String) {
    let text = std::mem::take(words).replace("**", "");
    if !text.is_empty() {
        spans.push(Span::Text(text));
    }
}

/// The link that `text` begins with: its words, its address, and what follows.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (words, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (url, after) = rest.strip_prefix('(')?.split_once(')')?;
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    (is_web && !words.is_empty() && !words.contains('[') && !url.contains(char::is_whitespace))
        .then_some((words, url, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Span<'_> {
        Span::Text(text.to_owned())
    }

    #[test]
    fn a_link_is_told_from_brackets_that_are_none() {
        let line = lines("see **[the page](https://a.example/b)** and [db-1] or [x](javascript:y)").next().unwrap();
        let link = Span::Link { text: "the page".to_owned(), url: "https://a.example/b" };
        assert_eq!(line, [words("see "), link, words(" and [db-1] or [x](javascript:y)")]);
    }

    #[test]
    fn marks_of_headings_quotes_and_bold_are_dropped_and_nothing_else() {
        let all: Vec<_> = lines("### Title\n> **quoted**  \n#1 in line\n- item\n\n####### seven").collect();
        let expected =
            [vec![words("Title")], vec![words("quoted")], vec![words("#1 in line")], vec![words("- item")], vec![]];
        assert_eq!(all[..5], expected);
        assert_eq!(all[5], [words("####### seven")]);
    }

    #[test]
    fn without_markup_words_are_literal_and_links_stay_links() {
        let shown = links_alone("### *Title*\n**bold** [the_page](https://a.example/b_c)");
        assert_eq!(shown, "\\*Title\\*\nbold [the\\_page](https://a.example/b_c)");
    }

    #[test]
    fn an_escaped_name_is_no_mention_no_link_and_one_line() {
        assert_eq!(escape_markdown("<@all>\n[x](https://evil.example)"), "＜＠all＞ ［x］(https：//evil.example)");
        assert_eq!(escape_markdown("张三 zhang_san (ops)"), "张三 zhang_san (ops)");
    }

    #[test]
    fn a_title_within_a_line_stays_as_it_was_written() {
        assert_eq!(title_within("disk #7 [db] at 95 % *now*"), "disk #7 [db] at 95 % *now*");
        assert_eq!(
            title_within("[x](https://a) <@all> **b**"),
            "[x]\u{200b}(https://a) <\u{200b}@all> *\u{200b}*b*\u{200b}*"
        );
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_a_single_piece_of_text(text in any::<String>()) {
            let escaped = escape_markdown(&text);
            prop_assert!(!escaped.contains(['@', '<', '[', '*', '`', '\n']) && !escaped.contains("://"));
        }

        #[test]
        fn a_title_within_a_line_is_found_again_and_makes_no_markup(
            before in "[a-z ]{0,5}",
            title in "[\\[\\]()#>*~<ahtps:/@\n中]{0,40}",
        ) {
            let within = title_within(&title);
            prop_assert_eq!(within.replace('\u{200b}', ""), one_line(&title));
            let line = format!("- **{before}** {within} [Open](https://a.example)");
            let spans: Vec<_> = lines(&line).flatten().collect();
            let link = Span::Link { text: "Open".to_owned(), url: "https://a.example" };
            let text = Span::Text(format!("- {before} {within} "));
            prop_assert_eq!(spans, [text, link]);
        }

        #[test]
        fn reading_lines_never_panics(text in "[\\[\\]()#> *ahtps:/\n中]{0,60}") {
            prop_assert_eq!(lines(&text).count(), text.lines().count());
        }
    }
}
