// Finds within the session that is open: asked of the server, since only what is in sight is on the page. "3 of 44", next, previous, marks.
import { get } from "./api.js";
import { fill, make } from "./dom.js";

const WAIT_MS = 200;
const AGAIN_MS = 1_000; // while the index is being made
const MOST_HITS = 1_000;
const MOST_MARKED = 500;

export class Find {
  /** @param {{ jump: (seq: number) => Promise<void>, changed: () => void }} given */
  constructor(element, scroller, { jump, changed }) {
    Object.assign(this, { scroller, jump, changed });
    this.hits = [];
    this.at = -1;
    this.input = make("input", { type: "search", "aria-label": "Find in this session", placeholder: "Find in this session", autocomplete: "off" });
    this.said = make("span.faint", { "aria-live": "polite" });
    this.bar = make("div.row.find", { hidden: true, role: "search" }, this.input, this.said, make("button", { "aria-label": "Previous hit", on: { click: () => this.step(-1) } }, "↑"),
      make("button", { "aria-label": "Next hit", on: { click: () => this.step(1) } }, "↓"), make("button", { "aria-label": "Close", on: { click: () => this.close() } }, "×"));
    this.input.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.ask(), WAIT_MS);
    });
    this.bar.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.enter(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") this.close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    element.append(this.bar);
  }

  open(id) {
    if (this.id !== id) this.forget();
    this.id = id;
    this.bar.hidden = false;
    this.input.select();
    this.input.focus();
  }

  get isOpen() {
    return !this.bar.hidden;
  }

  close() {
    this.bar.hidden = true;
    this.forget();
    this.scroller.focus({ preventScroll: true });
  }

  forget() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    this.input.value = "";
    this.asked = undefined;
    this.take([], "");
  }

  take(hits, said) {
    this.hits = hits;
    this.at = -1;
    fill(this.said, said);
    this.changed();
  }

  async ask() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const q = (this.asked = this.input.value.trim());
    if (!q) return this.take([], "");
    try {
      const page = await get("search", { q, session_id: this.id, limit: MOST_HITS }, asking.signal);
      if (page.complete === false && !page.items.length) this.waiting = setTimeout(() => this.ask(), AGAIN_MS);
      const hits = [...new Set(page.items.map((hit) => hit.seq))].sort((a, b) => a - b);
      return this.take(hits, hits.length ? `${hits.length.toLocaleString()} found${page.next ? ", the best ones" : ""}` : page.complete === false ? "none yet: the index is being made" : "none");
    } catch (error) {
      return error.name === "AbortError" ? undefined : this.take([], error.message);
    }
  }

  async enter(step) {
    if (this.input.value.trim() !== this.asked) await this.ask();
    await this.step(step);
  }

  async step(step) {
    if (!this.hits.length) return;
    this.at = this.at < 0 ? (step > 0 ? 0 : this.hits.length - 1) : (this.at + step + this.hits.length) % this.hits.length;
    fill(this.said, `${(this.at + 1).toLocaleString()} of ${this.hits.length.toLocaleString()}`);
    await this.jump(this.hits[this.at]);
  }

  /** Mark the words in what is on the page, without changing it. */
  mark() {
    if (!globalThis.Highlight) return;
    const words = (this.asked ?? "").toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
    const ranges = [];
    if (words.length && this.isOpen) {
      const texts = document.createTreeWalker(this.scroller, NodeFilter.SHOW_TEXT);
      while (texts.nextNode() && ranges.length < MOST_MARKED) {
        const node = texts.currentNode;
        const text = node.data.slice(0, 20_000).toLowerCase();
        for (const word of words) {
          for (let at = text.indexOf(word); at >= 0 && ranges.length < MOST_MARKED; at = text.indexOf(word, at + word.length)) {
            const range = new Range();
            range.setStart(node, Math.min(at, node.length));
            range.setEnd(node, Math.min(at + word.length, node.length));
            ranges.push(range);
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  }
}
