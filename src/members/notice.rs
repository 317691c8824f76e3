//! The words of what a group hears about a member.

use chrono::NaiveDateTime;

use super::{Status, model::Member};
use crate::{
    channels::store as channels,
    courier::{self, Kind, Notice},
    db::{AccountId, AnyConnection, MemberId, RobotId, TenantId},
    error::Result,
    language::Language,
    robots::{Channel, escape_markdown},
    secrets::PlainToken,
};

/// What stands for a code where it is not to be read.
const MASKED: &str = "••••••";

/// Puts a message for each of a member's new or changed robots into the outbox, as far as he takes part and their channels
/// are on. Answers how many.
///
/// # Errors
/// When the database cannot be used.
pub fn ring(
    c: &mut AnyConnection,
    about: &About,
    member: &Member,
    robots: &[(Channel, RobotId)],
    now: NaiveDateTime,
) -> Result<i64> {
    let settings = channels::settings(c, about.tenant)?;
    let on = settings.effective();
    let mut rung = 0;
    for (_, robot) in robots.iter().filter(|(channel, _)| member.status == Status::Active && on.is_on(channel)) {
        courier::enqueue(c, about.saved(*robot), now)?;
        rung += 1;
    }
    Ok(rung)
}

/// What the words are made of.
#[derive(Clone, Debug)]
pub struct About {
    /// The language of whoever causes the message.
    pub language: Language,
    /// The word that every message holds: the robots' keyword.
    pub product: String,
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The member it is about.
    pub member: MemberId,
    /// The member's name, as the record shows it.
    pub recipient: String,
    /// Who causes it; nothing for another system.
    pub by: Option<AccountId>,
    /// His name, or that of the system.
    pub by_name: String,
}

impl About {
    /// Tells a group that it is the one that hears for a member now.
    #[must_use]
    pub fn saved(&self, robot: RobotId) -> Notice {
        self.notice(Kind::MemberSaved, robot, "members-saved-title", self.body("members-saved-body", ""))
    }

    /// A test message.
    #[must_use]
    pub fn test(&self, robot: RobotId) -> Notice {
        self.notice(Kind::Test, robot, "members-test-title", self.body("members-test-body", ""))
    }

    /// A verification code: the notice, in which it is masked, and the text with the code, which the group alone reads.
    #[must_use]
    pub fn verification(&self, robot: RobotId, code: &PlainToken) -> (Notice, String) {
        let text = |code: &str| self.body("members-verify-body", code);
        let notice = self.notice(Kind::Verification, robot, "members-verify-title", text(MASKED));
        (notice, text(code.expose()))
    }

    fn body(&self, key: &str, code: &str) -> String {
        let escaped = [&self.recipient, &self.tenant_name, &self.by_name].map(|text| escape_markdown(text));
        let [name, tenant, by] = &escaped;
        self.language.with(key, &[("name", name), ("tenant", tenant), ("by", by), ("code", code)]).into_owned()
    }

    fn notice(&self, kind: Kind, robot: RobotId, title: &str, body: String) -> Notice {
        Notice {
            tenant: self.tenant,
            kind,
            title: self.language.with(title, &[("product", &self.product), ("name", &self.recipient)]).into_owned(),
            body,
            robot,
            member: Some(self.member),
            recipient: self.recipient.clone(),
            requested_by: self.by,
            alert: None,
        }
    }
}
