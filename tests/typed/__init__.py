"""What a user's type checker sees: `make check` gives these files, and the README's examples, to mypy (strict) and to pyright."""
