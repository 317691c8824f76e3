deliveries-lead = What was sent to whom over which channel, and how it ended. Newest first.
deliveries-lead-own = What was sent to you, and how it ended. Newest first.
deliveries-object = Object
deliveries-channel = Channel
deliveries-any-channel = Any channel
deliveries-recipient = Recipient
deliveries-time = Time
deliveries-status = Status
deliveries-any-status = Any status
deliveries-reason = Reason
deliveries-keyword = Object or recipient
deliveries-waiting = Waiting
deliveries-sending = Sending
deliveries-success = Success
deliveries-failed = Failed
deliveries-empty = Nothing has been sent yet. When a member's robot is saved or tested, its delivery appears here.
deliveries-none-fit = No delivery fits these filters.
deliveries-channels-off = Off, so nothing is sent over them: { $channels }.
deliveries-channel-off = { $channel } is off: nothing is sent over it.
deliveries-robot = Robot
deliveries-requested-by = Caused by
deliveries-finished = Ended
deliveries-next-try = Next try from
deliveries-body = Message
deliveries-attempts = Attempts
deliveries-no-attempt = The robot has not been called.
deliveries-attempt = Number
deliveries-started = Started
deliveries-ended = Ended
deliveries-going-on = in progress
deliveries-http-status = HTTP status
deliveries-code = Code
deliveries-answer = Answer, and what it means
deliveries-held = Held
deliveries-held-means = It keeps its place and goes out by itself once the robot is mended: save its webhook or secret again, or send a successful test message.
deliveries-from = From
deliveries-to = To
deliveries-any-reason = Any reason
deliveries-actions = Actions
deliveries-details = Details
deliveries-details-of = Details of { $object }
deliveries-number = Number
deliveries-alert = Alert event
deliveries-chosen-by = Chosen by the alert rules
deliveries-digest = Digest
deliveries-in-digest = { $count ->
    [one] One alert in one message
   *[other] { $count } alerts in one message
}
deliveries-of-digest = Only what message { $number } carries.
deliveries-all = Show all
deliveries-count = Deliveries
deliveries-download = Download as CSV
deliveries-resend = Resend
deliveries-resend-all = Resend all that failed
deliveries-resent = Sent again
deliveries-resent-anew = The new delivery
deliveries-resend-title = Resend the failed deliveries?
deliveries-resend-count = { $count ->
    [0] No failed delivery that fits is left to be resent.
    [one] One failed delivery will be resent.
   *[other] { $count } failed deliveries will be resent.
}
deliveries-resend-more = More of them fit. The oldest { $count } are sent now; send the rest afterwards in the same way.
deliveries-resend-means = Each goes to the robot that the member has now. Test messages, and what was sent again before, are left out. The record keeps both rows.
deliveries-resend-button = { $count ->
    [one] Resend one
   *[other] Resend { $count }
}
flash-deliveries-resent-one = It is sent again: this is the new delivery.
flash-deliveries-resent-all = They are sent again: the new deliveries are at the top of the record.
flash-deliveries-resent-some = Some are sent again; others still cannot be. The new deliveries are at the top of the record, with the reasons.
flash-deliveries-all-in-vain = None of them can be sent yet: the reasons, at the top of the record, say what to do.
flash-deliveries-resent-in-vain = It still cannot be sent: the reason says what to do.
flash-deliveries-not-resent = Nothing was sent: only a delivery that failed, is not a test message and has not been sent again yet can be resent.
flash-deliveries-none-resent = Nothing was sent: what fits was sent again already.
