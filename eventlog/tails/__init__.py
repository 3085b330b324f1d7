"""What a tail stands on: where it is (`following`), what is new, read once for all tails of a log (`sharing`), what wakes it (`watch`),
callbacks in this process (`subscription`). The tail itself is `eventlog.tail`."""
