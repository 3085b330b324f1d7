"""What keeps a store of files small, whole, free of what must go, and elsewhere: compaction, repair, erasing, backups and bundles."""
