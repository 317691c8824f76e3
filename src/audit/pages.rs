//! The audit log of a tenant, and that of the whole instance.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use serde::Deserialize;

use super::{
    ACTIONS, Change,
    store::{self, Filter, Row},
};
use crate::{
    access::{
        Can, CanInstance,
        permissions::{ViewAudit, ViewInstanceAudit},
    },
    clock::Clock,
    db::{Cursor, Database, Keyset, TenantId},
    error::Result,
    retention::store as retention,
    web::{self, ListParameters, PageContext, Parameters, Times, Unread, query_string, unread},
};

/// What the page can be asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    who: String,
    action: String,
    before: String,
    after: String,
}

impl ListParameters for Asked {
    const NAMES: &'static [&'static str] = &["who", "action", "before", "after"];

    fn unknown_parameters(&self) -> Unread {
        let is_id = |text: &str| text.parse::<i64>().is_ok();
        unread(&[
            ("action", &self.action, ACTIONS.contains(&self.action.as_str())),
            ("before", &self.before, is_id(&self.before)),
            ("after", &self.after, is_id(&self.after) && !is_id(&self.before)),
        ])
    }
}

impl Asked {
    /// An action that does not exist is none.
    fn filter(&self) -> Filter {
        Filter {
            actor: self.who.trim().to_owned(),
            action: ACTIONS.iter().copied().find(|action| *action == self.action),
            seek: Cursor { before: self.before.parse().ok(), after: self.after.parse().ok() },
        }
    }
}

#[derive(Template)]
#[template(path = "audit/log.html")]
struct LogPage {
    ctx: PageContext,
    /// Whether this is the log of the instance, which names the tenants.
    of_instance: bool,
    path: String,
    asked: Asked,
    rows: Vec<Row>,
    keyset: Keyset,
    /// What is no longer there, where the list ends.
    removed: Vec<String>,
}

impl LogPage {
    fn action(&self, action: &str) -> String {
        self.ctx.t(&format!("audit-action-{action}")).into_owned()
    }

    fn value(&self, change: &Change, value: &str) -> String {
        match change.word_key(value) {
            Some(key) => self.ctx.t(key).into_owned(),
            None if value.is_empty() => self.ctx.t("none").into_owned(),
            None => value.to_owned(),
        }
    }

    /// The list's own query, for the ways to its other pages.
    fn query(&self) -> String {
        query_string(&[("who", &self.asked.who), ("action", &self.asked.action)])
    }
}

async fn log(
    db: &Database,
    clock: &Clock,
    ctx: PageContext,
    tenant: Option<TenantId>,
    path: String,
    asked: Asked,
) -> Result<HttpResponse> {
    let filter = asked.filter();
    let now = clock.now();
    let ((rows, keyset), removed) =
        db.read(move |c| Ok((store::list(c, tenant, &filter)?, retention::removed(c, tenant, now)?.audit))).await?;
    let removed = removed.filter(|_| keyset.older.is_none()).map(|before| ctx.times().format_day(&before));
    let removed = removed.map(|date| ctx.t_with("retention-removed-audit", "date", &date).into_owned());
    let removed = removed.into_iter().collect();
    let page = LogPage { ctx, of_instance: tenant.is_none(), path, asked, rows, keyset, removed };
    web::render_page(StatusCode::OK, &page)
}

/// What was done in a tenant.
pub async fn tenant(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ViewAudit>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    let path = format!("/t/{}/audit", who.tenant.slug);
    log(&db, &clock, ctx.with_viewer(&who).with_unknown_parameters(unread), Some(who.tenant.id), path, asked).await
}

/// What was done anywhere.
pub async fn instance(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ViewInstanceAudit>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    log(&db, &clock, ctx.with_viewer(&who).with_unknown_parameters(unread), None, "/instance/audit".to_owned(), asked)
        .await
}
