// Puts the page together: the list, the transcript, the live stream, the keys.
import { go, note, noted, where } from "./address.js";
import { get, Refused, send, setToken, takeToken } from "./api.js";
import { fill, make } from "./dom.js";
import { List } from "./list.js";
import { follow } from "./live.js";
import { palette } from "./search.js";
import { Transcript } from "./transcript.js";

const REMEMBERED = "eventlog.open-last";
const UNDO_MS = 10_000;

const app = make("div.app");
const totals = make("span.faint");
const rows = make("ul.sessions", { "aria-label": "Sessions" });
const head = make("div.head");
const scroller = make("div.scroller", { tabindex: "0", "aria-label": "Transcript" });
const pill = make("button.pill", { hidden: true });
const main = make("main.main", {}, head, scroller, pill);
const kinds = make("input", { placeholder: "Kind, such as voice", "aria-label": "Only sessions of this kind" });
const titles = make("input", { type: "search", placeholder: "Words of the title", "aria-label": "Only sessions with these words in the title" });
const last = make("input", { type: "checkbox", id: "last" });
const list = new List(rows, totals, (id) => open(id));
let transcript;
let shown;
let hits = { items: [], at: -1 };

const button = (text, click, title) => make("button", { title, on: { click: () => Promise.resolve(click()).catch(failed) } }, text);

function failed(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) askForToken();
  else toast(error.message);
}

function toast(text, undo) {
  document.querySelector(".toast")?.remove();
  const said = make("div.toast", { role: "status" }, text, undo && button("Undo", () => { said.remove(); return undo(); }));
  app.append(said);
  setTimeout(() => said.remove(), UNDO_MS);
}

function askForToken() {
  if (document.querySelector("dialog.token")) return;
  const input = make("input", { type: "password", autocomplete: "off", "aria-label": "Token" });
  const use = () => {
    setToken(input.value.trim());
    location.reload();
  };
  const dialog = make("dialog.token", {}, make("p", {}, "This server asks for its token. `eventlog open` opens the page with it; `eventlog serve` has printed it."),
    make("div.row", {}, input, make("button", { on: { click: use } }, "Use it")));
  document.body.append(dialog);
  dialog.showModal();
}

async function open(id, seq) {
  go(id, seq);
  await show(id, seq);
}

async function show(id, seq) {
  transcript?.destroy();
  transcript = undefined;
  shown = id;
  pill.hidden = true;
  app.classList.toggle("reading", id !== undefined);
  list.current(id);
  if (id === undefined) {
    document.title = "Sessions";
    fill(head, make("h1", {}, "Sessions"));
    fill(scroller, make("p.empty", {}, "Choose a session, or begin a new one."));
    return;
  }
  localStorage.setItem("eventlog.last", id);
  drawHead(list.items.get(id) ?? { session_id: id, title: id, tags: [] });
  const current = (transcript = new Transcript(scroller, { seen: note, news: (count) => {
    pill.hidden = !count;
    pill.textContent = `${count} new`;
  } }));
  try {
    await current.open(id, seq);
    if (!list.items.has(id)) get(`sessions/${id}`, { parts: "header" }).then((header) => shown === id && drawHead(header), () => {});
  } catch (error) {
    if (error.status !== 404) return failed(error);
    fill(scroller, make("p.empty", {}, error.message));
  }
}

function drawHead(item) {
  document.title = item.title ?? item.preview ?? item.session_id;
  const facts = [item.model, item.status, item.messages !== undefined && `${item.messages.toLocaleString()} messages`, item.input_tokens ? `${(item.input_tokens + item.output_tokens).toLocaleString()} tokens` : null,
    item.cost ? `${item.cost.amount.toFixed(4)} ${item.cost.currency}` : null].filter(Boolean);
  fill(head, make("div.row", {}, make("button.only-narrow", { on: { click: () => open(undefined) } }, "Back"), make("h1", {}, document.title)),
    make("div.row", {}, make("span.faint", {}, facts.join(" · ")), button("Find", find, "Find in this session (/)"), button("Rename", rename), button(item.pinned ? "Unpin" : "Pin", () => update({ pinned: !item.pinned })),
      button("Copy id", () => navigator.clipboard.writeText(shown)), button("Delete", remove)));
}

const update = (changes) => send("PATCH", `sessions/${shown}`, changes);

async function rename() {
  const title = prompt("Title", document.title);
  if (title) await update({ title });
}

