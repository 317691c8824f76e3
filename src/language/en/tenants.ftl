tenants-title = Tenants
tenants-add = Add Tenant
tenants-name = Tenant name
tenants-slug = Slug
tenants-slug-rule = 1 to 64 lower-case letters, digits and hyphens, without a hyphen at either end. Part of the tenant's addresses; it cannot be changed later.
tenants-slug-taken = Another tenant, possibly a deleted one, has this slug. Choose another.
tenants-description = Description
tenants-description-hint = Optional. Use 1024 characters or fewer.
tenants-time-zone = Time zone
tenants-time-zone-hint = Used for times on the tenant's pages. Choose from the list, for example Asia/Shanghai.
tenants-time-zone-unknown = Unknown time zone. Choose one from the list, for example Asia/Shanghai or UTC.
tenants-message-language-hint = Used for messages to the tenant's groups. Its administrators can change it under Message Templates.
tenants-super-admin = Super administrator
tenants-super-admin-hint = Enter a username. A new username creates an account and shows its one-time code; an existing account is invited. The super administrator cannot be changed later.
tenants-members = Members
tenants-created = Created
tenants-status = Status
tenants-actions = Actions
tenants-active = Active
tenants-deleted = Deleted
tenants-metadata-warehouse = metadata warehouse
tenants-edit = Edit
tenants-edit-this = Edit { $name }
tenants-edit-title = Edit tenant
tenants-delete = Delete
tenants-delete-this = Delete { $name }
tenants-restore = Restore
tenants-restore-this = Restore { $name }
tenants-fixed = These can't be changed after creation.
tenants-delete-title = Delete this tenant?
tenants-delete-means = Its members lose access at once, and waiting deliveries are given up. Nothing else is lost: you can restore the tenant later, with its members, channels and records.
tenants-delete-button = Delete tenant
tenants-code-lead = An account was created for { $username }. Share this code privately.
tenants-code = One-time code
tenants-code-hint = Shown only once. Entered as the password within 24 hours, it lets the person choose a password.
tenants-code-done = I have copied the code
flash-tenant-added = Tenant added.
flash-tenant-added-invited = Tenant added. Its super administrator was invited and has no permissions until the invitation is accepted.
flash-super-administrator-named = Super administrator named. An invited account has no permissions until the invitation is accepted.
flash-tenant-deleted = Tenant deleted. You can restore it.
flash-tenant-restored = Tenant restored.

tenants-home-channels = Channels
tenants-home-channel = Channel
tenants-home-state = Status
tenants-home-reached = Members with a robot
tenants-home-reaches-me = Reaches me
tenants-home-all-off = Every channel is off, so nothing can be sent.
tenants-home-settings = Message Channel Settings
tenants-home-unreached = { $count ->
    [0] Every active member has a robot.
    [one] One active member has no robot and receives no messages.
   *[other] { $count } active members have no robot and receive no messages.
}
tenants-home-unreached-link = Show members
tenants-home-no-contact = You have no robot. Add yours to receive alerts.
tenants-home-deliveries = Latest deliveries
tenants-home-all-deliveries = All deliveries
tenants-super-admin-new = The super administrator has not logged in yet. If the one-time code is lost or expired, create a new one.
tenants-super-admin-recover = If the super administrator forgot the password, create a new one-time code. Anyone who has the code can log in, so the account's permissions in this tenant are suspended until an administrator of the tenant chooses Reinstate.
tenants-super-admin-none = Declined
tenants-name-super-admin = Name Super Administrator
tenants-name-super-admin-means = No administrator has permissions in this tenant: the invitation is not accepted, or the permissions are suspended. Name the same person to send the invitation again, or another person.

tenants-home-care = Needs attention
tenants-home-unreached-title = Receivers that could not be reached
tenants-home-unreached-lead = Last seven days, by reason. You can resend messages from the record.
tenants-home-unreached-reason = Reason and what to do
tenants-home-unreached-count = Messages
tenants-home-unreached-who = Receivers, latest first
tenants-home-unreached-show = Show in the record
tenants-home-unreached-show-of = Show in the record: { $reason }
tenants-home-unheard = { $count ->
    [one] One alert of the last seven days had no receiver
   *[other] { $count } alerts of the last seven days had no receiver
}
tenants-home-unheard-means = No alert rule matched, or none of the receivers could be reached.
tenants-home-suppressed = { $count ->
    [one] Do not disturb suppressed critical alerts of one event in the last seven days
   *[other] Do not disturb suppressed critical alerts of { $count } events in the last seven days
}
tenants-home-suppressed-means = Nobody was notified when they fired. If an event is still open when do not disturb ends, one notification is sent.
tenants-home-broken = Broken robots
tenants-home-broken-means = Waiting messages are kept and sent once the robots are fixed.
tenants-home-broken-robot = Robot
tenants-home-broken-members = Fix it under
tenants-home-broken-others = { $count ->
    [one] and one other
   *[other] and { $count } others
}
tenants-home-pulse = Deliveries by hour
tenants-home-span = Period
tenants-home-span-day = 24 hours
tenants-home-span-week = 7 days
tenants-home-pulse-desc = Columns, one per hour, from { $first } to { $last }. Success: { $success }. Waiting: { $waiting }. Failed: { $failed }.
tenants-home-pulse-most = Highest column: { $count } in an hour.
tenants-home-pulse-none = Nothing was sent in this period.
tenants-home-pulse-table = Show as a table
tenants-home-pulse-hour = Hour from
tenants-home-pulse-rest = Hours without deliveries are not listed.
tenants-home-robots = Robots by health
tenants-home-robots-ok = OK
tenants-home-robots-resting = Rate-limited
tenants-home-robots-broken = Broken
tenants-home-robots-state = Health
tenants-home-robots-count = Robots
tenants-home-robots-desc = Segmented bar. OK: { $ok }. Rate-limited: { $resting }. Broken: { $broken }.
tenants-home-robots-none = No member has a robot yet.
tenants-home-robots-means = A rate-limited robot receives messages again automatically.
tenants-home-ledger = Delivery totals
tenants-home-ledger-chosen = Total
tenants-home-ledger-delivered = = Delivered
tenants-home-ledger-waiting = + Waiting
tenants-home-ledger-given-up = + Given up
tenants-home-ledger-means = Every receiver of an alert or a message is counted. The numbers link to the record, which starts with the first day.
tenants-home-ledger-wrong = The numbers do not add up. Contact the operator of this server: belfry check --ledger names what is wrong.
