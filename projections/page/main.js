// Puts the page together: the list, what is open beside it, the live stream, the keys.
import { go, note, noted, where } from "./address.js";
import { get, Refused, send, session, setToken, takeToken } from "./api.js";
import { bulkBar } from "./bulk.js";
import { ask, say, show as showDialog } from "./dialogs.js";
import { fill, make } from "./dom.js";
import { Filters } from "./filters.js";
import { Find } from "./find.js";
import { Head } from "./head.js";
import { health } from "./health.js";
import { KEYS, listen } from "./keys.js";
import { ledger } from "./ledger.js";
import { List } from "./list.js";
import { follow } from "./live.js";
import { Marks } from "./marks.js";
import { palette } from "./search.js";
import { statistics } from "./statistics.js";
import { Transcript } from "./transcript.js";
import { trash } from "./trash.js";

const REMEMBERED = "eventlog.open-last";
const SCREENS = { statistics: ["Statistics", statistics], tools: ["Tool calls", ledger], trash: ["Trash", trash], health: ["Health", health] };

const doors = {};
const app = make("div.app");
const totals = make("span.faint.totals");
const rows = make("div.scroller.sessions", { tabindex: "0" });
const listPill = make("button.pill", { hidden: true });
const head = make("div.head");
const scroller = make("div.scroller", { tabindex: "0", role: "region", "aria-label": "Transcript" });
const pill = make("button.pill", { hidden: true });
const aside = make("aside.details", { hidden: true, "aria-label": "Details" });
const screen = make("div.screen", { hidden: true, tabindex: "-1" });
const reading = make("div.reading-pane");
const last = make("input", { type: "checkbox", id: "last" });
const main = make("main.main", {}, reading, screen);
const list = new List(rows, totals, listPill, { open: (id) => open(id).catch(failed), remove: (item) => header.remove(item, item.session_id === shown).catch(failed), chosen: () => {}, failed });
const header = new Head(head, aside, { open, failed, find: () => find.open(shown) });
const find = new Find(reading, scroller, { jump: async (seq) => transcript?.jump(seq, true, document.activeElement !== find.input).catch(failed), changed: () => marked() });
const marks = new Marks(reading, (part) => transcript?.jump(transcript.seqs[Math.floor(part * transcript.seqs.length)], false).catch(failed));
let transcript;
let asking = false;
let shown;
let current; // the screen that is shown in place of a transcript

function failed(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) askForToken();
  else say(error.message);
}

async function askForToken() {
  if (asking) return;
  asking = true;
  const text = "`eventlog open` opens the page with it; `eventlog serve` has printed it.";
  const given = await ask({ title: "This server asks for its token", text, fields: [{ name: "token", label: "Token", type: "password" }], action: "Use it" });
  asking = false;
  if (given === undefined) return;
  setToken(given.token);
  location.reload();
}

async function open(id, seq) {
  go({ id, seq });
  await show(id, seq);
}

function visit(name) {
  go({ screen: name });
  showScreen(name);
}

function leave() {
  transcript?.destroy();
  transcript = undefined;
  current?.destroy();
  current = undefined;
  pill.hidden = true;
  if (find.isOpen) find.close();
  for (const door of Object.values(doors)) door.removeAttribute("aria-current");
}

function showScreen(name) {
  leave();
  shown = undefined;
  list.current(undefined);
  app.classList.add("reading");
  reading.hidden = true;
  screen.hidden = false;
  document.title = SCREENS[name][0];
  const inside = make("div");
  fill(screen, make("button.only-narrow", { on: { click: () => open(undefined).catch(failed) } }, "Back"), inside);
  current = SCREENS[name][1](inside, failed, open);
  doors[name].setAttribute("aria-current", "page");
  screen.focus();
}

