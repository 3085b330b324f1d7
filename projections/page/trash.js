// What was deleted and not purged: it can be restored, one by one or all.
import { get, send } from "./api.js";
import { ask, say } from "./dialogs.js";
import { fill, make } from "./dom.js";
import { count, nameOf, when } from "./text.js";

const PAGE = 200;

export function trash(element, failed) {
  const ending = new AbortController();
  const body = make("div");
  fill(element, make("div.row", {}, make("h1", {}, "Trash")), make("p.faint", {}, "Nothing is removed from here by itself. `eventlog purge` removes for good."), body);

  async function restore(ids) {
    const done = await send("POST", "bulk", { action: "restore", ids });
    await load();
    say(`${count(done.items.length - done.failed, "session")} restored${done.failed ? `, ${done.failed} not: ${done.items.find((item) => item.failure).failure.message}` : ""}.`);
  }

  const row = (item) => make("li.row", {}, make("b", {}, nameOf(item).slice(0, 200)), make("span.faint", {}, `${item.session_id} · ${count(item.messages, "message")} · last used ${when(item.updated_at)}`),
    make("button", { "aria-label": `Restore ${nameOf(item).slice(0, 100)}`, on: { click: () => restore([item.session_id]).catch(failed) } }, "Restore"));

  async function load(after) {
    const page = await get("sessions", { status: "deleted", limit: PAGE, after }, ending.signal);
    const all = async () => {
      const ids = page.items.map((item) => item.session_id);
      if ((await ask({ title: `Restore ${count(ids.length, "session")}`, action: "Restore" })) !== undefined) await restore(ids);
    };
    fill(body, page.items.length > 1 && make("button", { on: { click: () => all().catch(failed) } }, `Restore all ${page.items.length.toLocaleString()} that are shown`),
      page.items.length ? make("ul.plain", {}, page.items.map(row)) : make("p.empty", {}, "The trash is empty."), page.next && make("button.more", { on: { click: () => load(page.next).catch(failed) } }, "More"));
  }

  load().catch(failed);
  return { destroy: () => ending.abort(), told: () => load().catch(failed) };
}
