//! The people that tests are about: two tenants beside the metadata warehouse, with somebody of every kind in them.

use std::collections::BTreeMap;

use belfry::{
    access::{Actor, Role},
    accounts::{self, Username},
    alerts::{AlertContext, AlertFields, Receiver, Rule, Severity, Source, ingest, store::rules},
    db::{
        AccountId, AlertId, DeliveryId, GroupId, MemberId, PortalId, RuleId, ScheduleId, TenantId,
        schema::{accounts as accounts_table, members, sessions},
    },
    delivery::{self, DeliveryKind, DeliveryReason, Notice, UnreachableRecipient},
    groups::Details,
    language::Language,
    members::store::NewMember,
    portals::{self, ReturnOrigins, store::Secrets},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    schedules::{self, Unit, store::Draft},
    secrets::KeyRing,
    tenants::store::NewTenant,
};
use chrono::TimeDelta;
use diesel::prelude::*;

use super::{TestApp, app::password_hash};

/// The tenants and members of [`TestApp::settle`].
#[derive(Clone, Copy, Debug)]
pub struct Town {
    /// `metadata-warehouse`, whose super administrator is `root` and whose member is `clerk`.
    pub warehouse: TenantId,
    /// `ours`: super administrator `sue`, system administrator `sam`, member `mia`, disabled member `dan`, `eve` and `nora`.
    pub ours: TenantId,
    /// `theirs`: super administrator `theo`, member `tom`.
    pub theirs: TenantId,
    /// The member `mia` of `ours`.
    pub mia: MemberId,
    /// The member `tom` of `theirs`.
    pub tom: MemberId,
}

impl TestApp {
    /// Makes an account with the password of every account.
    pub async fn account(&self, username: &str) -> AccountId {
        self.account_with(username, password_hash().await, false).await
    }

    /// Makes an account whose password is a one-time code.
    pub async fn newcomer(&self, username: &str) -> AccountId {
        self.account_with(username, password_hash().await, true).await
    }

    async fn account_with(&self, username: &str, hash: &'static str, is_code: bool) -> AccountId {
        let (username, now) = (name(username), self.clock.now());
        self.db
            .write(move |c| accounts::store::insert_account(c, &username, hash, is_code, now))
            .await
            .expect("a new account")
    }

    /// Makes a tenant whose super administrator is a new account.
    pub async fn tenant(&self, slug: &str, super_admin: &str) -> TenantId {
        let (account, now) = (self.account(super_admin).await, self.clock.now());
        let (username, slug) = (name(super_admin), slug.to_owned());
        self.db
            .write(move |c| {
                let tenant = NewTenant {
                    name: &slug,
                    slug: &slug,
                    description: "",
                    metadata_warehouse: slug == "metadata-warehouse",
                    locale: belfry::tenants::Locale {
                        time_zone: chrono_tz::Tz::Asia__Shanghai,
                        message_language: Language::English,
                    },
                };
                belfry::tenants::store::insert(c, &tenant, account, &username, &console(), now)
            })
            .await
            .expect("a new tenant")
    }

    /// Makes an account that is member of a tenant, as if the tenant's administrator had made it.
    pub async fn member(&self, tenant: TenantId, username: &str, role: Role) -> MemberId {
        let account = self.account(username).await;
        let made_in = accounts_table::created_by_tenant.eq(Some(tenant));
        self.db
            .write(move |c| Ok(diesel::update(accounts_table::table.find(account)).set(made_in).execute(c)?))
            .await
            .expect("an account of the tenant");
        self.join(tenant, account, username, role).await
    }

    /// Makes an account a member of one more tenant.
    pub async fn join(&self, tenant: TenantId, account: AccountId, username: &str, role: Role) -> MemberId {
        let (username, now) = (name(username), self.clock.now());
        self.db
            .write(move |c| {
                let member = NewMember { account, username: &username, display_name: username.as_str(), role };
                belfry::members::store::insert(c, tenant, &member, now)
            })
            .await
            .expect("a new member")
    }

