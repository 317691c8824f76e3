//! What a group hears about a member.

use chrono::NaiveDateTime;

use super::model::Member;
use crate::{
    channels::store as channels,
    db::{AccountId, AnyConnection, MemberId, RobotId, TenantId},
    delivery::{self, DeliveryKind, Notice},
    error::{Error, Result},
    language::Language,
    robots::{Channel, escape_markdown},
    secrets::PlainToken,
    templates::{MessageReason, MessageText, Templates, Variables, store as templates},
};

/// What stands for a code where it is not to be read.
const MASKED: &str = "••••••";

/// Puts a message for each of a member's new or changed robots into the outbox, as far as he is not disabled and their
/// channels are on. Answers how many.
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
    if !member.status.is_notified() || robots.is_empty() {
        return Ok(0);
    }
    let settings = channels::settings(c, about.tenant)?;
    let templates = templates::load(c, about.tenant)?;
    let ringing = robots.iter().filter(|(channel, _)| settings.effective().is_on(channel));
    let notices = ringing.map(|(channel, robot)| about.saved(&templates, *channel, *robot)).collect();
    i64::try_from(delivery::enqueue_all(c, notices, now)?.len()).map_err(Error::internal)
}

/// What the words are made of.
#[derive(Clone, Debug)]
pub struct About {
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
    pub fn saved(&self, templates: &Templates, channel: Channel, robot: RobotId) -> Notice {
        self.notice(
            DeliveryKind::MemberSaved,
            robot,
            templates.render(channel, MessageReason::MemberSaved, &self.variables()),
        )
    }

    /// A test message.
    #[must_use]
    pub fn test(&self, templates: &Templates, channel: Channel, robot: RobotId) -> Notice {
        self.notice(DeliveryKind::Test, robot, templates.render(channel, MessageReason::Test, &self.variables()))
    }

    /// A verification code: the notice, in which it is masked, and the text with the code, which the group alone reads.
    /// Its words are Belfry's own in every tenant: a template might leave the code out.
    #[must_use]
    pub fn verification(&self, language: Language, robot: RobotId, code: &PlainToken) -> (Notice, String) {
        let title =
            language.text_with("members-verify-title", &[("product", &self.product), ("name", &self.recipient)]);
        let words = MessageText { title: title.into_owned(), body: self.verification_body(language, MASKED) };
        (self.notice(DeliveryKind::Verification, robot, words), self.verification_body(language, code.expose()))
    }

    fn verification_body(&self, language: Language, code: &str) -> String {
        let escaped = [&self.recipient, &self.tenant_name, &self.by_name].map(|text| escape_markdown(text));
        let [name, tenant, by] = &escaped;
        let variables = [("name", name.as_str()), ("tenant", tenant), ("by", by), ("code", code)];
        language.text_with("members-verify-body", &variables).into_owned()
    }

    fn variables(&self) -> Variables {
        Variables {
            product: self.product.clone(),
            tenant: self.tenant_name.clone(),
            member: self.recipient.clone(),
            by: self.by_name.clone(),
            ..Variables::default()
        }
    }

    fn notice(&self, kind: DeliveryKind, robot: RobotId, MessageText { title, body }: MessageText) -> Notice {
        Notice {
            tenant: self.tenant,
            kind,
            title,
            body,
            robot,
            member: Some(self.member),
            recipient: self.recipient.clone(),
            requested_by: self.by,
            alert: None,
        }
    }
}
