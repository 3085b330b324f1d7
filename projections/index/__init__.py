"""Any projection kept in SQLite: caught up with the log, rebuilt from nothing, compared with what it should be."""
