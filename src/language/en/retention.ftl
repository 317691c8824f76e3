retention-lead = What has ended is removed after so many days, a little at a time and for good. What is still waiting or open is kept. 0 keeps it for ever.
retention-alert-days = Finished alert events (days)
retention-alert-days-hint = With their time lines and deliveries, counted from the end of the event. 0, or 7 to 3650.
retention-delivery-days = Other deliveries (days)
retention-delivery-days-hint = Test messages, verification codes and notices, counted from their end. 0, or 7 to 3650.
retention-audit-days = Audit log (days)
retention-audit-days-hint = Of the instance and of every tenant. 0, or 30 to 3650. Laws and contracts may ask for a longer time, often six months.
retention-number = 0, or a whole number from { $min } to { $max }, please.
