"""The table of operations over HTTP: a thin translation, with guards around it.

`app.build` makes the whole as one ASGI application: `routes` finds a row for a request, `asking` makes its argument struct, `answering`
writes what it says, `problems` what went wrong; `openapi` describes all of it. `chat_api` has six more addresses in the shapes of a chat
backend's own API. `hub` and `streaming` tell what happens, live; `files` gives the page. `guards/` has a class for each reason to refuse.
`server` runs it, and `discovery` says to the user's own programs where.

Needs the extra ``web`` (starlette, uvicorn). Nothing here is imported by anything but `eventlog serve` and whoever asks for it.
"""
