"""The store-shape fuzzer: files of a store copied, renamed, exchanged, linked, removed, replaced by what is no file or by an older copy,
while handles are open; then every command and every public call, and what must be true whatever they found.

`store` makes small stores, `known` holds what was acknowledged, `mutations` bend the shape, `library` and `commands` are what is tried on
it, `case` is one life of a store, `search` looks for lives that go wrong. By hand:

    python -m tests.crash.shapes --cases 20000 --seed 1      # what went wrong, by kind, each with its case
    python -m tests.crash.shapes --case 1:77 [--skip 3,5]    # one case again, step by step
"""
