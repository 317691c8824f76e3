//! Proving that a member reads his robot's group: a code goes into the group, and whoever reads it there types it in.

use chrono::TimeDelta;

use super::{
    Tools,
    edit::{Answer, Sent, Task},
    form::{Verify, code_field, robot_field},
    model::{Contact, Member},
    store::verifications,
};
use crate::{
    audit::Change,
    channels::channel_key,
    db::{AnyConnection, DeliveryId, MemberId, RobotId},
    delivery::{self, DeliveryKind},
    error::Result,
    robots::Channel,
    secrets::{PlainToken, constant_time_eq, six_digit_code},
    templates,
    web::FieldErrors,
};

/// How long a code counts.
const VALID_FOR: TimeDelta = TimeDelta::minutes(10);

/// How often a code may be mistyped. With five guesses a code, a thousand codes leave the chance of a hit at a half percent.
const TRIES: i64 = 5;

type Checked<T> = std::result::Result<T, FieldErrors>;

impl Task {
    /// Sends a fresh code by the stored robot of a channel, and waits a moment for the robot's answer.
    pub(super) async fn send_code(&self, tools: &Tools, form: &Verify) -> Result<Checked<Vec<Answer>>> {
        let channel = match form.channel() {
            Ok(channel) => channel,
            Err(errors) => return Ok(Err(errors)),
        };
        let code = six_digit_code()?;
        let (task, shared) = (self.clone(), tools.clone());
        let sent = self.permit.write(&tools.db, move |c| task.enqueue_code(c, &shared, channel, &code)).await?;
        tools.waker.wake();
        match sent {
            Ok(sent) => self.answers(tools, vec![sent]).await.map(Ok),
            Err(errors) => Ok(Err(errors)),
        }
    }

    fn enqueue_code(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        channel: Channel,
        code: &PlainToken,
    ) -> Result<Checked<Sent>> {
        let (member, now) = (self.lock(c)?, tools.clock.now());
        let Some(Contact { robot, .. }) = member.robot(&channel).cloned() else { return Ok(Err(nothing(channel))) };
        if delivery::is_test_limited(c, self.tenant.id, robot, self.by, now)? {
            return Ok(Err(FieldErrors::single(code_field(&channel), "members-verify-too-soon")));
        }
        let language = templates::store::load_language(c, self.tenant.id)?;
        let (notice, text) = self.about(&member).verification(language, robot, code);
        let delivery = delivery::enqueue_sealed(c, &tools.keys, notice, &text, now)?;
        let sent = verifications::Sent {
            member: member.id,
            channel: channel.as_str().to_owned(),
            robot,
            delivery,
            code_hash: hash(tools, member.id, robot, delivery, code).to_vec(),
            tries_left: TRIES,
            expires_at: now + VALID_FOR,
        };
        verifications::keep(c, &sent)?;
        self.record(c, &member, "verification-sent", Vec::new(), tools)?;
        Ok(Ok(Sent { kind: DeliveryKind::Verification, channel, delivery, unsaved: false }))
    }

    /// Takes the code that somebody read in the group.
    pub(super) async fn confirm_code(&self, tools: &Tools, form: &Verify) -> Result<Checked<()>> {
        let (channel, code) = match form.check() {
            Ok(checked) => checked,
            Err(errors) => return Ok(Err(errors)),
        };
        let (task, shared) = (self.clone(), tools.clone());
        self.permit.write(&tools.db, move |c| task.take_code(c, &shared, channel, &code)).await
    }

    fn take_code(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        channel: Channel,
        code: &PlainToken,
    ) -> Result<Checked<()>> {
        let (member, now) = (self.lock(c)?, tools.clock.now());
        let Some(contact) = member.robot(&channel) else { return Ok(Err(nothing(channel))) };
        let sent = match verifications::find(c, member.id, channel)? {
            Some(sent) => sent,
            // A second click on the button finds the code used up and the contact verified.
            None if contact.verified_at.is_some() => return Ok(Ok(())),
            None => return Ok(Err(over(channel))),
        };
        if sent.robot != contact.robot || sent.expires_at <= now || sent.tries_left <= 0 {
            return Ok(Err(over(channel)));
        }
        if !constant_time_eq(&hash(tools, member.id, sent.robot, sent.delivery, code), &sent.code_hash) {
            verifications::miss(c, &sent)?;
            let left = sent.tries_left > 1;
            return Ok(Err(if left { wrong(channel) } else { over(channel) }));
        }
        verifications::prove(c, member.id, channel, sent.robot, now)?;
        self.record(c, &member, "contact-verified", verified(&member, channel), tools)?;
        Ok(Ok(()))
    }
}

/// The keyed hash of a code. It counts for this member, this robot and this message alone.
fn hash(tools: &Tools, member: MemberId, robot: RobotId, delivery: DeliveryId, code: &PlainToken) -> [u8; 32] {
    let data = format!("{member}:{robot}:{delivery}:{}", code.expose());
    tools.keys.keyed_hash("verification code", data.as_bytes())
}

/// What the audit log says of it.
fn verified(member: &Member, channel: Channel) -> Vec<Change> {
    let before = member.robot(&channel).and_then(|contact| contact.verified_at).map_or("unverified", |_| "verified");
    Change::between(channel_key(&channel), before, "verified").into_iter().collect()
}

fn nothing(channel: Channel) -> FieldErrors {
    FieldErrors::single(robot_field(&channel), "members-verify-nothing")
}

fn wrong(channel: Channel) -> FieldErrors {
    FieldErrors::single(code_field(&channel), "members-verify-wrong")
}

fn over(channel: Channel) -> FieldErrors {
    FieldErrors::single(code_field(&channel), "members-verify-over")
}
