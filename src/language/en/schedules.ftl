schedules-title = Shift Schedules
schedules-lead = Alert rules can notify the members on duty.
schedules-add = Add Shift Schedule
schedules-edit = Edit shift schedule
schedules-delete = Delete shift schedule
schedules-name = Schedule name
schedules-name-hint = Use 64 characters or fewer. The name cannot be changed later.
schedules-name-taken = A shift schedule with this name already exists.
schedules-search-hint = Schedule or member
schedules-shifts = Shifts
schedules-shifts-hint = One shift per line, in rotation order. For several people in one shift, enter their usernames on one line, separated by commas. Up to 20 people in all, each once per shift.
schedules-people-rule = Enter { $max } people or fewer in all.
schedules-shifts-rule = Enter { $max } shifts or fewer.
schedules-twice = Twice in the same shift: { $names }
schedules-rotation = Rotation
schedules-every = Shift length
schedules-every-hint = Up to 366 days, 53 weeks or 12 months.
schedules-every-days = { $count ->
    [one] Every day
   *[other] Every { $count } days
}
schedules-every-weeks = { $count ->
    [one] Every week
   *[other] Every { $count } weeks
}
schedules-every-months = { $count ->
    [one] Every month
   *[other] Every { $count } months
}
schedules-unit = Rotation unit
schedules-any = All
schedules-unit-day = Days
schedules-unit-week = Weeks
schedules-unit-month = Months
schedules-starts-on = Start date
schedules-date-rule = Enter a date from { $min } to { $max }.
schedules-date-unknown = This date does not exist. Enter a date as YYYY-MM-DD, from { $min } to { $max }.
schedules-zone = Dates and times are in the tenant's time zone: { $zone }.
schedules-hours = Effective period
schedules-all-day = All day
schedules-all-day-from = All day, handover at { $time }
schedules-set-hours = Set hours
schedules-from-to = { $from } to { $to }
schedules-handover = Handover time
schedules-handover-hint = When the next shift takes over. Applies to all day only.
schedules-hours-from = From
schedules-hours-from-hint = With set hours, the next shift also takes over at this time.
schedules-hours-to = To
schedules-hours-to-hint = An end before the start is on the next day.
schedules-hours-rule = Start and end are the same. Choose all day, or another end.
schedules-time-rule = Enter a time such as 09:00.
schedules-outside = Receiver outside these hours
schedules-outside-hint = One username. Leave empty to notify nobody outside the set hours.
schedules-outside-rule = Enter at most one username.
schedules-preview = Preview
schedules-roster = Upcoming shifts
schedules-not-saved = This is a preview. Press OK to save it.
schedules-begins = From
schedules-ends = To
schedules-people = On duty
schedules-on-duty = On duty now
schedules-nobody = Nobody
schedules-unreached = Alerts cannot reach these people. Add their contact information in Member Management, or remove them:
schedules-in-use = Not deleted, because alert rules notify this schedule: { $rules }. Remove it from these rules first.
schedules-empty = No shift schedules yet.
schedules-nothing-found = No shift schedules match your search.
schedules-show-all = Show all shift schedules
flash-schedule-deleted = Shift schedule deleted.
audit-action-schedule-added = Added a shift schedule
audit-action-schedule-edited = Edited a shift schedule
audit-action-schedule-deleted = Deleted a shift schedule
schedules-delete-means = Its shifts are deleted too and cannot be restored.
schedules-delete-now = Delete now