    /// Lets the one-time code of an account log in once more, as a new one would.
    pub async fn give_back_code(&self, username: &str) {
        let of_account = accounts_table::table.filter(accounts_table::username_key.eq(username.to_owned()));
        let unused = accounts_table::code_used_at.eq(None::<chrono::NaiveDateTime>);
        self.db.write(move |c| Ok(diesel::update(of_account).set(unused).execute(c)?)).await.expect("a code");
    }

    /// Disables a member.
    pub async fn disable(&self, member: MemberId) {
        self.db
            .write(move |c| {
                Ok(diesel::update(members::table.find(member)).set(members::status.eq("disabled")).execute(c)?)
            })
            .await
            .expect("a disabled member");
    }

    /// Puts a message for a member into the outbox, to a robot that nobody has.
    pub async fn delivery(&self, tenant: TenantId, member: MemberId) -> DeliveryId {
        let keys = KeyRing::open(&self.folder().join("belfry.key")).expect("the keys");
        let origins = RobotOrigins::parse(&self.sandbox_origin).expect("an origin");
        let webhook = RobotKind::DingTalk.webhook_url(&self.sandbox_origin, &format!("{:064x}", tenant.0));
        let address = RobotAddress::parse(Channel::DingTalk, &webhook, &origins).expect("an address");
        let now = self.clock.now();
        self.db
            .write(move |c| {
                let (robot, _) = delivery::upsert_robot(c, &keys, tenant, &address, None, now)?;
                let notice = Notice {
                    tenant,
                    kind: DeliveryKind::MemberSaved,
                    title: "Dataphin: a title".to_owned(),
                    body: "A text.".to_owned(),
                    robot,
                    member: Some(member),
                    recipient: "somebody".to_owned(),
                    requested_by: None,
                    alert: None,
                };
                delivery::enqueue(c, notice, now)
            })
            .await
            .expect("a delivery")
    }

    /// Adds a portal that may do everything.
    pub async fn portal(&self, tenant: TenantId, name: &str) -> PortalId {
        let keys = KeyRing::open(&self.folder().join("belfry.key")).expect("the keys");
        let details = portals::Details {
            name: name.to_owned(),
            saves_members: true,
            fires_alerts: true,
            return_origins: ReturnOrigins::default(),
            per_minute: None,
        };
        let (secrets, now) = (Secrets::generate().expect("secrets"), self.clock.now());
        self.db
            .write(move |c| portals::store::insert(c, tenant, &details, &secrets, &keys, now))
            .await
            .expect("a portal")
    }

    /// Makes a user group of this name, with nobody in it.
    pub async fn group(&self, tenant: TenantId, name: &str) -> GroupId {
        let (name, now) = (name.to_owned(), self.clock.now());
        self.db
            .write(move |c| {
                let details = Details { name, description: String::new(), admins: Vec::new() };
                Ok(belfry::groups::store::insert(c, tenant, &details, &[], &console(), now)?
                    .expect("nobody is unknown"))
            })
            .await
            .expect("a group")
    }

    /// Makes a shift schedule of this name, with one member who is always on duty.
    pub async fn schedule(&self, tenant: TenantId, name: &str, username: &str) -> ScheduleId {
        let now = self.clock.now();
        let draft = Draft {
            name: name.to_owned(),
            unit: Unit::Week,
            every: 1,
            starts_on: now.date() - TimeDelta::days(2),
            handover: 0,
            hours: None,
            outside: None,
            shifts: vec![vec![username.to_owned()]],
        };
        self.db
            .write(
                move |c| Ok(schedules::store::insert(c, tenant, &draft, &console(), now)?.expect("a known username")),
            )
            .await
            .expect("a schedule")
    }

