"""The life of sessions after their events are written, on any backend: hidden, brought back, cleaned up and gone (`retention`), and what
a redaction takes out of a line (`redaction`, `streamed`). The methods of `EventLog` of the same names are the doors.
"""
