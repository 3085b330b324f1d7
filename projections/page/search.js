// The search palette: of all sessions, or within the one that is open.
import { get } from "./api.js";
import { fill, make } from "./dom.js";

const WAIT_MS = 200;

/** @param {{ session?: string, chosen: (id: string, seq: number, hits: any[]) => void }} given */
export function palette({ session, chosen }) {
  const found = make("div", { "aria-live": "polite" });
  const input = make("input", { type: "search", "aria-label": "Search", placeholder: session ? "Find in this session" : "Search all sessions" });
  const dialog = make("dialog", { "aria-label": "Search" }, make("div.row", {}, input), found);
  let waiting;
  let asking;

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const q = input.value.trim();
    if (!q) return fill(found);
    try {
      const page = await get("search", { q, session_id: session, limit: 50 }, asking.signal);
      const open = (hit) => () => {
        dialog.close();
        chosen(hit.session_id, hit.seq, page.items);
      };
      return fill(found, make("p.faint", {}, `${page.total.toLocaleString()} found`, page.complete === false && "; the index is still being made"),
        page.items.map((hit) => make("button.hit", { on: { click: open(hit) } }, make("b", {}, hit.title ?? hit.session_id), make("span.text", {}, hit.snippet))));
    } catch (error) {
      return error.name === "AbortError" ? undefined : fill(found, make("p.bad", {}, error.message));
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, WAIT_MS);
  });
  dialog.addEventListener("keydown", (event) => {
    const hits = [...found.querySelectorAll(".hit")];
    const at = hits.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && hits.length) hits[Math.min(at + 1, hits.length - 1)].focus();
    else if (event.key === "ArrowUp" && at > 0) hits[at - 1].focus();
    else if (event.key === "Enter" && document.activeElement === input) hits[0]?.click();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    asking?.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