    /// Makes an alert rule that rings the tenant's super administrator.
    pub async fn rule(&self, tenant: TenantId, name: &str) -> RuleId {
        self.rule_ringing(tenant, name, Receiver::Role(Role::SuperAdministrator)).await
    }

    /// Makes an alert rule for every alert, with one receiver.
    pub async fn rule_ringing(&self, tenant: TenantId, name: &str, receiver: Receiver) -> RuleId {
        let now = self.clock.now();
        let rule = Rule {
            id: RuleId(0),
            name: name.to_owned(),
            is_on: true,
            severity: Severity::Info,
            source: None,
            matchers: Vec::new(),
            channels: Channel::ALL.to_vec(),
            frequency: TimeDelta::minutes(5),
            max_sends: None,
            window: None,
            receivers: vec![receiver],
        };
        self.db.write(move |c| rules::insert(c, tenant, &rule, now)).await.expect("a new rule")
    }

    /// Writes into the record that a member was not reached: a delivery that has ended.
    pub async fn unreached(&self, tenant: TenantId, member: MemberId, reason: DeliveryReason) -> DeliveryId {
        let now = self.clock.now();
        let about = UnreachableRecipient {
            tenant,
            kind: DeliveryKind::MemberSaved,
            title: "Dataphin: nobody heard it".to_owned(),
            body: "A text.".to_owned(),
            member: Some(member),
            recipient: "somebody".to_owned(),
            reason,
            requested_by: None,
            alert: None,
            entry: None,
            rule_names: String::new(),
        };
        self.db.write(move |c| delivery::record_unreachable(c, about, now)).await.expect("a row of the record")
    }

    /// Takes in an alert that a monitoring system sent.
    pub async fn alert(&self, tenant: TenantId, title: &str) -> AlertId {
        let fields = AlertFields { title: title.to_owned(), ..AlertFields::default() };
        let alert = fields.check(Source::Portal, BTreeMap::new()).expect("an alert");
        let (sender, product) = ("a portal".to_owned(), "Dataphin".to_owned());
        let context = AlertContext { tenant, sender, fired_by: None, portal: None, product, now: self.clock.now() };
        self.db.write(move |c| Ok(ingest(c, &context, &alert)?.alert)).await.expect("an event")
    }

    /// Makes the sessions of an account older than any session may get.
    pub async fn age_sessions_of(&self, username: &str) {
        let (key, old) = (username.to_owned(), self.clock.now() - TimeDelta::hours(13));
        self.db
            .write(move |c| {
                let account: AccountId = accounts_table::table
                    .filter(accounts_table::username_key.eq(key))
                    .select(accounts_table::id)
                    .first(c)?;
                let of_account = sessions::table.filter(sessions::account.eq(account));
                Ok(diesel::update(of_account).set(sessions::created_at.eq(old)).execute(c)?)
            })
            .await
            .expect("old sessions");
    }

    /// Somebody of every kind.
    pub async fn settle(&self) -> Town {
        let warehouse = self.tenant("metadata-warehouse", "root").await;
        self.member(warehouse, "clerk", Role::Member).await;
        let ours = self.tenant("ours", "sue").await;
        self.member(ours, "sam", Role::SystemAdministrator).await;
        let mia = self.member(ours, "mia", Role::Member).await;
        let dan = self.member(ours, "dan", Role::Member).await;
        self.disable(dan).await;
        self.member(ours, "eve", Role::SystemAdministrator).await;
        let theirs = self.tenant("theirs", "theo").await;
        let tom = self.member(theirs, "tom", Role::Member).await;
        let nora = self.newcomer("nora").await;
        self.join(ours, nora, "nora", Role::SystemAdministrator).await;
        Town { warehouse, ours, theirs, mia, tom }
    }
}

fn name(username: &str) -> Username {
    Username::parse(username).expect("a username")
}

fn console() -> Actor {
    Actor { account: None, name: "test".to_owned(), address: String::new() }
}
