"""Google's Agent Development Kit (checked with google-adk 2.13): `EventLogSessionService`.

    runner = Runner(app_name="app", agent=agent, session_service=EventLogSessionService("my-store"))

- A session is the log's session of the key ``google-adk/APP/USER/ID``. An event of theirs is one append: its message, usage and error as
  events of ours, the event itself in the origin of the first. A rewind takes back what it names, and theirs still has it all.
- A session object that was read is of a state (its marker); an event that is appended to an older one raises `StaleSessionError`,
  exactly, whichever process came first.
- State that is shared (``app:``, ``user:``) has sessions of its own, keys ``google-adk-state/APP`` and ``google-adk-state/APP/USER``. It is
  written after the event that changes it; what a crash kept from it is written when the session is next read.

For `adk web --session_service_uri=eventlog:///path`, call `register` before ADK starts.
"""

from .service import EventLogSessionService, StaleSessionError, register, service_of

__all__ = ["EventLogSessionService", "StaleSessionError", "register", "service_of"]
