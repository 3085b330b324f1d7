// Every tool call of all sessions: those without a result first, then the latest.
import { addressOf } from "./address.js";
import { get } from "./api.js";
import { calling } from "./call.js";
import { fill, make } from "./dom.js";
import { count, when } from "./text.js";

const PAGE = 50;
const WHICH = { all: {}, failed: { failed: true }, open: { open: true } };

/** @param {(id: string, seq: number) => Promise<void>} open */
export function ledger(element, failed, open) {
  const ending = new AbortController();
  const body = make("div");
  const name = make("input", { type: "search", placeholder: "Tool", "aria-label": "Only this tool" });
  const which = make("select", { "aria-label": "Which calls" }, make("option", { value: "all" }, "all calls"), make("option", { value: "failed" }, "failed ones"), make("option", { value: "open" }, "without a result"));
  fill(element, make("div.row", {}, make("h1", {}, "Tool calls"), name, which), body);

  function row(call) {
    const place = { id: call.session_id, seq: call.called_seq };
    const click = (event) => {
      event.preventDefault();
      open(place.id, place.seq).catch(failed);
    };
    return make("div.used", {}, calling(call), make("a.faint", { href: addressOf(place), on: { click } }, `${when(call.called_at)} · in ${call.session_id}`));
  }

  async function page(box, query, after) {
    const found = await get("tools", { ...query, name: name.value.trim(), limit: PAGE, after }, ending.signal);
    box.append(...found.items.map(row));
    if (found.next !== null) {
      const more = make("button.more", { on: { click: () => {
        more.remove();
        page(box, query, found.next).catch(failed);
      } } }, "More");
      box.append(more);
    }
    return found.total;
  }

  async function load() {
    const parts = which.value === "all" ? [["Without a result", { open: true }], ["With a result", { open: false }]] : [["", WHICH[which.value]]];
    const boxes = await Promise.all(parts.map(async ([title, query]) => {
      const box = make("section");
      const total = await page(box, query);
      return total || !title ? [make("h2", {}, `${title} `, make("span.faint", {}, count(total, "call"))), box] : null;
    }));
    fill(body, boxes.some(Boolean) ? boxes : make("p.empty", {}, "No tool was called like that."));
  }

  name.addEventListener("change", () => load().catch(failed));
  which.addEventListener("change", () => load().catch(failed));
  load().catch(failed);
  return { destroy: () => ending.abort() };
}
