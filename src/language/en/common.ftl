skip-to-content = Skip to content
language = Language
language-switch = Switch
log-out = Log out
navigation = Navigation
ok = OK
cancel = Cancel
save = Save
back = Back
search = Search
none = None
yes = Yes
no = No

role-super-administrator = Super administrator
role-system-administrator = System administrator
role-member = Member

channel-dingtalk = Dingtalk Robot
channel-lark = Lark Robot
channel-wecom = Wecom Robot

nav-home = Home
nav-alert-center = Alert Center
nav-deliveries = Alert Delivery Record
nav-management-center = Management Center
nav-members = Member Management
nav-me = My Contact Information
nav-audit = Audit log
nav-system-settings = System Settings
nav-tenant-settings = Tenant Settings
nav-channels = Message Channel
nav-instance = Instance
nav-tenants = Tenants
nav-instance-channels = Instance message channels
nav-log-in = Logon Security Settings
nav-instance-audit = Instance audit log

form-faults = Nothing was saved. Please mend this first:
form-required = Please fill this in.
form-too-long = At most { $max } characters, please.
form-choose = Please choose one of the values offered.
form-number = A whole number from { $min } to { $max }, please.
form-control = Line breaks and control characters are not possible here.

pager = Pages
pager-rows = { $first }–{ $last } of { $total }
pager-page = Page { $page } of { $last }
pager-previous = Previous
pager-next = Next
pager-last = Last

flash-saved = Saved.
flash-language = The language was changed.
flash-logged-out = You are logged out.

error-home = To the start page
error-not-found = There is no such page
error-not-found-advice = It may have been removed, or it is not yours to see. Check the address, or start again from your tenants.
error-forbidden = You may not do this
error-forbidden-advice = Your role does not include it. Ask an administrator of this tenant if you need it.
error-cross-site = This form is not valid any more
error-cross-site-advice = It did not come from a page of this session: you may have logged in or out meanwhile. Nothing was changed. Go back, reload the page and send it again.
error-malformed = The request could not be read
error-malformed-advice = It holds characters or values that no form of ours sends. Nothing was changed. Go back and try again.
error-too-large = The form is too large
error-too-large-advice = Nothing was changed. Go back and shorten what you typed.
error-too-many = Too many failed attempts
error-too-many-advice = Please wait a few minutes before you try again.
error-method = This page cannot be used that way
error-method-advice = Open it from the navigation instead of reloading the answer to a form.
error-taken = Somebody else was faster
error-taken-advice = What you were saving is there already. Go back, reload the page and look at it again.
error-unavailable = The database cannot be reached right now
error-unavailable-advice = Nothing was changed. Go back in a moment and send the form again.
error-internal = Something went wrong on our side
error-internal-advice = It was written to the log. Go back and try again; if it happens again, tell whoever runs this portal.
