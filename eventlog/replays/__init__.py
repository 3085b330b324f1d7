"""Sessions made of other sessions: read events, transform, write. `EventLog.fork` and `EventLog.merge` are the doors.

Events are copied raw, with where they came from (`eventlog.meaning.copies`); nothing that stands is ever changed.
"""
