"""What events mean together: which event a copy is, what was taken back, how patches and ranges of seqs count. Both sides ask here."""
