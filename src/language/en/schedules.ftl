schedules-title = Shift schedules
audit-action-schedule-added = Added a shift schedule
audit-action-schedule-edited = Edited a shift schedule
audit-action-schedule-deleted = Deleted a shift schedule
