//! Masks whatever looks like a secret in a text that someone else wrote, before it is kept or shown.

const MASK: &str = "***";

/// Runs of letters and digits of this length are taken for tokens: DingTalk's have 64, Lark's and WeCom's 36.
const MIN_TOKEN_CHARS: usize = 32;

/// What a run of letters and digits is to the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordRole {
    Plain,
    /// A secret, which goes on over the punctuation of percent encoding and base64.
    Secret,
    /// An address of the sender, which goes on over dots and colons.
    Address,
}

/// The text on one line, without control and direction characters, and with tokens, signatures, hooks' paths and the
/// sender's own address ("from ip: …", as WeCom writes it) masked. DingTalk's "ip … not in whitelist" is kept: that
/// address is what the administrator has to enter.
pub(super) fn redact(text: &str) -> String {
    let text = drop_invisible(text);
    let mut masked = String::with_capacity(text.len());
    let mut role = WordRole::Plain;
    let mut before = "";
    for (gap, word) in split_words(&text) {
        let continues = match role {
            WordRole::Plain => false,
            WordRole::Secret => !gap.is_empty() && gap.chars().all(|character| "%+/=.".contains(character)),
            WordRole::Address => !gap.is_empty() && gap.chars().all(|character| ".:".contains(character)),
        };
        if !continues {
            masked.push_str(gap);
            role = classify(before, gap, word, &masked);
            masked.push_str(if role == WordRole::Plain { word } else { MASK });
        }
        before = word;
    }
    masked
}

fn classify(before: &str, gap: &str, word: &str, written: &str) -> WordRole {
    if word.is_empty() {
        return WordRole::Plain;
    }
    let before = before.to_ascii_lowercase();
    // `name=value`, `"name":"value"`, and both once more percent-encoded.
    let assigns =
        gap.starts_with('=') || (gap.contains(':') && gap.contains('"')) || (gap == "%" && starts_with_hex(word, "3d"));
    let named = matches!(before.as_str(), "access_token" | "key" | "sign" | "secret" | "token");
    let hook = before == "hook" && (gap == "/" || (gap == "%" && starts_with_hex(word, "2f")));
    if (named && assigns) || hook || word.len() >= MIN_TOKEN_CHARS {
        return WordRole::Secret;
    }
    if before == "ip" && written.to_ascii_lowercase().trim_end_matches([':', ' ', '=', '[']).ends_with("from ip") {
        return WordRole::Address;
    }
    WordRole::Plain
}

fn starts_with_hex(word: &str, code: &str) -> bool {
    word.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(code))
}

/// Every run of letters, digits, `_` and `-`, each with what stands before it; the last may be empty.
fn split_words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let part_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (gap, after) = rest.split_at(rest.find(part_of_word).unwrap_or(rest.len()));
        let (word, after) = after.split_at(after.find(|character| !part_of_word(character)).unwrap_or(after.len()));
        rest = after;
        Some((gap, word))
    })
}

/// Line ends become spaces; other characters that do not show, or turn the direction of what follows, are dropped.
fn drop_invisible(text: &str) -> String {
    text.chars()
        .map(|character| if matches!(character, '\n' | '\r' | '\t') { ' ' } else { character })
        .filter(|character| {
            !character.is_control()
                && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_signatures_and_hooks_are_masked_however_they_are_written() {
        for (text, expected) in [
            ("POST /robot/send?access_token=fake1&x=1", "POST /robot/send?access_token=***&x=1"),
            ("send?key=fake-2 failed", "send?key=*** failed"),
            ("a&sign=8W%2BO/OU%3D&b", "a&sign=***&b"),
            ("access_token%3Dfake3%26x", "access_token%***"),
            (r#"{"access_token":"fake4","a":"b"}"#, r#"{"access_token":"***","a":"b"}"#),
            ("/open-apis/bot/v2/hook/fake5 gone", "/open-apis/bot/v2/hook/*** gone"),
            ("hook%2Ffake6", "hook%***"),
            ("Access_Token=fake7", "Access_Token=***"),
            ("token 00000000-0000-4000-8000-000000000000!", "token ***!"),
            ("access_token=", "access_token="),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn the_senders_address_is_masked_except_in_whitelist_errors() {
        let wecom = "hint: [1592021214_50_a], from ip: 203.0.113.7, more info at https://x.example/query?e=93000";
        assert_eq!(
            redact(wecom),
            "hint: [1592021214_50_a], from ip: ***, more info at https://x.example/query?e=93000"
        );
        assert_eq!(redact("From IP: 2001:db8::1, x"), "From IP: ***, x");
        assert_eq!(redact("ip 203.0.113.7 not in whitelist"), "ip 203.0.113.7 not in whitelist");
    }

    #[test]
    fn ordinary_wordings_stay_as_they_are() {
        for text in [
            "keywords not in content",
            "关键词不匹配;solution:请联系群管理员",
            "sign not match",
            "缺少参数 access_token",
            "ok",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn control_and_direction_characters_are_gone() {
        assert_eq!(redact("a\u{0}b\r\nc\u{202e}d\u{1b}[31m"), "ab  cd[31m");
    }

    proptest! {
        #[test]
        fn no_long_run_survives(before in "\\PC{0,20}", token in "[A-Za-z0-9_-]{32,128}", after in "\\PC{0,20}") {
            let text = format!("{before}{token}{after}");
            prop_assert!(!redact(&text).contains(&token));
        }

        #[test]
        fn a_short_token_after_its_name_does_not_survive(token in "tok-[a-z0-9]{4,20}", name in "(access_token|key|sign)") {
            let text = format!("https://a.example/x?{name}={token}&y=z");
            prop_assert!(!redact(&text).contains(&token));
        }
    }
}
