retention-lead = 已结束的数据超过保留天数后会分批永久删除；仍在等待或未结束的数据不会删除。填 0 表示永久保留。
retention-alert-days = 已结束的告警事件（天）
retention-alert-days-hint = 包括其时间线和推送记录，从事件结束时算起。0，或 7 到 3650。
retention-delivery-days = 其他推送记录（天）
retention-delivery-days-hint = 测试消息、验证码和通知，从推送结束时算起。0，或 7 到 3650。
retention-audit-days = 审计日志（天）
retention-audit-days-hint = 包括实例和所有租户的日志。0，或 30 到 3650。法律法规或合同可能要求更长时间，通常不少于六个月。
retention-number = 请填写 0，或 { $min } 到 { $max } 之间的整数。