async function remove() {
  const id = shown;
  if (!confirm(`Delete ${document.title}? It can be restored.`)) return;
  await send("DELETE", `sessions/${id}`);
  await open(undefined);
  toast("Deleted.", async () => {
    await send("POST", `sessions/${id}/restore`);
    await open(id);
  });
}

async function begin() {
  const made = await send("POST", "sessions", { kind: kinds.value.trim() || "chat" });
  await open(made.session_id);
}

function find() {
  palette({ session: shown, chosen: async (id, seq, items) => {
    hits = { items: items.map((hit) => hit.seq).sort((a, b) => a - b), at: -1 };
    hits.at = hits.items.indexOf(seq);
    go(id, seq);
    await transcript?.jump(seq);
  } });
}

const search = () => palette({ chosen: (id, seq) => open(id, seq).catch(failed) });

function nextHit(step) {
  if (!hits.items.length || !transcript) return;
  hits.at = (hits.at + step + hits.items.length) % hits.items.length;
  toast(`${hits.at + 1} of ${hits.items.length}`);
  transcript.jump(hits.items[hits.at]).catch(failed);
}

function step(by) {
  if (!transcript?.seqs?.length) return;
  const index = Math.max(0, Math.min(transcript.top + by, transcript.seqs.length - 1));
  transcript.jump(transcript.seqs[index], false).catch(failed);
}

const KEYS = {
  j: () => step(1), k: () => step(-1), g: () => step(-Infinity), G: () => transcript?.follow(), n: () => nextHit(1), N: () => nextHit(-1),
  "/": () => (shown ? find() : search()), Delete: () => shown && remove(), "?": help,
};

function help() {
  toast("j k: next, previous message · g G: first, last · / find · n N: next, previous hit · Ctrl-K: search all · Del: delete");
}

function keys(event) {
  if ((event.ctrlKey || event.metaKey) && event.key === "k" && !document.querySelector("dialog")) {
    event.preventDefault();
    search();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog") || event.target.matches?.("input, select, textarea")) return;
  const key = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : undefined;
  if (!key) return;
  event.preventDefault();
  Promise.resolve(key()).catch(failed);
}

function told(event, data) {
  if (event === "row") {
    list.told(data);
    if (data.session_id === shown) drawHead(data);
  } else if (event === "gone") list.gone(data.session_id);
  else if (event === "event" && data.session_id === shown) transcript?.refresh().catch(failed);
  else if (event === "reset") Promise.all([list.load(), transcript?.refresh()]).catch(failed);
}

async function start() {
  takeToken();
  let waiting;
  const filter = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => list.load({ title: titles.value.trim(), kind: kinds.value.trim() }).catch(failed), 200);
  };
  for (const input of [titles, kinds]) input.addEventListener("input", filter);
  last.checked = localStorage.getItem(REMEMBERED) === "yes";
  last.addEventListener("change", () => localStorage.setItem(REMEMBERED, last.checked ? "yes" : "no"));
  pill.addEventListener("click", () => transcript?.follow());
  addEventListener("keydown", keys);
  addEventListener("popstate", () => {
    const { id, seq } = where();
    if (id !== shown) show(id, seq ?? noted()).catch(failed);
    else if (seq ?? noted()) transcript?.jump(seq ?? noted()).catch(failed);
  });
  addEventListener("hashchange", () => where().id === shown && where().seq && transcript?.jump(where().seq).catch(failed));
  const side = make("nav.side", { "aria-label": "Sessions" }, make("div.side-head", {},
    make("div.row", {}, button("New", begin, "Begin a new session"), button("Search", search, "Search all sessions (Ctrl-K)"), totals), make("div.row", {}, titles), make("div.row", {}, kinds),
    make("label.faint", { for: "last" }, last, " Open the last session when the page is opened")), rows);
  app.append(side, main);
  document.body.append(app);
  const loading = list.load();
  const { id, seq } = where();
  if (id !== undefined) await show(id, seq ?? noted());
  await loading;
  if (id !== undefined && list.items.has(id)) drawHead(list.items.get(id));
  // Somebody may have opened a session while the list was loading: that one stays.
  if (shown === undefined && where().id === undefined) await show(last.checked ? [...list.items.keys()][0] : undefined);
  list.current(shown);
  follow({ shape: "event,row" }, told, new AbortController().signal);
}

start().catch(failed);
