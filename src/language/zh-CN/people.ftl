people-without-robot = 未配置机器人
people-disabled = 已停用
people-left = 已离开租户
people-takes-part = 正常
people-standing = 状态
people-unknown = 以下用户名不是本租户的成员：{ $names }
