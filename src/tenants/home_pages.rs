//! The home page of a tenant: how its deliveries and robots fare, what to look after, and what to do next.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use chrono::{NaiveDateTime, TimeDelta};
use serde::Deserialize;

use super::{
    chart::{self, Bar},
    store::{
        health::{self, BrokenRobot, Hour, RobotCounts, SuppressedCriticals, Unheard, Unreached},
        overview::{self, Reach},
    },
};
use crate::{
    access::{Can, Role, permissions::ViewTenant},
    channels::{Switches, store as channels},
    clock::Clock,
    db::{AnyConnection, Cursor, Database, MemberId, TenantId},
    deliveries::store::{self as deliveries, DeliveryFilter, DeliveryRow, DeliveryScope},
    error::Result,
    first_steps::{FirstStepsProgress, store as first_steps},
    robots::Channel,
    web::{self, ListParameters, PageContext, Parameters, Times, Unread, query_string, unread},
};

/// How many of the latest deliveries are shown.
const LATEST: usize = 8;
/// How many days back receivers who could not be reached are named, today included.
const DAYS: i64 = 7;

/// Over how long the deliveries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// The last 24 hours.
    Day,
    /// The last seven times 24 hours.
    Week,
}

impl Span {
    const ALL: [Self; 2] = [Self::Day, Self::Week];

    fn hours(self) -> i64 {
        match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Day => "tenants-home-span-day",
            Self::Week => "tenants-home-span-week",
        }
    }

    /// The beginnings of its hours in UTC, up to the hour that is going on in this zone.
    fn starts(self, now: NaiveDateTime, times: Times) -> Vec<NaiveDateTime> {
        let last = times.hour_start(&now);
        (0..self.hours()).rev().map(|back| last - TimeDelta::hours(back)).collect()
    }
}

/// What the page can be asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    span: String,
}

impl ListParameters for Asked {
    const NAMES: &'static [&'static str] = &["span"];

    fn unknown_parameters(&self) -> Unread {
        unread(&[("span", &self.span, Span::ALL.into_iter().any(|span| span.word() == self.span))])
    }
}

impl Asked {
    /// A day, unless another span was asked for.
    fn span(&self) -> Span {
        Span::ALL.into_iter().find(|span| span.word() == self.span).unwrap_or(Span::Day)
    }
}

/// The classes of bars, by how good what they show is; their order is that of the numbers in every picture.
const CLASSES: [&str; 3] = ["good", "wait", "bad"];

/// The bars of a picture, each with its class.
fn classed(bars: Vec<Bar>) -> Vec<(&'static str, Bar)> {
    bars.into_iter().filter_map(|bar| Some((*CLASSES.get(bar.part)?, bar))).collect()
}

