"""The session stores of other SDKs, kept in this log: a module for each SDK, the only one that imports it."""
