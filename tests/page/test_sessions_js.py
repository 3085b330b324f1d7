"""`sessions.js`, the client that a chat page uses: its six methods, in the browser, against the six addresses."""

from __future__ import annotations

from typing import Any

from eventlog import EventLog

from .conftest import Page

SCRIPT = """async () => {
    const { sessions, Sessions } = await import("/sessions.js");
    const started = await sessions.startNewSession("ann", { type: "voice" });
    const said = [["user", "one"], ["assistant", "two", { a: 1 }], ["user", "three"]];
    await Promise.all(said.map((each) => sessions.addMessage(...each)));
    const stats = { ...sessions.session.stats };
    sessions.session.messages[0].content = "ONE";
    const saved = await sessions.saveSession();
    const other = new Sessions({ token: sessions.token });
    const loaded = await other.loadSession(started.session_id);
    const listed = await other.listSessions(1, 0);
    const deleted = await other.deleteSession(started.session_id);
    const refused = await other.loadSession("../../etc").catch((error) => error.message);
    return { id: started.session_id, stats, saved, loaded, listed, deleted, refused, left: other.session };
}"""


def test_its_six_methods_start_save_load_list_and_delete(page: Page, log: EventLog) -> None:
    tab = page.open()
    tab.get_by_role("link", name="Debug login").wait_for()
    said: Any = tab.evaluate(SCRIPT)
    assert said["stats"] == {"total_messages": 3, "user_messages": 2, "assistant_messages": 1, "errors": 0}
    assert (said["saved"]["added"], said["saved"]["amended"]) == (0, 1)
    assert [(each["role"], each["content"], each["metadata"]) for each in said["loaded"]["messages"]] == [
        ("user", "ONE", {}),
        ("assistant", "two", {"a": 1}),
        ("user", "three", {}),
    ]
    assert (said["loaded"]["user_name"], said["loaded"]["metadata"]) == ("ann", {"type": "voice"})
    assert (said["listed"]["total_sessions"], said["listed"]["limit"], len(said["listed"]["sessions"])) == (3, 1, 1)
    assert (said["deleted"]["success"], said["left"]) == (True, None)
    assert "../../etc" in said["refused"]
    assert [stored.type for stored in log.session(said["id"]).read()] == [
        *("session.started", "message.added", "message.added", "message.added", "message.amended", "session.deleted"),
    ]
