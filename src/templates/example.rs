//! An alert that never was, for previews and for the table of variables.

use chrono::{NaiveDateTime, TimeDelta};

use super::{MessageReason, Variables, format_duration};
use crate::{language::Language, web::Times};

/// How long the example alert has been going on, in minutes.
const EXAMPLE_DURATION_MINUTES: i64 = 35;

/// Variables as a message of this reason would have them.
pub fn example_variables(
    language: Language,
    reason: MessageReason,
    (product, tenant): (&str, &str),
    times: Times,
    now: NaiveDateTime,
) -> Variables {
    let t = |key| language.text(key).into_owned();
    let is_digest = reason == MessageReason::Digest;
    let before = Variables { product: product.to_owned(), tenant: tenant.to_owned(), ..Variables::default() };
    if matches!(reason, MessageReason::MemberSaved | MessageReason::Test) {
        return Variables { member: t("templates-example-member"), by: t("templates-example-by"), ..before };
    }
    let labels = [("instance", "db-7"), ("team", "dba")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Variables {
        title: t("templates-example-title"),
        content: t(if is_digest { "templates-example-digest" } else { "templates-example-content" }),
        content_is_markdown: is_digest,
        severity: t("templates-example-severity"),
        severity_code: "critical".to_owned(),
        source: "Prometheus".to_owned(),
        link: "https://monitor.example/alerts/42".to_owned(),
        key: "disk-db-7".to_owned(),
        count: if reason == MessageReason::Firing { 1 } else { 3 },
        labels: labels.into(),
        annotations: [("runbook_url".to_owned(), "https://wiki.example/disk".to_owned())].into(),
        first_at: times.format_with_zone(&(now - TimeDelta::minutes(EXAMPLE_DURATION_MINUTES))),
        last_at: times.format_with_zone(&now),
        duration: format_duration(language, EXAMPLE_DURATION_MINUTES * 60),
        recipients: vec![t("templates-example-member"), t("templates-example-by")],
        ..before
    }
}