async function show(id, seq) {
  leave();
  shown = id;
  reading.hidden = false;
  screen.hidden = true;
  app.classList.toggle("reading", id !== undefined);
  list.current(id);
  if (id === undefined) {
    aside.hidden = true;
    document.title = "Sessions";
    fill(head, make("h1", {}, "Sessions"));
    fill(scroller, make("p.empty", {}, "Choose a session, or begin a new one."));
    marked();
    return;
  }
  header.draw(list.items.get(id) ?? { session_id: id, title: id, tags: [] });
  header.known().catch(() => {});
  const opened = (transcript = new Transcript(scroller, { seen: note, news, drawn: () => find.mark(), fork: (at) => header.fork(at).catch(failed), open: (other) => open(other).catch(failed), failed }));
  try {
    await opened.open(id, seq);
    if (shown === id) marked();
    if (!list.items.has(id)) get(session(id), { parts: "header" }).then((view) => shown === id && !list.items.has(id) && header.draw(view), () => {});
  } catch (error) {
    if (error.status === undefined || error.status === 401) return failed(error);
    if (shown === id) fill(scroller, make("p.empty", {}, error.message));
  }
}

function news(count) {
  pill.hidden = !count;
  pill.textContent = `${count} new`;
}

function marked() {
  marks.draw(transcript, find.hits);
  find.mark();
}

async function begin() {
  const given = await ask({ title: "New session", fields: [{ name: "title", label: "Title (may be empty)" }, { name: "kind", label: "Kind", value: list.filters.kind || "chat" }, { name: "tags", label: "Tags" }], action: "Begin" });
  if (given === undefined) return;
  const made = await send("POST", "sessions", { title: given.title || null, kind: given.kind || null, tags: given.tags.split(/[\s,]+/).filter(Boolean) });
  await open(made.session_id);
}

function search() {
  const screens = Object.entries(SCREENS).map(([name, [title]]) => [title, () => visit(name)]);
  const here = shown === undefined ? [] : [["Find in this session", () => find.open(shown)], ["Rename", () => header.rename().catch(failed)], ["Tags", () => header.tag().catch(failed)], ["Fork this session", () => header.fork().catch(failed)], ["Export", () => header.export().catch(failed)], ["Resume", () => header.resume().catch(failed)], ["Details", () => header.details().catch(failed)], ["Delete this session", () => header.remove().catch(failed)]];
  palette({ chosen: (id, seq) => open(id, seq).catch(failed), commands: [...screens, ["New session", () => begin().catch(failed)], ["Choose several sessions", () => list.select(!list.selecting)], ["Keys", help], ...here] });
}

function step(by) {
  if (!transcript?.seqs?.length) return;
  const index = Math.max(0, Math.min(transcript.top + by, transcript.seqs.length - 1));
  return transcript.jump(transcript.seqs[index], false);
}

function leap(by, test, what) {
  const seq = transcript?.next(by, test);
  if (seq === undefined) say(`There is no ${by > 0 ? "later" : "earlier"} ${what}.`);
  else return transcript.jump(seq);
}

const isPrompt = (kind) => kind === "user";
const isFailure = (kind, flags) => kind === "error" || (flags & transcript.flags.failed) !== 0;

/** What each key of `keys.js` does. */
const DOES = {
  next: () => step(1), previous: () => step(-1), nextPrompt: () => leap(1, isPrompt, "prompt"), previousPrompt: () => leap(-1, isPrompt, "prompt"), first: () => step(-Infinity), last: () => transcript?.follow(),
  nextHit: () => find.step(1), previousHit: () => find.step(-1), nextFailure: () => leap(1, isFailure, "failure"), previousFailure: () => leap(-1, isFailure, "failure"), thinking: () => transcript?.fold("thinking"), tools: () => transcript?.fold("tools"),
  find: () => (shown === undefined ? search() : find.open(shown)), palette: search, copy: () => document.activeElement?.closest?.(".message")?.querySelector("[aria-expanded]")?.click(), pin: () => shown && header.update({ pinned: !header.item.pinned }),
  remove: () => shown && header.remove(), begin, details: () => shown && header.details(), nextSession: () => neighbour(1), previousSession: () => neighbour(-1), help,
};

