# Faults of a robot's address. Each says what to do next and never repeats the address.
robots-fault-not-a-url = This is not a complete webhook address. Copy the address that the group shows for the robot, starting with https://.
robots-fault-characters = The address contains spaces, line breaks or other invalid characters. Copy it again in one piece.
robots-fault-too-long = The address is too long. Paste only the robot's webhook.
robots-fault-not-https = The address must begin with https://. Copy it again from the robot's settings. For a private deployment that uses http://, ask the operator to add its origin (http://HOST:PORT) to BELFRY_ROBOT_ORIGINS.
robots-fault-unknown-host = The address does not belong to this channel. Copy it from the robot's settings. For a private deployment, ask the operator to add its origin to BELFRY_ROBOT_ORIGINS.
robots-fault-other-channel = This robot belongs to another channel. Paste the address into that channel's field.
robots-fault-port = Robots do not use the port in this address. Remove the port, or copy the address again.
robots-fault-user-info = The address contains a user name or password before the host. Remove everything up to the @ sign, or copy the address again.
robots-fault-path = The path is not that of a group robot. Copy the webhook of a custom robot, not of an application.
robots-fault-token = The token in the address is missing or incomplete. Copy the whole address from the robot's settings.
robots-fault-extra-parts = The address has extra text at its end. Remove what follows the token, or copy the address again.

# Faults of a signing secret.
robots-secret-fault-empty = Enter the signing secret, or leave the field empty if the robot does not use one.
robots-secret-fault-too-long = The signing secret is too long. Copy it again from the robot's security settings.
robots-secret-fault-characters = The secret contains spaces or other invalid characters. Copy it again in one piece.
robots-secret-fault-prefix = DingTalk's signing secrets begin with SEC. Copy the secret shown under Additional Signature in the robot's security settings.
robots-secret-fault-not-used = WeCom robots do not use a signing secret. Leave the field empty.

# What a robot's answer means.
robots-delivered = Delivered.
robots-wait = The robot is rate-limited. The message is sent automatically afterwards; no action is needed.
robots-passing = Temporary error at the provider; retrying automatically.
robots-too-long = The robot rejected the message because it is too long. Shorten the message template.
robots-content-refused = The channel rejected the content, such as a link or a word that it considers unsafe. Change the text; the same text will be rejected again.
robots-our-fault = The robot did not understand the request. This is a bug in this product: report it with the code shown here.
robots-unknown = Unrecognized answer, so the message does not count as delivered and is retried. If this continues, check what is between this server and the channel, such as a proxy.

# Why a robot's configuration is broken, and what the administrator does about it.
robots-broken-keyword = Keyword not accepted: the robot only accepts messages that contain its keyword. In the group's settings, add this product's name to the robot's custom keywords, spelled exactly as in the message. Then send a test message.
robots-broken-signature = Invalid signature: the robot requires messages signed with its secret. Copy the secret from the robot's security settings and save it with the member; if it is correct, check this server's clock. Then send a test message.
robots-broken-clock-skew = The timestamp of the signature is too far off. Correct this server's clock (NTP), then send a test message.
robots-broken-ip-not-allowed = The robot does not accept requests from this server's IP address. Add the server's public IP address to the robot's security settings. Then send a test message.
robots-broken-security = The robot's security settings rejected the message. Check its keywords, signing secret and IP addresses. Then send a test message.
robots-broken-unknown-token = Unknown token: no robot has this address. Copy the webhook from the group's robot again, or add a new robot to the group.
robots-broken-disabled = The robot is disabled. Enable it in the group's settings, or add a new one and save its webhook. Then send a test message.
robots-broken-removed = The robot was removed from the group. Add a new one and save its webhook.
robots-broken-not-in-group = The robot cannot post to this group, or is no longer in it. Add a robot to the group again and save its webhook.
robots-broken-group-gone = The group was dissolved. Add a robot to another group and save its webhook.
robots-broken-wrong-path = This address has no group robots. Copy the webhook from the robot's settings again.
robots-broken-moved = The host reports that the robot has moved permanently. Redirects are not followed; copy the webhook from the robot's settings again.
robots-broken-quota-spent = The organization's message quota for this month is used up. Buy more, or use another channel until next month. Then send a test message.
robots-broken-address-refused = The stored address is no longer allowed. Ask the operator to allow its origin again, or save another webhook.
