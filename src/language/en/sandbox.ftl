sandbox-title = Belfry sandbox
sandbox-tagline = Simulated robots that answer like the real ones
sandbox-groups = Groups
sandbox-lead = Each robot checks keyword, signature, size and rate as its vendor does. Open a group to see the messages it received and those its robot refused.
sandbox-offer = Webhooks to copy
sandbox-offer-lead = Start Belfry with this line, then paste a webhook into Edit Account or My Contact Information. The DingTalk robot has the custom keyword { $keyword }. Any other token works too: its robot is created with the first message.
sandbox-offer-start = Start Belfry with
sandbox-no-groups = No robot has been called yet.
sandbox-unnamed = Group { $number }
sandbox-kind-dingtalk = DingTalk robot
sandbox-kind-lark = Lark robot
sandbox-kind-wecom = WeCom robot
sandbox-heard = { $count ->
    [one] { $count } message
   *[other] { $count } messages
}
sandbox-calls = { $count ->
    [one] { $count } call
   *[other] { $count } calls
}
sandbox-throttled = Rate-limited
sandbox-chat = Chat, newest message last
sandbox-silence = This group has not received any messages yet.
sandbox-everyone = everyone
sandbox-refused = Refused · { $code } · { $reason }
sandbox-repeated = Answered ok, but not shown again: same msgUuid as before
sandbox-stopped = Did not reach the robot · { $fault }
sandbox-answer-suffered = Received, but the answer was disturbed · { $fault }
sandbox-utc = Times are UTC. The last 200 calls are shown.
sandbox-pause = Pause
sandbox-resume = Follow
sandbox-switches = Robot switches
sandbox-standing = The robot
sandbox-standing-open = Answering
sandbox-standing-disabled = Disabled
sandbox-standing-removed = Removed from the group
sandbox-standing-group-gone = Group dissolved
sandbox-standing-token-reset = Address reset
sandbox-fault = Fault
sandbox-fault-none = None
sandbox-fault-busy = Robot system is busy
sandbox-fault-status-500 = HTTP 500
sandbox-fault-status = HTTP 502
sandbox-fault-html = HTML page with HTTP 200
sandbox-fault-punished = IP address banned by the firewall
sandbox-fault-too-many = HTTP 429, retry after 30 s
sandbox-fault-redirect = Redirect elsewhere
sandbox-fault-hang = Never answers
sandbox-fault-reset = Connection closed before receiving
sandbox-fault-delay = Answers 30 s late
sandbox-fault-truncated = Answer cut in half
sandbox-fault-empty = Empty answer
sandbox-fault-slow-bytes = Answers one byte a second
sandbox-fault-reset-after-hearing = Connection closed after receiving
sandbox-fault-calls = For how many calls
sandbox-fault-calls-help = Leave empty to keep the fault until you change it here.
sandbox-apply = Apply
sandbox-back = Back to the chat
sandbox-to-groups = To the groups
sandbox-not-found = Group not found
sandbox-cross-site = This form was submitted from another site
sandbox-bad-form = The form could not be read