/// The numbers of a picture, with the keys of their names.
fn parts(keys: [&'static str; 3], counts: [i64; 3]) -> Vec<Part> {
    CLASSES.into_iter().zip(keys).zip(counts).map(|((class, key), count)| Part { class, key, count }).collect()
}

/// A number of a picture: the class of its bars, the key of its name, and how much it is.
struct Part {
    class: &'static str,
    key: &'static str,
    count: i64,
}

/// The deliveries hour by hour.
struct Pulse {
    span: Span,
    hours: Vec<(NaiveDateTime, Hour)>,
}

impl Pulse {
    fn stack(hour: &Hour) -> [i64; 3] {
        [hour.success, hour.waiting, hour.failed]
    }

    fn bars(&self) -> Vec<(&'static str, Bar)> {
        classed(chart::columns(&self.hours.iter().map(|(_, hour)| Self::stack(hour)).collect::<Vec<_>>()))
    }

    fn parts(&self) -> Vec<Part> {
        let sums = self.hours.iter().fold([0; 3], |sums: [i64; 3], (_, hour)| {
            let [success, waiting, failed] = Self::stack(hour);
            let [all_success, all_waiting, all_failed] = sums;
            [all_success + success, all_waiting + waiting, all_failed + failed]
        });
        parts(["deliveries-success", "deliveries-waiting", "deliveries-failed"], sums)
    }

    /// The most deliveries of an hour.
    fn most(&self) -> i64 {
        self.hours.iter().map(|(_, hour)| hour.total()).max().unwrap_or_default()
    }

    /// What the picture shows, in words.
    fn described(&self, ctx: &PageContext) -> String {
        let [first, last] = self.ends(ctx);
        let counts: Vec<String> = self.parts().iter().map(|part| part.count.to_string()).collect();
        let names = ["success", "waiting", "failed"];
        let counts = names.into_iter().zip(counts.iter().map(String::as_str));
        let ends = [("first", first.as_str()), ("last", last.as_str())];
        let variables: Vec<(&str, &str)> = ends.into_iter().chain(counts).collect();
        ctx.language.text_with("tenants-home-pulse-desc", &variables).into_owned()
    }

    /// The first and the last hour of the picture.
    fn ends(&self, ctx: &PageContext) -> [String; 2] {
        [self.hours.first(), self.hours.last()]
            .map(|end| end.map(|(start, _)| ctx.times().format_minute(start)).unwrap_or_default())
    }

    /// How many receivers were chosen.
    fn chosen(&self) -> i64 {
        self.hours.iter().map(|(_, hour)| hour.chosen).sum()
    }

    /// Whether all of them are accounted for.
    fn balances(&self) -> bool {
        self.hours.iter().all(|(_, hour)| hour.chosen == hour.total())
    }

    /// Who was chosen, and what became of them: the key of a column's name, the record's filter by status, and how many.
    fn ledger(&self) -> Vec<(&'static str, &'static str, i64)> {
        let keys = ["tenants-home-ledger-delivered", "tenants-home-ledger-waiting", "tenants-home-ledger-given-up"];
        let became = keys.into_iter().zip(["success", "waiting", "failed"]).zip(self.parts());
        let became = became.map(|((key, status), part)| (key, status, part.count));
        [("tenants-home-ledger-chosen", "", self.chosen())].into_iter().chain(became).collect()
    }

    /// The record's query for what has this status, from the first day of the picture on.
    fn recorded(&self, status: &str, ctx: &PageContext) -> String {
        let first = self.hours.first().map(|(start, _)| ctx.times().format_day(start)).unwrap_or_default();
        query_string(&[("from", &first), ("status", status)])
    }

    /// The hours in which there was any.
    fn busy(&self) -> impl Iterator<Item = &(NaiveDateTime, Hour)> {
        self.hours.iter().filter(|(_, hour)| hour.total() > 0)
    }
}

/// What only administrators see.
struct Care {
    reach: Reach,
    robots: RobotCounts,
    broken: Vec<BrokenRobot>,
    /// Since when the next three are counted.
    since: NaiveDateTime,
    unreached: Vec<Unreached>,
    unheard: Unheard,
    suppressed: SuppressedCriticals,
}

impl Care {
    fn robot_numbers(&self) -> [i64; 3] {
        [self.robots.ok, self.robots.resting, self.robots.broken]
    }

    fn robot_parts(&self) -> Vec<Part> {
        let keys = ["tenants-home-robots-ok", "tenants-home-robots-resting", "tenants-home-robots-broken"];
        parts(keys, self.robot_numbers())
    }

    fn robot_bars(&self) -> Vec<(&'static str, Bar)> {
        classed(chart::shares(&self.robot_numbers()))
    }

    /// What the picture shows, in words.
    fn described(&self, ctx: &PageContext) -> String {
        let counts: Vec<String> = self.robot_parts().iter().map(|part| part.count.to_string()).collect();
        let names = ["ok", "resting", "broken"];
        let variables: Vec<(&str, &str)> = names.into_iter().zip(counts.iter().map(String::as_str)).collect();
        ctx.language.text_with("tenants-home-robots-desc", &variables).into_owned()
    }

    /// Whether there is anything to look after.
    fn is_needed(&self) -> bool {
        !self.unreached.is_empty() || self.unheard.count > 0 || self.suppressed.count > 0 || !self.broken.is_empty()
    }

    /// The record's query for what failed for this reason.
    fn failed_for(&self, reason: &str, ctx: &PageContext) -> String {
        query_string(&[("from", &ctx.times().format_day(&self.since)), ("status", "failed"), ("reason", reason)])
    }
}

#[derive(Template)]
#[template(path = "tenants/home.html")]
struct HomePage {
    ctx: PageContext,
    name: String,
    /// Where the tenant's pages are.
    base: String,
    switches: Switches,
    care: Option<Care>,
    /// What an administrator of a tenant that has not sent an alert yet does first.
    first_steps: Option<FirstStepsProgress>,
    /// The channels that have a robot of the viewer.
    own: Vec<Channel>,
    pulse: Pulse,
    latest: Vec<DeliveryRow>,
}

/// Who looks at the page, when, and over how long.
#[derive(Clone, Copy)]
struct View {
    tenant: TenantId,
    member: Option<MemberId>,
    administers: bool,
    shows_steps: bool,
    now: NaiveDateTime,
    times: Times,
    span: Span,
}

/// What the page reads in one go.
struct Seen {
    switches: Switches,
    care: Option<Care>,
    first_steps: Option<FirstStepsProgress>,
    own: Vec<Channel>,
    pulse: Pulse,
    latest: Vec<DeliveryRow>,
}

impl View {
    /// Whose deliveries are shown, when not everybody's.
    fn only(&self) -> Option<MemberId> {
        self.member.filter(|_| !self.administers)
    }

    fn read(&self, c: &mut AnyConnection) -> Result<Seen> {
        let scope = self.only().map_or(DeliveryScope::Tenant, DeliveryScope::Member);
        let (mut latest, _) = deliveries::list(c, self.tenant, scope, &DeliveryFilter::default(), Cursor::default())?;
        latest.truncate(LATEST);
        let starts = self.span.starts(self.now, self.times);
        let hours = health::hours(c, self.tenant, self.only(), &starts)?;
        Ok(Seen {
            switches: channels::settings(c, self.tenant)?.effective().clone(),
            care: self.administers.then(|| self.care(c)).transpose()?,
            first_steps: self.shows_steps.then(|| first_steps::load_progress(c, self.tenant)).transpose()?,
            own: self.member.map(|member| overview::channels_of(c, member)).transpose()?.unwrap_or_default(),
            pulse: Pulse { span: self.span, hours: starts.into_iter().zip(hours).collect() },
            latest,
        })
    }

    fn care(&self, c: &mut AnyConnection) -> Result<Care> {
        // A whole day of the zone, so that the record finds the same rows by its day.
        let since = self.times.day_start(self.times.local_date(&(self.now - TimeDelta::days(DAYS - 1))));
        Ok(Care {
            reach: overview::reach(c, self.tenant)?,
            robots: health::robot_counts(c, self.tenant, self.now)?,
            broken: health::broken_robots(c, self.tenant)?,
            since,
            unreached: health::unreached(c, self.tenant, since)?,
            unheard: health::unheard(c, self.tenant, since)?,
            suppressed: health::suppressed_criticals(c, self.tenant, since)?,
        })
    }
}

/// The tenant's home.
pub async fn home(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ViewTenant>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    let ctx = ctx.with_viewer(&who).with_unknown_parameters(unread);
    let (administers, now) = (who.role().is_some_and(Role::administers), clock.now());
    let view = View {
        tenant: who.tenant.id,
        member: who.member(),
        administers,
        // The metadata warehouse is for administering the instance, not for alerts.
        shows_steps: administers && !who.tenant.metadata_warehouse,
        now,
        times: ctx.times(),
        span: asked.span(),
    };
    let Seen { switches, care, first_steps, own, pulse, latest } = db.read(move |c| view.read(c)).await?;
    let (name, base) = (who.tenant.name.clone(), format!("/t/{}", who.tenant.slug));
    let first_steps = first_steps.filter(|progress| progress.is_shown(now));
    web::render_page(StatusCode::OK, &HomePage { ctx, name, base, switches, care, first_steps, own, pulse, latest })
}
