"""Two small algebras that both sides count with: ranges of seqs, and merge patches."""
