# Faults of a robot's address. Each says what to do next and never repeats the address.
robots-fault-not-a-url = This is not a whole webhook address. Copy the address that the group shows for the robot, from https:// to its end.
robots-fault-characters = The address contains spaces, line breaks or other characters that no webhook has. Copy it again in one piece.
robots-fault-too-long = The address is too long. Paste only the robot's webhook, nothing before or after it.
robots-fault-not-https = The address must begin with https://. Copy it from the robot's settings again. A robot of a private deployment may be called by http:// when the operator lists its origin (http://HOST:PORT) in BELFRY_ROBOT_ORIGINS.
robots-fault-unknown-host = The address does not belong to this channel. Copy it from the robot's settings; for a private deployment, ask the operator to list its origin in BELFRY_ROBOT_ORIGINS.
robots-fault-other-channel = This is another channel's robot. Paste the address into that channel's field.
robots-fault-port = The address has a port that robots are not reached at. Remove the port, or copy the address again.
robots-fault-user-info = The address has a user name or password before the host. Remove everything up to the @ sign, or copy the address again.
robots-fault-path = The part after the host is not that of a group robot. Copy the webhook of a custom robot, not of an application.
robots-fault-token = The token in the address is missing or incomplete. Copy the whole address from the robot's settings.
robots-fault-extra-parts = The address goes on where a webhook ends. Remove what was added after the token, or copy the address again.

# Faults of a signing secret.
robots-secret-fault-empty = Enter the signing secret, or leave the field quite empty if the robot does not sign.
robots-secret-fault-too-long = This is too long for a signing secret. Copy it again from the robot's security settings.
robots-secret-fault-characters = The secret contains spaces or other characters that no signing secret has. Copy it again in one piece.
robots-secret-fault-prefix = DingTalk's signing secrets begin with SEC. Copy the one shown under Additional Signature in the robot's security settings.
robots-secret-fault-not-used = WeCom robots do not use a signing secret. Leave it out.

# What a robot's answer means.
robots-delivered = Delivered.
robots-wait = Too fast: the robot was told to slow down. The message goes out by itself after the rest; nothing needs to be done.
robots-passing = The other side has a passing fault. The message is sent again by itself.
robots-too-long = The robot refused the message because it is too long. Shorten the message template.
robots-content-refused = The channel refused the content, for instance a link or a word that it considers unsafe. Change the text; the same text will be refused again.
robots-our-fault = The robot did not understand the request. This is a mistake in this product: report it with the code shown here.
robots-unknown = The answer could not be understood, so the message does not count as delivered. It is tried again; if this goes on, check what stands between this server and the channel, such as a proxy.

# Why a robot's configuration is broken, and what the administrator does about it.
robots-broken-keyword = Keyword not accepted: the robot takes only messages with its keyword. Open the group's settings, then the robot, and add this product's name, spelled exactly as in the message, to its custom keywords. Then send a test message.
robots-broken-signature = Signature wrong: the robot expects messages signed with its secret. Copy the secret from the robot's security settings and save it with the member; if it is right, check this server's clock. Then send a test message.
robots-broken-clock-skew = The signature's time is too far off. Set this server's clock right (NTP), then send a test message.
robots-broken-ip-not-allowed = The robot does not accept calls from this server's address. Add the server's public IP address to the robot's security settings. Then send a test message.
robots-broken-security = One of the robot's security settings refused the message. Check its keywords, its signing secret and its IP addresses. Then send a test message.
robots-broken-unknown-token = Token unknown: no robot has this address. Copy the webhook from the group's robot again, or add a new robot to the group.
robots-broken-disabled = The robot is disabled. Enable it in the group's settings, or add a new one and save its webhook. Then send a test message.
robots-broken-removed = The robot was removed from the group. Add a new one and save its webhook.
robots-broken-not-in-group = The robot may not write to this group, or is no longer in it. Add a robot to the group again and save its webhook.
robots-broken-group-gone = The group was dissolved. Add a robot to another group and save its webhook.
robots-broken-wrong-path = There are no group robots at this address. Copy the webhook from the robot's settings again.
robots-broken-moved = The host says that the robot has moved for good. Redirects are not followed; copy the webhook from the robot's settings again.
robots-broken-quota-spent = The organisation's quota of messages for this month is used up. Buy more, or use another channel until next month. Then send a test message.
robots-broken-address-refused = The stored address is no longer permitted. Ask the operator to permit its origin again, or save another webhook.
