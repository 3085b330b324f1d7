// The palette: search of all sessions, and every screen and command by its name.
import { get } from "./api.js";
import { show } from "./dialogs.js";
import { fill, make } from "./dom.js";

const WAIT_MS = 200;
const AGAIN_MS = 1_000; // while the index is being made

/**
 * @param {{ chosen: (id: string, seq: number) => void, commands: [string, () => void][] }} given
 */
export function palette({ chosen, commands }) {
  const found = make("div", { "aria-live": "polite" });
  const input = make("input", { type: "search", "aria-label": "Search", placeholder: "Search all sessions, or name a command", autocomplete: "off" });
  const dialog = make("dialog.palette", { "aria-label": "Search" }, make("div.row", {}, input), found);
  let waiting;
  let asking;

  const choice = (act, ...children) => make("button.hit", { on: { click: () => {
    dialog.close();
    act();
  } } }, children);

  const named = (q) => commands.filter(([name]) => name.toLowerCase().includes(q.toLowerCase())).map(([name, act]) => choice(act, make("span", {}, name)));

  async function ask() {
    clearTimeout(waiting);
    asking?.abort();
    asking = new AbortController();
    const q = input.value.trim();
    if (!q) return fill(found, named(""));
    try {
      const page = await get("search", { q, limit: 50 }, asking.signal);
      if (page.complete === false) waiting = setTimeout(ask, AGAIN_MS);
      return fill(found, page.items.map((hit) => choice(() => chosen(hit.session_id, hit.seq), make("b", {}, hit.title ?? hit.session_id), make("span.faint", {}, hit.role ?? hit.kind), make("span.snippet", {}, marked(hit.snippet)))),
        make("p.faint", {}, `${page.total.toLocaleString()} found`, page.complete === false && "; the index is still being made"), named(q));
    } catch (error) {
      return error.name === "AbortError" ? undefined : fill(found, named(q), make("p.bad", {}, error.message));
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, WAIT_MS);
  });
  dialog.addEventListener("keydown", async (event) => {
    const hits = [...found.querySelectorAll(".hit")];
    const at = hits.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && hits.length) hits[Math.min(at + 1, hits.length - 1)].focus();
    else if (event.key === "ArrowUp") (hits[at - 1] ?? input).focus();
    else if (event.key === "Escape") dialog.close(); // at once, where the browser would first empty the field
    else if (event.key === "Enter" && document.activeElement === input) hits[0]?.click();
    else return;
    event.preventDefault();
  });
  show(dialog, () => {
    clearTimeout(waiting);
    asking?.abort();
  });
  input.focus();
  fill(found, named(""));
  return dialog;
}

/** The hit stands between two asterisks each. */
const marked = (snippet) => snippet.split("**").map((piece, number) => (number % 2 ? make("mark", {}, piece) : piece));