/** The session below or above the open one in the list. */
function neighbour(by) {
  const ids = list.rows.map((row) => row.item?.session_id).filter(Boolean);
  const id = ids[Math.max(0, Math.min(ids.length - 1, ids.indexOf(shown) + by))];
  return id && open(id);
}

function help() {
  showDialog(make("dialog", { "aria-label": "Keys" }, make("h2", {}, "Keys"), make("dl.keys", {}, KEYS.map(([keys, , text]) => [make("dt", {}, keys.map((key) => [make("kbd", {}, key), " "])), make("dd", {}, text)]))));
}

function told(event, data) {
  if (event === "row" || event === "gone") {
    list.told(data.session_id, event === "row" ? data : undefined);
    if (event === "row" && data.session_id === shown) {
      header.draw(data);
      header.known().catch(() => {});
    }
    if (event === "row" && data.parent?.session_id === shown) transcript?.child(data);
    if (current?.told) current.told();
  } else if (event === "event" && data.session_id === shown) transcript?.told(data).then(marked, failed);
  else if (event === "reset") Promise.all([list.load(), transcript?.refresh()]).catch(failed);
}

function lay() {
  const button = (text, act, title) => make("button", { title, on: { click: () => Promise.resolve(act()).catch(failed) } }, text);
  const filters = new Filters((given) => list.load(given).then((items) => filters.offer(items.map((item) => item.kind)), failed));
  const bulk = bulkBar(list, failed, (id) => open(id).catch(failed));
  const side = make("nav.side", { "aria-label": "Sessions" },
    make("div.side-head", {}, make("div.row", {}, button("New", begin, "Begin a new session"), button("Search", search, "Search all sessions (Ctrl-K)"), button("Choose", () => list.select(!list.selecting), "Choose several sessions")),
      make("div.row.screens", {}, Object.entries(SCREENS).map(([name, [title]]) => (doors[name] = make("button.quiet", { on: { click: () => visit(name) } }, title))), make("button.quiet", { "aria-label": "Keys", on: { click: help } }, "?")),
      filters.element, bulk, totals),
    make("div.list", {}, rows, listPill), make("label.faint.setting", { for: "last" }, last, " Open the last session when the page is opened"));
  reading.prepend(head, find.bar);
  reading.append(make("div.beside", {}, make("div.transcript", {}, scroller, marks.canvas, pill), aside));
  app.append(side, main);
  document.body.append(app);
  return filters;
}

function place() {
  const { id, seq, screen: name } = where();
  return { id, seq, name: Object.hasOwn(SCREENS, name ?? "") ? name : undefined };
}

async function start() {
  takeToken();
  const filters = lay();
  last.checked = localStorage.getItem(REMEMBERED) === "yes";
  last.addEventListener("change", () => localStorage.setItem(REMEMBERED, last.checked ? "yes" : "no"));
  pill.addEventListener("click", () => transcript?.follow());
  listen(DOES, failed, () => find.isOpen && find.input === document.activeElement);
  addEventListener("popstate", () => {
    filters.take();
    const { id, seq, name } = place();
    if (name !== undefined) showScreen(name);
    else if (id !== shown || current) show(id, seq ?? noted()).catch(failed);
    else if (seq ?? noted()) transcript?.jump(seq ?? noted()).catch(failed);
  });
  addEventListener("hashchange", () => where().id === shown && where().seq && transcript?.jump(where().seq).catch(failed));
  addEventListener("resize", marked);
  const loading = list.load(filters.given);
  loading.catch(() => {}); // it is awaited below
  const { id, seq, name } = place();
  if (name !== undefined) showScreen(name);
  else if (id !== undefined) await show(id, seq ?? noted());
  const items = await loading;
  filters.offer(items.map((item) => item.kind));
  if (id !== undefined && shown === id && list.items.has(id)) header.draw(list.items.get(id));
  // Somebody may have opened a session while the list was loading: that one stays.
  if (shown === undefined && current === undefined && place().id === undefined) await show(last.checked ? items[0]?.session_id : undefined);
  list.current(shown);
  follow({ shape: "event,row" }, told, new AbortController().signal);
}

start().catch(failed);
