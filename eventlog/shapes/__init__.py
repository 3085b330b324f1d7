"""What providers say, as pure functions: a wire shape -> parts, messages, answers, events. No I/O, no SDK, no clock.

`telling` says which shape a thing is; each provider's file reads its requests, its answers and its streams into the neutral words of
`exchange`; `parts` does single parts, whoever's they are. Importers, recorders, adapters and `Session.user` share them.
"""
