"""The shapes of what is recorded, for those who do not read Python."""
