members-title = Member Management
members-add = Add Member
members-search-hint = Username, display name or id
members-all = All
members-role = Role
members-status = Status
members-status-active = Active
members-status-disabled = Disabled
members-without-contact = Without any robot
members-display-name = Display name
members-display-name-hint = What this tenant calls the person. Left empty, it is the username.
members-username-hint = An unknown username makes a new account with a one-time code.
members-phone = Phone
members-phone-hint = Any country; without a country code, mainland China.
members-phone-rule = This is not a valid phone number. Write it with its country code, such as +86 138 0013 8000.
members-email = Email
members-email-rule = This is not an email address. It looks like name@company.example.
members-robots = Robots
members-no-robot = No robot
members-joined = Joined
members-actions = Actions
members-edit = Edit
members-edit-account = Edit Account
members-id = id
members-empty = There are no members yet.
members-nothing-found = Nobody fits this search.
members-show-all = Show all members
members-already = This account is a member of the tenant already.
members-is-added = { $name } was added
members-code = One-time code
members-code-lead = Hand this code over in private. It is typed as the password at the first log-in, and then the person chooses a password.
members-code-hint = It is valid for 24 hours and is not shown again.
members-known-account = This account existed already and logs in with its own password. It is a member of this tenant now.
members-renew-code = New one-time code
members-disable = Disable
members-reinstate = Reinstate
members-remove = Remove member
members-test = Send test message
members-test-good = The group has the test message.
members-test-unsaved = This robot is not saved yet: press OK to keep it.
members-test-waiting = The test message is still on its way. Its record shows how it ends.
members-test-answer = The robot's own answer:
members-test-record = Open the record of this message
members-tested-not-saved = The webhook you tested is not saved yet: OK keeps it, Cancel forgets it.
members-nothing-to-test = There is nothing to test: paste a webhook first.
members-secret-save-first = This robot is in use. Press OK to save the new secret first, then send a test message.
members-channel-off = This channel is off for the tenant: nothing is sent over it.
members-channel-off-link = Message Channel Settings
members-typed-not-saved = The webhook you typed is kept, but not saved yet: OK saves it, Cancel forgets it.
members-typed-secret = The secret you typed is kept, but not saved yet.
members-keep = Leave empty to keep it
members-has-secret = signed
members-signing-secret = signing secret
members-secret-of = { $channel } signing secret
members-secret-hint = Only when the robot's security settings ask for a signature.
members-remove-robot = Remove
members-remove-secret = Remove the signing secret
members-shared = { $count ->
    [one] This robot also reaches one other member:
   *[other] This robot also reaches { $count } other members:
}
members-me-lead = This is how you are reached. Only you and the administrators of this tenant see it, and a saved webhook is never shown whole again.
list-separator = ,{" "}
list-and-so-on = , …
members-account-unused = This account has not been used yet: somebody else still holds its one-time code. Ask the person to log in once, then add the account here.
members-secret-shared = This robot also reaches other members. Ask an administrator of this tenant to change its signing secret.
members-test-too-soon = A test message to this robot is still on its way, or you have sent several within a minute. Wait a moment, then try again.
members-contact-verified = Verified
members-contact-unverified = Unverified
members-contact-broken = Broken
members-verify = Verify
members-verify-lead = Verify sends a six-digit code into the robot's group. Typing it in here proves that you read that group.
members-verify-code = Verification code
members-verify-confirm = Confirm
members-verify-sent = The group has the verification code. Type it in below.
members-verify-waiting = The verification code is still on its way. Its record shows how it ends.
members-verify-until = The six digits that the group got last. They are valid until { $time }.
members-verify-rule = A verification code has six digits.
members-verify-wrong = This is not the newest code in the group. After five wrong ones a new code is needed.
members-verify-over = No code is valid any more: ten minutes have passed, five wrong ones were typed, or the robot was changed. Press Verify for a new one.
members-verify-nothing = There is no saved robot to verify. Save one first.
members-verify-too-soon = A message of this kind to this robot is still on its way, or several were sent within a minute. Wait a moment, then try again.
members-verify-title = { $product }: verification code for { $name }
members-verify-body = Verification code: { $code }
    Tenant: { $tenant }
    Sent by: { $by }
    It is valid for 10 minutes. { $name } types it in on My Contact Information, or tells it to the administrator who asked for it.
members-may-fire = May fire alerts
flash-verified = Verified: the member reads this group.
members-secret-without-robot = There is no robot that this secret could belong to: send its webhook too.
# A group hears that robots of its tenant do not work any more.
members-broken-title = { $product }: the group robot { $robot } takes no messages
members-broken-title-several = { $product }: { $count } group robots take no messages
members-broken-lead = In the tenant { $tenant }, messages cannot be delivered over what is listed here. They are kept, and go out by themselves once it is mended.
members-broken-robot = **{ $channel } { $robot }** (for { $members }): { $reason }
members-broken-and-more = and { $count } more
members-broken-link = [Mend it on the tenant's home page]({ $url })
members-broken-no-link = Log in to { $product }: the tenant's home page leads to each of them.
flash-member-disabled = The member is disabled: nothing reaches this person, who cannot work in this tenant.
flash-member-reinstated = The member takes part again.
flash-member-removed = The member was removed.
members-remove-means = The person leaves this tenant, with role and robots. What was sent stays in the record. To let the person pause, disable instead.
members-remove-now = Remove now
members-added-count = { $count ->
    [one] 1 member
   *[other] { $count } members
}
