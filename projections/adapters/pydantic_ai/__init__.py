"""Pydantic AI (checked with 2.68): `EventLogConversationStore`, its conversation store.

    store = EventLogConversationStore("my-store")
    conversation = await store.load("chat-1") or Conversation(conversation_id="chat-1")
    result = await agent.run("What changed?", conversation=conversation)
    await store.save(result)

- A conversation is the log's session of the key ``pydantic-ai/CONVERSATION``; a save is one append: the messages that are new, each whole
  in the origin of its first event, and the record.
- The session shows the messages up to the record's head, each once; those of a branch that was left are taken back, and kept.
- A fork is a fork of the log's session, so that it stands by itself when the first is deleted. Deleting hides a session until it is purged.
"""

from .store import EventLogConversationStore

__all__ = ["EventLogConversationStore"]
