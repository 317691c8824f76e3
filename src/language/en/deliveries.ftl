deliveries-lead = Messages by channel, recipient and result, newest first.
deliveries-lead-own = Messages sent to you and their results, newest first.
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
deliveries-empty = No deliveries yet. They appear here when a member's robot is saved or tested.
deliveries-none-fit = No deliveries match these filters.
deliveries-channels-off = These channels are off, so nothing is sent over them: { $channels }.
deliveries-channel-off = { $channel } is off: nothing is sent over it.
deliveries-robot = Robot
deliveries-requested-by = Triggered by
deliveries-finished = Ended
deliveries-next-try = Next attempt from
deliveries-body = Message
deliveries-attempts = Attempts
deliveries-no-attempt = The robot has not been called yet.
deliveries-attempt = Number
deliveries-started = Started
deliveries-ended = Ended
deliveries-going-on = in progress
deliveries-http-status = HTTP status
deliveries-code = Code
deliveries-answer = Answer and meaning
deliveries-held = Held
deliveries-held-means = It keeps its place in the queue and is sent automatically once the robot is fixed: save its webhook or secret again, or send a successful test message.
deliveries-from = From
deliveries-to = To
deliveries-any-reason = Any reason
deliveries-actions = Actions
deliveries-details = Details
deliveries-details-of = Details of { $object }
deliveries-number = Number
deliveries-alert = Alert event
deliveries-chosen-by = Matched rules
deliveries-digest = Digest
deliveries-in-digest = { $count ->
    [one] One alert in one message
   *[other] { $count } alerts in one message
}
deliveries-of-digest = Only deliveries in message { $number }.
deliveries-all = Show all
deliveries-count = Deliveries
deliveries-download = Download as CSV
deliveries-resend = Resend
deliveries-resend-all = Resend all failed deliveries
deliveries-resent = Resent
deliveries-resent-anew = View the new delivery
deliveries-resend-title = Resend the failed deliveries?
deliveries-resend-count = { $count ->
    [0] No matching failed deliveries are left to resend.
    [one] One failed delivery will be resent.
   *[other] { $count } failed deliveries will be resent.
}
deliveries-resend-more = More deliveries match. The oldest { $count } are sent now; resend the rest afterwards in the same way.
deliveries-resend-means = Each is sent to the member's current robot. Test messages and deliveries that were already resent are skipped. The record keeps both the old and the new delivery.
deliveries-resend-button = { $count ->
    [one] Resend one
   *[other] Resend { $count }
}
flash-deliveries-resent-one = Resending. This is the new delivery.
flash-deliveries-resent-all = Resending. The new deliveries are at the top of the record.
flash-deliveries-resent-some = Resending some; the others still cannot be sent. The new deliveries are at the top of the record, with the reasons.
flash-deliveries-all-in-vain = None of them can be sent yet. See the reasons at the top of the record for what to do.
flash-deliveries-resent-in-vain = It still cannot be sent. See the reason for what to do.
flash-deliveries-not-resent = Nothing was sent. You can resend only failed deliveries that are not test messages and were not resent before.
flash-deliveries-none-resent = Nothing was sent: all matching deliveries were already resent.
