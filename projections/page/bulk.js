// What is done with many sessions at once: first it is asked what it would be, then it is done.
import { getBlob, send, session } from "./api.js";
import { ask, download, say } from "./dialogs.js";
import { fill, make } from "./dom.js";
import { FORMATS } from "./formats.js";
import { count, nameOf } from "./text.js";

const NAMED = 12;

/** @param {import("./list.js").List} list @param {(error: Error) => void} failed @param {(id: string) => void} open */
export function bulkBar(list, failed, open) {
  const bar = make("div.row.bulk", { hidden: true, role: "group", "aria-label": "What to do with the chosen sessions" });
  const button = (text, act) => make("button", { on: { click: () => act().catch(failed) } }, text);
  const chosen = () => ({ ids: [...list.selected] });
  const draw = () => {
    bar.hidden = !list.selecting;
    const many = list.selected.size;
    fill(bar, make("span.faint", {}, `${many.toLocaleString()} chosen`),
      make("button", { on: { click: () => all() } }, "All of the list"),
      many > 0 && [
        button("Tag", () => tagged("tag", chosen())), button("Untag", () => tagged("untag", chosen())), button("Pin", () => doing("pin", chosen())), button("Unpin", () => doing("unpin", chosen())),
        button("Export", () => exported([...list.selected])), many > 1 && button("Merge", () => merged([...list.selected])), button("Delete", () => doing("delete", chosen())),
      ],
      list.isFiltered && button(`Delete all ${list.total.toLocaleString()} that match`, () => doing("delete", { filter: filterOf(list.filters) })));
  };
  const all = () => {
    for (const id of list.items.keys()) list.selected.add(id);
    list.list.renew();
    draw();
  };

  async function tagged(action, which) {
    const given = await ask({ title: action === "tag" ? "Add a tag" : "Take a tag away", fields: [{ name: "tag", label: "Tag" }], action: "Go on" });
    if (given?.tag) await doing(action, { ...which, tag: given.tag });
  }

  async function doing(action, which) {
    const would = await send("POST", "bulk", { action, ...which, dry_run: true });
    const able = would.items.filter((item) => !item.failure);
    const names = able.slice(0, NAMED).map((item) => `· ${list.items.has(item.session_id) ? nameOf(list.items.get(item.session_id)) : item.session_id}`);
    if (able.length > NAMED) names.push(`· and ${count(able.length - NAMED, "more")}`.replace("mores", "more"));
    if (would.failed) names.push(`${count(would.failed, "session")} cannot be changed: ${would.items.find((item) => item.failure).failure.message}`);
    const tag = which.tag ? ` “${which.tag}”` : "";
    const title = `${action[0].toUpperCase()}${action.slice(1)}${tag}: ${count(able.length, "session")}`;
    if ((await ask({ title, text: names.join("\n"), action: title, danger: action === "delete" })) === undefined) return;
    const done = await send("POST", "bulk", { action, ...which });
    const changed = done.items.filter((item) => !item.failure).map((item) => item.session_id);
    list.select(false);
    say(`${count(changed.length, "session")} done${done.failed ? `, ${done.failed} not: ${done.items.find((item) => item.failure).failure.message}` : ""}.`,
      action === "delete" && changed.length ? () => send("POST", "bulk", { action: "restore", ids: changed }) : undefined);
  }

  async function exported(ids) {
    const given = await ask({ title: `Export ${count(ids.length, "session")}`, text: "Each becomes a file.", fields: [{ name: "format", label: "As", options: FORMATS.map(([name]) => name) }], action: "Export" });
    if (given === undefined) return;
    const suffix = Object.fromEntries(FORMATS)[given.format];
    for (const id of ids) download(`${id}${suffix}`, await getBlob(session(id, "/export"), { format: given.format }));
    say(`${count(ids.length, "file")} made.`);
  }

  async function merged(ids) {
    const text = `All events of these ${ids.length} sessions are brought together in a new one. They themselves stay as they are.`;
    if ((await ask({ title: "Merge", text, action: "Merge" })) === undefined) return;
    const made = await send("POST", "merge", { sources: ids });
    list.select(false);
    open(made.session_id);
    say(`${count(made.added, "event")} brought together.`);
  }

  list.chosen = draw;
  return bar;
}

const filterOf = (filters) => Object.fromEntries(Object.entries(filters).filter(([name, value]) => name !== "sort" && value && String(value)));
