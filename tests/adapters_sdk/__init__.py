"""The SDKs' own test suites, run with our stores in the place of theirs: see `__main__`."""
