"""OpenAI Agents SDK (checked with 0.24): `EventLogSession` in the place of its `SQLiteSession`.

    session = EventLogSession("user-7", "my-store")
    result = await Runner.run(agent, "What changed?", session=session)

The conversation is the log's session of the key ``openai-agents/user-7``. Branches are forks of it, `clear_session` and `pop_item` take
back and erase nothing; `store_run_usage` keeps the tokens. The names and answers of branches are those of `AdvancedSQLiteSession`.
"""

from .session import EventLogSession

__all__ = ["EventLogSession"]
