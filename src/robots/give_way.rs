//! A finished message that is longer than its channel takes: the content in it gives way, so that links and fixed lines stay whole.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    Channel, OutgoingMessage,
    markdown::{escape_lines, unescape_markdown},
    message::fits_channel,
    truncation::{ELLIPSIS, truncate_chars},
};
use crate::text::close_directions;

/// By how many of its first characters a content is found in a text. A shorter one would make no room.
const RECOGNIZED_BY: usize = 24;

/// The text of a message with as much of this content as its channel takes. Nothing when the content is not in the text, or the
/// message is too long without it.
#[must_use]
pub fn with_less_content(channel: Channel, message: &OutgoingMessage, content: &str) -> Option<String> {
    let content = content.trim();
    let places = places(&message.text, content);
    let longest = places.iter().filter_map(|place| message.text.get(place.clone()));
    let mut too_much = longest.map(|piece| unescape_markdown(piece).graphemes(true).count()).max()?;
    let fitting = |most: usize| {
        let text = replaced(&message.text, &places, &written(&truncate_chars(content, most)));
        let message = OutgoingMessage { text, ..message.clone() };
        fits_channel(channel, &message).then_some(message.text)
    };
    let (mut fit, mut text) = (0, fitting(0)?);
    while too_much - fit > 1 {
        let half = fit.midpoint(too_much);
        match fitting(half) {
            Some(longer) => (fit, text) = (half, longer),
            None => too_much = half,
        }
    }
    Some(text)
}

/// A content as it stands in a text.
fn written(content: &str) -> String {
    escape_lines(&close_directions(content))
}

/// Where a text holds a content, whole or cut at its end.
fn places(text: &str, content: &str) -> Vec<Range<usize>> {
    let whole = written(content);
    let Some((end, _)) = whole.char_indices().nth(RECOGNIZED_BY) else { return Vec::new() };
    let beginning = whole.get(..end).unwrap_or_default();
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find(beginning)).map(|at| from + at) {
        let rest = text.get(start..).unwrap_or_default();
        let alike = rest.chars().zip(whole.chars()).take_while(|(one, other)| one == other);
        let mut length = alike.map(|(character, _)| character.len_utf8()).sum();
        if rest.get(length..).is_some_and(|rest| rest.starts_with(ELLIPSIS)) {
            length += ELLIPSIS.len();
        }
        from = start + length;
        places.push(start..from);
    }
    places
}

fn replaced(text: &str, places: &[Range<usize>], by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    for place in places {
        replaced.push_str(text.get(from..place.start).unwrap_or_default());
        replaced.push_str(by);
        from = place.end;
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXED: &str = "Severity: Critical\nTenant: north\n\n[Open](https://g.example/d?x=%E5%91%8A)";

    fn message(content: &str, mobiles: usize) -> OutgoingMessage {
        OutgoingMessage {
            title: "[Dataphin] Critical: disk".to_owned(),
            text: format!("{}\n\n{FIXED}", written(content)),
            mobiles: vec!["13800138000".to_owned(); mobiles],
            uuid: "u".repeat(32),
        }
    }

    #[test]
    fn the_content_gives_way_and_the_rest_stays() {
        let content = "告警 *a* [b](c)\n".repeat(1200);
        let content = content.trim();
        for (channel, mobiles) in [(Channel::WeCom, 0), (Channel::WeCom, 1), (Channel::DingTalk, 1), (Channel::Lark, 0)]
        {
            let long = message(content, mobiles);
            assert!(!fits_channel(channel, &long));
            let text = with_less_content(channel, &long, content).unwrap();
            assert!(text.ends_with(&format!("…\n\n{FIXED}")) && text.starts_with("告警 \\*a\\*"), "{text}");
            let more = text.replace('…', &"告".repeat(20));
            assert!(
                !fits_channel(channel, &OutgoingMessage { text: more, ..long.clone() }),
                "as much as there is room for"
            );
        }
    }

    #[test]
    fn a_content_that_was_cut_before_or_stands_there_twice_is_found() {
        let content = "x".repeat(5000);
        let cut = format!("{}…\n{FIXED}\n{}", "x".repeat(4000), "x".repeat(5000));
        let text =
            with_less_content(Channel::WeCom, &OutgoingMessage { text: cut, ..message("", 0) }, &content).unwrap();
        assert!(text.contains(&format!("x…\n{FIXED}\nx")) && text.ends_with('…'), "{text}");
    }

    #[test]
    fn what_does_not_hold_the_content_or_is_too_long_without_it_is_left_to_be_cut() {
        let long = message(&"y".repeat(5000), 0);
        assert_eq!(with_less_content(Channel::WeCom, &long, &"x".repeat(5000)), None);
        assert_eq!(with_less_content(Channel::WeCom, &long, "y"), None);
        let fixed = OutgoingMessage { text: format!("{}\n{}", "y".repeat(5000), "z".repeat(5000)), ..long };
        assert_eq!(with_less_content(Channel::WeCom, &fixed, &"y".repeat(5000)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whatever_the_content_is_the_link_reaches_the_group(piece in "(\\PC|[\"\\\\\n<*_`|\\[\\]]){30,60}", times in 1_usize..200, mobiles in 0_usize..3) {
            let content = piece.repeat(times);
            let long = message(&content, mobiles);
            let text = match fits_channel(Channel::WeCom, &long) {
                true => Some(long.text.clone()),
                false => with_less_content(Channel::WeCom, &long, &content),
            };
            // A content of little else than blanks is not recognized.
            let Some(text) = text else {
                prop_assert!(written(content.trim()).chars().count() <= RECOGNIZED_BY);
                return Ok(());
            };
            let ends = text.ends_with(FIXED);
            let fitting = fits_channel(Channel::WeCom, &OutgoingMessage { text, ..long });
            prop_assert!(ends && fitting);
        }
    }
}
