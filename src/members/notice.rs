//! What a group hears about a member.

use crate::{
    courier::{Kind, Notice},
    db::{AccountId, MemberId, RobotId, TenantId},
    robots::Channel,
    templates::{Reason, Templates, Variables},
};

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
    /// Who causes it.
    pub by: AccountId,
    /// His name.
    pub by_name: String,
}

impl About {
    /// Tells a group that it is the one that hears for a member now.
    #[must_use]
    pub fn saved(&self, templates: &Templates, channel: Channel, robot: RobotId) -> Notice {
        self.notice(templates, (Kind::MemberSaved, Reason::MemberSaved), channel, robot)
    }

    /// A test message.
    #[must_use]
    pub fn test(&self, templates: &Templates, channel: Channel, robot: RobotId) -> Notice {
        self.notice(templates, (Kind::Test, Reason::Test), channel, robot)
    }

    fn notice(
        &self,
        templates: &Templates,
        (kind, reason): (Kind, Reason),
        channel: Channel,
        robot: RobotId,
    ) -> Notice {
        let variables = Variables {
            product: self.product.clone(),
            tenant: self.tenant_name.clone(),
            member: self.recipient.clone(),
            by: self.by_name.clone(),
            ..Variables::default()
        };
        let words = templates.render(channel, reason, &variables);
        Notice {
            tenant: self.tenant,
            kind,
            title: words.title,
            body: words.body,
            robot,
            member: Some(self.member),
            recipient: self.recipient.clone(),
            requested_by: Some(self.by),
        }
    }
}
