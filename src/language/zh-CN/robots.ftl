# 机器人地址的错误。每条都说明下一步怎么做，且不重复地址本身。
robots-fault-not-a-url = 这不是完整的 Webhook 地址。请从群机器人的设置中复制以 https:// 开头的整条地址。
robots-fault-characters = 地址中含有空格、换行或其他无效字符。请重新完整复制一次。
robots-fault-too-long = 地址过长。请只粘贴机器人的 Webhook。
robots-fault-not-https = 地址必须以 https:// 开头，请从机器人设置中重新复制。如为专有部署且仅支持 http://，请联系运维人员将该地址（http://HOST:PORT）加入 BELFRY_ROBOT_ORIGINS。
robots-fault-unknown-host = 该地址不属于此渠道。请从机器人设置中复制；如为专有部署，请联系运维人员将该地址加入 BELFRY_ROBOT_ORIGINS。
robots-fault-other-channel = 这是其他渠道的机器人地址。请粘贴到对应渠道的输入框。
robots-fault-port = 地址中的端口不是机器人使用的端口。请去掉端口，或重新复制地址。
robots-fault-user-info = 地址的主机名前带有用户名或密码。请删除 @ 及其之前的部分，或重新复制地址。
robots-fault-path = 主机名之后的路径不是群机器人的路径。请复制自定义机器人的 Webhook，而不是应用的地址。
robots-fault-token = 地址中的令牌缺失或不完整。请从机器人设置中复制整条地址。
robots-fault-extra-parts = 地址中有多余的内容。请删除令牌之后附加的部分，或重新复制地址。

# 加签密钥的错误。
robots-secret-fault-empty = 请输入加签密钥；如果机器人未启用加签，请将此项留空。
robots-secret-fault-too-long = 加签密钥过长。请从机器人的安全设置中重新复制。
robots-secret-fault-characters = 密钥中含有空格或其他无效字符。请重新完整复制一次。
robots-secret-fault-prefix = 钉钉的加签密钥以 SEC 开头。请复制机器人安全设置中“加签”一栏显示的密钥。
robots-secret-fault-not-used = 企业微信机器人不使用加签密钥，无需填写。

# 机器人应答的含义。
robots-delivered = 已送达。
robots-wait = 机器人已被限流。限流结束后会自动发送，无需处理。
robots-passing = 对方服务暂时异常，将自动重试。
robots-too-long = 消息过长，被机器人拒收。请精简消息模板。
robots-content-refused = 渠道拒绝了消息内容，例如其中有被判定为不安全的链接或文字。请修改内容，原样重发仍会被拒绝。
robots-our-fault = 机器人无法理解请求。这是本产品的缺陷，请附上此处显示的错误码反馈给我们。
robots-unknown = 无法识别应答，因此不计为送达，系统会重试。如持续出现，请检查本服务器与渠道之间的代理等网络设备。

# 机器人配置为何失效，以及管理员该怎么做。
robots-broken-keyword = 关键词不匹配：机器人只接收包含其关键词的消息。请打开群设置中的机器人，将本产品的名称（与消息中的写法完全一致）加入自定义关键词。然后发送测试消息。
robots-broken-signature = 签名不正确：机器人要求用其密钥加签。请从机器人的安全设置中复制密钥并保存到成员信息；如密钥无误，请检查本服务器的时钟。然后发送测试消息。
robots-broken-clock-skew = 签名时间偏差过大。请校准本服务器的时钟（NTP），再发送测试消息。
robots-broken-ip-not-allowed = 机器人不接受来自本服务器地址的请求。请将服务器的公网 IP 加入机器人的安全设置。然后发送测试消息。
robots-broken-security = 消息未通过机器人的安全设置。请检查其关键词、加签密钥和 IP 地址段。然后发送测试消息。
robots-broken-unknown-token = 令牌不存在：没有使用此地址的机器人。请从群机器人设置中重新复制 Webhook，或在群中新建机器人。
robots-broken-disabled = 机器人已停用。请在群设置中启用，或新建机器人并保存其 Webhook。然后发送测试消息。
robots-broken-removed = 机器人已从群中移除。请新建机器人并保存其 Webhook。
robots-broken-not-in-group = 机器人无权在该群发言，或已不在群中。请重新在群中添加机器人并保存其 Webhook。
robots-broken-group-gone = 群已解散。请在其他群中添加机器人并保存其 Webhook。
robots-broken-wrong-path = 该地址没有群机器人。请从机器人设置中重新复制 Webhook。
robots-broken-moved = 对方返回机器人已永久迁移。系统不跟随重定向，请从机器人设置中重新复制 Webhook。
robots-broken-quota-spent = 所在组织本月的消息额度已用完。请购买额度，或在下月之前改用其他渠道。然后发送测试消息。
robots-broken-address-refused = 已保存的地址不再被允许。请联系运维人员重新允许该地址，或保存其他 Webhook。
