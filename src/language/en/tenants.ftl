tenants-title = Tenants
tenants-add = Add Tenant
tenants-name = Tenant name
tenants-slug = Slug
tenants-slug-rule = 1 to 64 lower-case letters, digits and hyphens, with no hyphen at either end. It is part of the tenant's addresses and cannot be changed later.
tenants-slug-taken = Another tenant has this slug, perhaps a deleted one. Please choose another.
tenants-description = Description
tenants-description-hint = Optional; at most 1024 characters.
tenants-time-zone = Time zone
tenants-time-zone-hint = The tenant's pages show times in it. Choose from the list, for example Asia/Shanghai.
tenants-time-zone-unknown = There is no such time zone. Choose one from the list, for example Asia/Shanghai or UTC.
tenants-message-language-hint = Messages to the tenant's groups are written in it. Its administrators can change it under Message Templates.
tenants-super-admin = Super administrator
tenants-super-admin-hint = A username. If nobody has it yet, an account is made and you are shown its one-time code; an existing account is invited. The super administrator cannot be changed later.
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
tenants-fixed = These two were chosen when the tenant was made and stay.
tenants-delete-title = Delete this tenant?
tenants-delete-means = Its members can no longer open it, from this moment on, and what is still waiting to be delivered is given up. Nothing else is lost: you can restore the tenant later, with its members, channels and records.
tenants-delete-button = Delete tenant
tenants-code-lead = { $username } had no account, so one was made. Pass on this code in a way that only this person can read.
tenants-code = One-time code
tenants-code-hint = It is shown only now. Typed as the password within 24 hours, it leads to the choice of a password.
tenants-code-done = I have copied the code
flash-tenant-added = The tenant was added.
flash-tenant-added-invited = The tenant was added. Its super administrator is invited and has no rights until the invitation is accepted.
flash-super-administrator-named = The super administrator was named. Who is invited has no rights until the invitation is accepted.
flash-tenant-deleted = The tenant was deleted. It can be restored.
flash-tenant-restored = The tenant was restored.

tenants-home-channels = Channels
tenants-home-channel = Channel
tenants-home-state = Status
tenants-home-reached = Members with a robot
tenants-home-reaches-me = Reaches you
tenants-home-all-off = Every channel is off, so nothing can be sent.
tenants-home-settings = Message Channel Settings
tenants-home-unreached = { $count ->
    [0] Every active member has a robot.
    [one] One active member has no robot and hears nothing.
   *[other] { $count } active members have no robot and hear nothing.
}
tenants-home-unreached-link = Show them
tenants-home-no-contact = No robot rings you. Enter yours, so that alerts reach you.
tenants-home-deliveries = Latest deliveries
tenants-home-all-deliveries = All deliveries
tenants-super-admin-new = The super administrator has not logged in yet. If the one-time code is lost or too old, make a new one.
tenants-super-admin-recover = If the super administrator forgot the password, make a new one-time code. Whoever has the code can log in, so the account's rights in this tenant are suspended until an administrator of the tenant chooses Reinstate.
tenants-super-admin-none = Declined
tenants-name-super-admin = Name Super Administrator
tenants-name-super-admin-means = No administrator has rights in this tenant: the invitation is not accepted, or the rights are suspended. Name the same person to send the invitation again, or another.

tenants-home-care = Needs attention
tenants-home-unreached-title = Receivers who could not be reached
tenants-home-unreached-lead = In the last seven days, by reason. Messages can be sent again from the record.
tenants-home-unreached-reason = Reason, and what to do
tenants-home-unreached-count = Messages
tenants-home-unreached-who = Receivers, latest first
tenants-home-unreached-show = Show in the record
tenants-home-unreached-show-of = Show in the record: { $reason }
tenants-home-unheard = { $count ->
    [one] One alert of the last seven days found no receiver
   *[other] { $count } alerts of the last seven days found no receiver
}
tenants-home-unheard-means = No alert rule chose anybody, or nobody who was chosen could be reached.
tenants-home-suppressed = { $count ->
    [one] Do not disturb suppressed critical alerts of one event in the last seven days
   *[other] Do not disturb suppressed critical alerts of { $count } events in the last seven days
}
tenants-home-suppressed-means = Nobody was notified when they fired. If an event is still open when do not disturb ends, one notification is sent.
tenants-home-broken = Broken robots
tenants-home-broken-means = What waits for them is kept and goes out once they are mended.
tenants-home-broken-robot = Robot
tenants-home-broken-members = Mend it under
tenants-home-broken-others = { $count ->
    [one] and one other
   *[other] and { $count } others
}
tenants-home-pulse = Deliveries by hour
tenants-home-span = Period
tenants-home-span-day = 24 hours
tenants-home-span-week = 7 days
tenants-home-pulse-desc = Columns, one an hour, from { $first } to { $last }. Success: { $success }. Waiting: { $waiting }. Failed: { $failed }.
tenants-home-pulse-most = The highest column: { $count } in an hour.
tenants-home-pulse-none = Nothing was sent in this period.
tenants-home-pulse-table = The same numbers as a table
tenants-home-pulse-hour = Hour from
tenants-home-pulse-rest = Hours that are not listed had no delivery.
tenants-home-robots = Robots by health
tenants-home-robots-ok = OK
tenants-home-robots-resting = Resting
tenants-home-robots-broken = Broken
tenants-home-robots-state = Health
tenants-home-robots-count = Robots
tenants-home-robots-desc = One strip. OK: { $ok }. Resting: { $resting }. Broken: { $broken }.
tenants-home-robots-none = No member has a robot yet.
tenants-home-robots-means = A resting robot was told to slow down; it takes messages again by itself.
tenants-home-ledger = Every receiver accounted for
tenants-home-ledger-chosen = Chosen
tenants-home-ledger-delivered = = Delivered
tenants-home-ledger-waiting = + Waiting
tenants-home-ledger-given-up = + Given up
tenants-home-ledger-means = Whoever an alert or a message is meant for counts as chosen. The numbers lead to the record, which begins with the first day.
tenants-home-ledger-wrong = The numbers do not add up. Tell whoever runs this portal: belfry check --ledger names what is wrong.
