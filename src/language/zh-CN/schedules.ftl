schedules-title = 值班表
schedules-lead = 告警规则可以通知当前值班的人。
schedules-add = 新建值班表
schedules-edit = 编辑值班表
schedules-delete = 删除值班表
schedules-name = 值班表名称
schedules-name-hint = 不能超过 64 个字符，保存后不可修改。
schedules-name-taken = 本租户已有同名的值班表。
schedules-search-hint = 值班表或成员
schedules-shifts = 班次
schedules-shifts-hint = 每行一个班次，按轮换顺序排列。多人同班时，将用户名写在同一行并用逗号分隔。总共最多 20 人，同一班次内不能重复。
schedules-people-rule = 总共不能超过 { $max } 人。
schedules-shifts-rule = 班次不能超过 { $max } 个。
schedules-twice = 在同一班次中重复：{ $names }
schedules-rotation = 轮换周期
schedules-every = 每班时长
schedules-every-hint = 最长 366 天、53 周或 12 个月。
schedules-every-days = { $count ->
    [1] 每天轮换
   *[other] 每 { $count } 天轮换
}
schedules-every-weeks = { $count ->
    [1] 每周轮换
   *[other] 每 { $count } 周轮换
}
schedules-every-months = { $count ->
    [1] 每月轮换
   *[other] 每 { $count } 个月轮换
}
schedules-unit = 周期单位
schedules-any = 全部
schedules-unit-day = 天
schedules-unit-week = 周
schedules-unit-month = 月
schedules-starts-on = 开始日期
schedules-date-rule = 请填写 { $min } 到 { $max } 之间的日期。
schedules-date-unknown = 该日期不存在。请按 YYYY-MM-DD 填写 { $min } 至 { $max } 之间的日期。
schedules-zone = 日期和时间均按租户的时区计算：{ $zone }。
schedules-hours = 生效时段
schedules-all-day = 全天
schedules-all-day-from = 全天，{ $time } 交接班
schedules-set-hours = 指定时段
schedules-from-to = { $from } 至 { $to }
schedules-handover = 交接班时间
schedules-handover-hint = 下一班接替上一班的时间，仅在选择全天时有效。
schedules-hours-from = 开始时间
schedules-hours-from-hint = 选择指定时段时，也在此时交接班。
schedules-hours-to = 结束时间
schedules-hours-to-hint = 早于开始时间表示次日。
schedules-hours-rule = 开始与结束时间相同。请改选全天，或填写其他结束时间。
schedules-time-rule = 请填写时间，例如 09:00。
schedules-outside = 非值班时段接收人
schedules-outside-hint = 填写一个用户名；留空则在指定时段之外不通知任何人。
schedules-outside-rule = 最多填写一个用户名。
schedules-preview = 预览
schedules-roster = 排班
schedules-not-saved = 当前为预览。点击“确定”保存。
schedules-begins = 开始
schedules-ends = 结束
schedules-people = 值班人
schedules-on-duty = 当前值班
schedules-nobody = 无人
schedules-unreached = 目前无法通知以下人员。请在“成员管理”中完善其联系方式，或将其移出班次：
schedules-in-use = 未删除：以下告警规则正在通知此值班表：{ $rules }。请先将其从这些规则中移除。
schedules-empty = 还没有值班表。
schedules-nothing-found = 没有符合条件的值班表。
schedules-show-all = 显示全部值班表
flash-schedule-deleted = 值班表已删除。
audit-action-schedule-added = 新建值班表
audit-action-schedule-edited = 编辑值班表
audit-action-schedule-deleted = 删除值班表
schedules-delete-means = 班次将一并删除，且无法恢复。
schedules-delete-now = 立即删除
