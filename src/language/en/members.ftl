members-title = Member Management
members-add = Add Member
members-search-hint = Username, display name or ID
members-all = All
members-role = Role
members-status = Status
members-status-active = Active
members-status-invited = Invited
members-status-suspended = Suspended
members-status-disabled = Disabled
members-without-contact = Without a robot
members-display-name = Display name
members-display-name-hint = The person's name in this tenant. Leave empty to use the username.
members-username-hint = An unknown username creates a new account with a one-time code. An account created elsewhere is invited.
members-phone = Phone
members-phone-hint = Any country. Without a country code, mainland China is assumed.
members-phone-rule = Invalid phone number. Include the country code, such as +86 138 0013 8000.
members-email = Email
members-email-rule = Invalid email address. Use the form name@company.example.
members-email-name = The part before the @ contains characters that do not work in links, such as quotation marks or ? % & # /.
members-email-domain = The part after the @ is not a valid domain. Use the form company.example.
members-robots = Robots
members-no-robot = No robot
members-joined = Joined
members-actions = Actions
members-edit = Edit
members-edit-account = Edit Account
members-id = ID
members-empty = No members yet.
members-nothing-found = No members match your search.
members-show-all = Show all members
members-already = This account is already a member of the tenant.
members-is-added = { $name } was added
members-code = One-time code
members-code-lead = Share this code privately. Entered as the password at the first log-in, it lets the person choose a password.
members-code-hint = Valid for 24 hours. It is not shown again.
members-known-account = This account already existed and keeps its password. It is now a member of this tenant.
members-is-invited = { $name } was invited
members-invited-lead = This account was created elsewhere. It has no permissions in this tenant until its owner logs in and accepts the invitation on the start page. You can set its contact information now; alerts are delivered in the meantime.
members-invited-means = The owner of this account has not accepted the invitation, so it has no permissions in this tenant yet. Alerts are sent to the robots set here.
members-suspended-means = The tenant that created this account renewed its one-time code, so another person may be able to log in with it. The account has no permissions in this tenant; alerts are still sent to the robots set here. Check with the person, then choose Reinstate to invite the owner again.
members-renew-code = New one-time code
members-code-renewed-meanwhile = The one-time code was renewed, or a password was chosen, after you opened this page. Nothing was changed. To replace it with a new code, submit again.
members-disable = Disable
members-end-sessions = End All Sessions
members-reinstate = Reinstate
members-remove = Remove member
members-test = Send test message
members-test-good = The group received the test message.
members-test-unsaved = This robot is not saved yet. Press OK to save it.
members-test-waiting = The test message is still being sent. See its record for the result.
members-test-answer = The robot's answer:
members-test-rests-seconds = { $count ->
    [one] Try again in 1 second.
   *[other] Try again in { $count } seconds.
}
members-test-rests-minutes = { $count ->
    [one] Try again in 1 minute.
   *[other] Try again in { $count } minutes.
}
members-test-record = Open this message's record
members-tested-not-saved = The webhook you tested is not saved yet. Press OK to save it, or Cancel to discard it.
members-nothing-to-test = Nothing to test: paste a webhook first.
members-secret-save-first = This robot is in use. Press OK to save the new secret, then send a test message.
members-channel-off = This channel is off for the tenant: nothing is sent over it.
members-channel-off-link = Message Channel Settings
members-typed-not-saved = The webhook you entered is kept, but not saved yet. Press OK to save it, or Cancel to discard it.
members-typed-secret = The secret you entered is kept, but not saved yet.
members-keep = Leave empty to keep it
members-has-secret = signed
members-signing-secret = signing secret
members-secret-of = { $channel } signing secret
members-secret-hint = Only if the robot's security settings require a signature.
members-remove-robot = Remove
members-remove-secret = Remove the signing secret
members-shared = { $count ->
    [one] This robot also reaches one other member:
   *[other] This robot also reaches { $count } other members:
}
members-me-lead = How notifications reach you. Only you and the administrators of this tenant can see it. Saved webhooks are not shown in full again.
list-separator = ,{" "}
list-and-so-on = , …
members-account-unused = This account has not been used yet, so another person still has its one-time code. Ask the owner to log in once, then add the account here.
members-secret-shared = This robot also reaches other members. Ask an administrator of this tenant to change its signing secret.
members-test-too-soon = A test message to this robot is still being sent, or you sent several within a minute. Wait a moment, then try again.
members-contact-verified = Verified
members-contact-unverified = Unverified
members-contact-broken = Broken
members-verify = Verify
members-verify-lead = Verify sends a six-digit code to the robot's group. Enter it here to confirm that you read that group.
members-verify-code = Verification code
members-verify-confirm = Confirm
members-verify-sent = The group received the verification code. Enter it below.
members-verify-waiting = The verification code is still being sent. See its record for the result.
members-verify-until = The latest six digits that the group received. Valid until { $time }.
members-verify-rule = Enter six digits.
members-verify-wrong = This is not the latest code in the group. After five wrong codes, request a new one.
members-verify-over = No valid code: ten minutes have passed, five wrong codes were entered, or the robot was changed. Press Verify for a new one.
members-verify-nothing = No saved robot to verify. Save one first.
members-verify-too-soon = A message of this kind to this robot is still being sent, or several were sent within a minute. Wait a moment, then try again.
members-verify-title = { $product }: verification code for { $name }
members-verify-body = Verification code: { $code }
    Tenant: { $tenant }
    Sent by: { $by }
    Valid for 10 minutes. { $name } enters it under My Contact Information, or gives it to the administrator who requested it.
members-may-fire = Can fire alerts
flash-verified = Verified: the member can read this group.
flash-verified-own = Verified: you can read this group.
members-secret-without-robot = This secret has no robot. Enter the robot's webhook too.
# The notice to a group about broken robots of its tenant.
members-broken-title = { $product }: the group robot { $robot } cannot receive messages
members-broken-title-several = { $product }: { $count } group robots cannot receive messages
members-broken-lead = In the tenant { $tenant }, messages cannot be delivered to the robots below. They are kept and sent automatically once the robots are fixed.
members-broken-robot = **{ $channel } { $robot }** (for { $members }): { $reason }
members-broken-and-more = and { $count } more
members-broken-link = [Fix it on the tenant's home page]({ $url })
members-broken-no-link = Log in to { $product } and fix each of them from the tenant's home page.
flash-member-disabled = Member disabled. This person receives no messages and cannot access this tenant.
flash-member-sessions-ended = All sessions of the member have ended.
flash-member-reinstated = Member reinstated, or invited again if the owner of the account has not accepted.
flash-member-removed = Member removed.
members-remove-means = The person leaves this tenant, and role and robots are removed. Sent messages stay in the record. To pause the member, use Disable instead.
members-remove-now = Remove now
members-added-count = { $count ->
    [one] 1 member
   *[other] { $count } members
}
