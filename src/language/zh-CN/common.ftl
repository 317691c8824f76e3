skip-to-content = 跳到正文
language = 语言
language-switch = 切换
log-out = 退出登录
navigation = 导航
ok = 确定
cancel = 取消
save = 保存
back = 返回
search = 搜索
none = 无
yes = 是
no = 否

role-super-administrator = 超级管理员
role-system-administrator = 系统管理员
role-member = 普通成员

channel-dingtalk = 钉钉机器人
channel-lark = 飞书机器人
channel-wecom = 企业微信机器人

nav-home = 首页
nav-alert-center = 告警中心
nav-deliveries = 推送记录
nav-management-center = 管理中心
nav-members = 成员管理
nav-me = 我的联系方式
nav-audit = 审计日志
nav-system-settings = 系统设置
nav-tenant-settings = 租户设置
nav-channels = 消息渠道
nav-instance = 实例
nav-tenants = 租户管理
nav-instance-channels = 实例消息渠道
nav-log-in = 登录安全设置
nav-instance-audit = 实例审计日志

form-faults = 尚未保存，请先修改以下内容：
form-required = 请填写此项。
form-too-long = 最多 { $max } 个字符。
form-choose = 请从给出的选项中选择。
form-number = 请填写 { $min } 到 { $max } 之间的整数。
form-control = 此处不能包含换行或控制字符。

pager = 分页
pager-rows = 第 { $first }–{ $last } 条，共 { $total } 条
pager-page = 第 { $page } / { $last } 页
pager-previous = 上一页
pager-next = 下一页
pager-last = 末页

flash-saved = 已保存。
flash-language = 语言已切换。
flash-logged-out = 您已退出登录。

error-home = 回到起始页
error-not-found = 页面不存在
error-not-found-advice = 它可能已被删除，或者您无权查看。请检查地址，或从您的租户重新进入。
error-forbidden = 您没有权限
error-forbidden-advice = 您的角色不包含此操作。如有需要，请联系本租户的管理员。
error-cross-site = 此表单已失效
error-cross-site-advice = 它不是来自本次会话的页面，您可能在此期间登录或退出过。没有任何更改。请返回并刷新页面后重新提交。
error-malformed = 无法读取请求
error-malformed-advice = 其中包含我们的表单不会发送的字符或值。没有任何更改。请返回后重试。
error-too-large = 表单过大
error-too-large-advice = 没有任何更改。请返回并缩短您填写的内容。
error-too-many = 失败次数过多
error-too-many-advice = 请等待几分钟后再试。
error-method = 不能以这种方式打开此页面
error-method-advice = 请从导航进入，而不要刷新表单的结果页。
error-taken = 已有他人抢先保存
error-taken-advice = 您要保存的内容已经存在。请返回并刷新页面后再确认。
error-unavailable = 暂时无法连接数据库
error-unavailable-advice = 没有任何更改。请稍后返回并重新提交表单。
error-internal = 系统出现错误
error-internal-advice = 错误已写入日志。请返回后重试；如果再次出现，请告知门户的运维人员。
