"""``make accuracy``: false offline by loss, interval and transport, in virtual time."""
