"""A segment's bytes, without I/O: its own lines and what the rest of them prove, and the frames that it is compressed into."""
