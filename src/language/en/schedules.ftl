schedules-title = Shift schedules
schedules-lead = Alert rules can ring whoever is on duty.
schedules-add = Add Shift Schedule
schedules-edit = Edit shift schedule
schedules-delete = Delete shift schedule
schedules-name = Schedule name
schedules-name-hint = At most 64 characters. The name cannot be changed later.
schedules-name-taken = Another shift schedule of this tenant has this name.
schedules-search-hint = Schedule or member
schedules-shifts = Shifts
schedules-shifts-hint = One shift a line, in the order of their turns. People who are on duty together go on one line, their usernames separated by commas. At most 20 people in all, nobody twice in a shift.
schedules-people-rule = At most { $max } people in all, please.
schedules-shifts-rule = At most { $max } shifts, please.
schedules-twice = Twice in the same shift: { $names }
schedules-rotation = Rotation
schedules-every = Length of a shift
schedules-every-hint = At most 366 days, 53 weeks or 12 months.
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
schedules-date-rule = A day from { $min } to { $max }, please.
schedules-date-unknown = The calendar has no such day. Write an existing one as YYYY-MM-DD, from { $min } to { $max }.
schedules-zone = Dates and times are those of the tenant's time zone: { $zone }.
schedules-hours = Effective period
schedules-all-day = All day
schedules-all-day-from = All day, handover at { $time }
schedules-set-hours = Set hours
schedules-from-to = { $from } to { $to }
schedules-handover = Handover time
schedules-handover-hint = When one shift takes over from the one before. It counts for all day.
schedules-hours-from = From
schedules-hours-from-hint = With set hours, this is also when one shift takes over from the one before.
schedules-hours-to = To
schedules-hours-to-hint = An end before the beginning is on the next day.
schedules-hours-rule = Beginning and end are the same. Choose all day instead, or another end.
schedules-time-rule = A time such as 09:00, please.
schedules-outside = Receiver outside these hours
schedules-outside-hint = The username of one person; left empty, nobody is rung outside the set hours.
schedules-outside-rule = One username at most, please.
schedules-preview = Preview
schedules-roster = Coming turns
schedules-not-saved = This is only a preview. Press OK to save it.
schedules-begins = From
schedules-ends = To
schedules-people = On duty
schedules-on-duty = On duty now
schedules-nobody = Nobody
schedules-unreached = Alerts do not reach these people at present. Add their contact information in Member Management, or take them out:
schedules-in-use = This schedule was not deleted, because alert rules ring it: { $rules }. Take it out of these rules first.
schedules-empty = There are no shift schedules yet.
schedules-nothing-found = No shift schedule fits this search.
schedules-show-all = Show all shift schedules
flash-schedule-deleted = The shift schedule was deleted.
audit-action-schedule-added = Added a shift schedule
audit-action-schedule-edited = Edited a shift schedule
audit-action-schedule-deleted = Deleted a shift schedule
schedules-delete-means = Its roster is gone with it and cannot be brought back.
schedules-delete-now = Delete now
