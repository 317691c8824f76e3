//! The words by which monitoring systems say how severe an alert is, as `docs/http-api.md` lists them.

use super::model::Severity;
use crate::text;

/// Needs somebody at once. Where systems mean different things by a word, the more severe meaning counts.
const CRITICAL_ALIASES: [&str; 39] = [
    "critical",
    "crit",
    "emergency",
    "emerg",
    "alert",
    "panic",
    "fatal",
    "disaster",
    "blocker",
    "page",
    "error",
    "err",
    "severe",
    "high",
    "urgent",
    "major",
    "p0",
    "p1",
    "p2",
    "sev0",
    "sev1",
    "sev2",
    "s0",
    "s1",
    "s2",
    "严重",
    "紧急",
    "特急",
    "致命",
    "灾难",
    "重大",
    "特别重大",
    "重要",
    "高",
    "高危",
    "错误",
    "故障",
    "一级",
    "二级",
];
/// Somebody should look soon.
const WARNING_ALIASES: [&str; 24] = [
    "warning",
    "warn",
    "average",
    "moderate",
    "medium",
    "minor",
    "degraded",
    "p3",
    "sev3",
    "s3",
    "警告",
    "预警",
    "告警",
    "一般",
    "一般严重",
    "次要",
    "中",
    "中危",
    "中等",
    "较大",
    "普通",
    "三级",
    "注意",
    "轻微",
];
/// Good to know.
const INFO_ALIASES: [&str; 30] = [
    "info",
    "information",
    "informational",
    "notice",
    "debug",
    "trace",
    "verbose",
    "low",
    "none",
    "ok",
    "normal",
    "trivial",
    "p4",
    "p5",
    "sev4",
    "sev5",
    "s4",
    "s5",
    "提示",
    "信息",
    "通知",
    "提醒",
    "消息",
    "低",
    "低危",
    "正常",
    "调试",
    "恢复",
    "四级",
    "五级",
];

/// What a monitoring system's word for the severity means: trimmed, without case, `sev-1` and `SEV 1` as `sev1`. Nothing for a word
/// that is in no table.
#[must_use]
pub fn parse_severity_alias(word: &str) -> Option<Severity> {
    let word: String = text::trim_invisible(word)
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    let word = word.as_str();
    match () {
        () if CRITICAL_ALIASES.contains(&word) => Some(Severity::Critical),
        () if WARNING_ALIASES.contains(&word) => Some(Severity::Warning),
        () if INFO_ALIASES.contains(&word) => Some(Severity::Info),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn severity_aliases_ignore_case_and_surrounding_space() {
        let critical = [
            "critical",
            "Critical ",
            "CRITICAL",
            "crit",
            "emerg",
            "Emergency",
            "alert",
            "fatal",
            "page",
            "error",
            "high",
            "P0",
            "p1",
            "P1",
            "P-1",
            "sev0",
            "SEV1",
            "Sev-1",
            "sev 1",
            "严重",
            "紧急",
            "致命",
            " 致命\n",
            "\u{feff}critical",
            "\u{a0}P0\u{a0}",
            "重要",
            "Disaster",
            "major",
        ];
        let warning =
            ["warning", "Warning", "warn", " WARN", "minor", "P3", "sev3", "警告", "一般", "次要", "Average", "Medium"];
        let info = [
            "info",
            "Info",
            "notice",
            "debug",
            "low",
            "none",
            "P4",
            "P5",
            "sev4",
            "提示",
            "信息",
            "Informational",
            "ok",
            "通知",
        ];
        let all = [(&critical[..], Severity::Critical), (&warning, Severity::Warning), (&info, Severity::Info)];
        for (words, severity) in all {
            for word in words {
                assert_eq!(parse_severity_alias(word), Some(severity), "{word:?}");
            }
        }
        for unknown in ["", " ", "1", "p6", "p10", "sev", "criticality", "warning!", "very high", "p1 p2", "红色", "?"]
        {
            assert_eq!(parse_severity_alias(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_documented_table_is_the_one_that_counts() {
        let text = include_str!("../../docs/http-api.md");
        let table = text.split("## Severity words").nth(1).expect("the chapter").split("\n## ").next().unwrap();
        let mut documented = BTreeSet::new();
        for row in table.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = row.trim_matches('|').split('|');
            let severity = Severity::parse(cells.next().unwrap().trim().trim_matches('`')).expect("a severity");
            for word in cells.next().unwrap().split('`').skip(1).step_by(2) {
                assert_eq!(parse_severity_alias(word), Some(severity), "{word}");
                assert!(documented.insert(word.to_owned()), "{word} stands there twice");
            }
        }
        let known: BTreeSet<String> = [&CRITICAL_ALIASES[..], &WARNING_ALIASES, &INFO_ALIASES]
            .into_iter()
            .flatten()
            .map(|word| (*word).to_owned())
            .collect();
        assert_eq!(documented, known);
    }
}
