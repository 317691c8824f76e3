//! What a browser says it is, in words that people read.

use crate::language::Language;

/// The most characters of an unknown browser's own words.
const MAX_AGENT_CHARS: usize = 60;

/// A word of a browser's own (its `User-Agent` header), and what it stands for.
type AgentSign = (&'static str, &'static str);

/// Browsers call themselves by the names of those whose pages they also read, so the borrower comes before the lender.
const BROWSERS: [AgentSign; 15] = [
    ("wxwork/", "WeCom"),
    ("MicroMessenger/", "WeChat"),
    ("DingTalk", "DingTalk"),
    ("Lark/", "Lark"),
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Likewise: Android says that it is a Linux, and an iPhone that it is like a Mac.
const SYSTEMS: [AgentSign; 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("OpenHarmony", "HarmonyOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`; the browser's own words, cut short where need be, if it is not a known one.
pub fn describe_browser(agent: &str, language: Language) -> String {
    match (find_name(&BROWSERS, agent), find_name(&SYSTEMS, agent)) {
        (Some(browser), Some(system)) if agent.starts_with("Mozilla/") => {
            language.text_with("accounts-session-browser-on", &[("browser", browser), ("system", system)]).into_owned()
        }
        _ => shorten_agent(agent),
    }
}

fn find_name(signs: &[AgentSign], agent: &str) -> Option<&'static str> {
    signs.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
}

fn shorten_agent(agent: &str) -> String {
    match agent.char_indices().nth(MAX_AGENT_CHARS) {
        Some(_) => agent.chars().take(MAX_AGENT_CHARS - 1).chain(['…']).collect(),
        None => agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_browsers_are_named_with_their_systems() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, words) in [
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/131.0.0.0 Safari/537.36"),
                "Chrome on Windows",
            ),
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0"
                ),
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0".to_owned(), "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.1 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on iPhone",
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 14) {webkit} Chrome/131.0.0.0 Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            (
                format!(
                    "Mozilla/5.0 (Linux; Android 14) {webkit} Chrome/116.0 Mobile Safari/537.36 MicroMessenger/8.0.49"
                ),
                "WeChat on Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.1 Safari/605.1.15"
                    .to_owned(),
                "Safari on macOS",
            ),
        ] {
            assert_eq!(describe_browser(&agent, Language::English), words, "{agent}");
        }
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
        assert_eq!(describe_browser(agent, Language::Chinese), "Linux 上的 Firefox");
    }

    proptest! {
        #[test]
        fn unknown_browsers_are_shown_as_sent_and_shortened(agent in "[a-z /张]{0,80}") {
            let (words, length) = (describe_browser(&agent, Language::English), agent.chars().count());
            prop_assert_eq!(words.chars().count(), length.min(MAX_AGENT_CHARS));
            prop_assert_eq!(words == agent, length <= MAX_AGENT_CHARS);
            prop_assert!(words.strip_suffix('…').is_none_or(|start| agent.starts_with(start)));
        }
    }
}
