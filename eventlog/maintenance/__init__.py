"""The life of a store after its events are written. The methods of `EventLog` of the same names are the doors.

Fewer and smaller files with the same events (`compaction`), damage made whole (`repair`), sessions hidden and gone (`retention`), content
taken out (`redaction`, `erasing`), copies kept elsewhere (`backup`, `bundle`). Whatever changes finished segments
does it through `eventlog.files.replacing`, so that the events are in a synced file at every moment.
"""
