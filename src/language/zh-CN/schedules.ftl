schedules-title = 值班表
audit-action-schedule-added = 新建了值班表
audit-action-schedule-edited = 编辑了值班表
audit-action-schedule-deleted = 删除了值班表
