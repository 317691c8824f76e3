//! Alert rules that name an internal portal: they follow when the portal is renamed.

use chrono::NaiveDateTime;

use super::{
    matcher::{Matcher, Operator},
    model::{Rule, Source},
    rule_text::rule_changes,
    store::rules as store,
};
use crate::{
    access::Actor,
    audit,
    db::{AnyConnection, TenantId},
    error::Result,
};

/// The label that says by which portal an alert came.
pub const PORTAL_LABEL: &str = "portal";

/// The effect of a portal's new name on a rule.
#[derive(Debug)]
enum Renamed {
    /// The rule does not name the portal, or fits both names.
    Unchanged,
    /// The rule with the new name in its conditions.
    Followed(Rule),
    /// A regular expression of the rule fits the old name alone, and only a person can change it.
    Stuck,
}

impl Renamed {
    fn of(rule: &Rule, before: &str, after: &str) -> Self {
        // Alerts of monitoring systems can have a label of that name, which is theirs.
        if rule.source.is_some_and(|source| source != Source::Portal) {
            return Self::Unchanged;
        }
        let is_lost = |matcher: &Matcher| {
            matcher.label == PORTAL_LABEL && matcher.matches_value(before) && !matcher.matches_value(after)
        };
        if rule.matchers.iter().any(|matcher| matcher.operator == Operator::Matches && is_lost(matcher)) {
            return Self::Stuck;
        }
        if !rule.matchers.iter().any(is_lost) {
            return Self::Unchanged;
        }
        let follow = |matcher: &Matcher| match is_lost(matcher) {
            true => Matcher::from_stored(matcher.label.clone(), matcher.operator, after.to_owned()),
            false => matcher.clone(),
        };
        Self::Followed(Rule { matchers: rule.matchers.iter().map(follow).collect(), ..rule.clone() })
    }
}

/// Writes the new name of a portal into the conditions of the tenant's rules that name it. Call it in the transaction that renames
/// the portal. Returns the names of the rules that cannot follow, because a regular expression fits the old name alone; then no
/// rule is changed.
///
/// # Errors
/// When the database cannot be used.
pub fn follow_portal_rename(
    c: &mut AnyConnection,
    tenant: TenantId,
    who: &Actor,
    (before, after): (&str, &str),
    now: NaiveDateTime,
) -> Result<Vec<String>> {
    store::lock(c, tenant)?;
    let rules = store::load_all(c, tenant)?;
    let (mut followed, mut stuck) = (Vec::new(), Vec::new());
    for rule in &rules {
        match Renamed::of(rule, before, after) {
            Renamed::Unchanged => {}
            Renamed::Followed(changed) => followed.push((rule, changed)),
            Renamed::Stuck => stuck.push(rule.name.clone()),
        }
    }
    if !stuck.is_empty() {
        return Ok(stuck);
    }
    for (rule, changed) in followed {
        let names = store::load_names(c, tenant, &[rule])?;
        let changes = rule_changes(Some(rule), Some(&changed), &names);
        let entry = audit::Entry { tenant: Some(tenant), action: "rule-edited", object: &rule.name, changes };
        audit::save_changes(c, who, &entry, now, |c| store::update(c, tenant, &changed))?;
    }
    Ok(stuck)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{alerts::model::Severity, db::RuleId};

    fn rule(source: Option<Source>, matchers: &[&str]) -> Rule {
        Rule {
            id: RuleId(1),
            name: "a rule".to_owned(),
            is_on: true,
            severity: Severity::Info,
            source,
            matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
            channels: Vec::new(),
            frequency: TimeDelta::minutes(5),
            max_sends: None,
            window: None,
            receivers: Vec::new(),
        }
    }

    #[test]
    fn a_rule_follows_by_name_and_an_expression_that_fits_the_old_name_alone_holds_it_back() {
        let renamed = |source, matchers: &[&str]| match Renamed::of(&rule(source, matchers), "OA", "OA 2") {
            Renamed::Unchanged => "unchanged".to_owned(),
            Renamed::Stuck => "stuck".to_owned(),
            Renamed::Followed(rule) => rule.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join(" "),
        };
        assert_eq!(renamed(None, &["portal=OA", "team=OA"]), r#"portal="OA 2" team="OA""#);
        assert_eq!(renamed(Some(Source::Portal), &["portal=OA", "portal=~OA.*"]), r#"portal="OA 2" portal=~"OA.*""#);
        assert_eq!(renamed(Some(Source::Grafana), &["portal=OA"]), "unchanged");
        assert_eq!(renamed(None, &["portal=oa"]), "unchanged");
        assert_eq!(renamed(None, &["portal=~OA|OA 2"]), "unchanged");
        assert_eq!(renamed(None, &["portal=~O[A-C]", "portal=OA"]), "stuck");
        assert_eq!(renamed(None, &["portal=~tickets"]), "unchanged");
    }
}
