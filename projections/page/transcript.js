// A session's messages, however many: only those in sight are elements. The truth is which message is at the top and how far it is scrolled.
import { get } from "./api.js";
import { fill, make } from "./dom.js";
import { Heights } from "./heights.js";
import { message } from "./message.js";

const WINDOW = 100;
const MOST_WINDOWS = 40;
const MARGIN_PX = 600;
const MOST_CHARACTERS = 20_000;

const estimate = (chars) => 62 + Math.ceil(Math.min(chars, 8_000) / 90) * 22;

/** A transcript in `scroller`. `seen(seq)` is told which message is at the top, `news(count)` how many came while it was not followed. */
export class Transcript {
  constructor(scroller, { seen, news }) {
    this.scroller = scroller;
    this.seen = seen;
    this.news = news;
    this.space = make("div.space", { role: "feed", "aria-label": "Messages" });
    this.nodes = new Map();
    this.following = true;
    this.missed = 0;
    this.ending = new AbortController();
    this.due = false;
    scroller.replaceChildren(this.space);
    scroller.addEventListener("scroll", () => this.scrolled(), { signal: this.ending.signal, passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  destroy() {
    this.ending.abort();
    this.ended = true;
  }

  /** Show a session, at the message of `seq` or at the end. */
  async open(id, seq) {
    this.id = id;
    this.windows = new Map();
    const outline = await get(`sessions/${id}/outline`, {}, this.ending.signal);
    const rows = outline.items.filter(([, kind]) => kind !== "error" && kind !== "compaction");
    this.seqs = rows.map(([at]) => at);
    this.heights = new Heights(rows.map(([, , chars]) => estimate(chars)));
    for (const node of this.nodes.values()) node.remove();
    this.nodes.clear();
    if (!this.seqs.length) {
      fill(this.space, make("p.empty", {}, "Nothing has been said in this session yet."));
      this.space.style.height = "auto";
      return;
    }
    fill(this.space);
    this.following = seq === undefined;
    await this.jump(seq ?? this.seqs.at(-1), seq !== undefined);
  }

  /** Put the message of this seq (or the next one) on top. */
  async jump(seq, mark = true) {
    const index = this.indexOf(seq);
    this.target = mark ? index : undefined;
    await this.load(Math.floor(index / WINDOW));
    if (this.ended) return;
    this.following = index === this.seqs.length - 1 && !mark;
    this.anchor = this.following ? undefined : { index, within: 0 };
    this.draw();
    this.nodes.get(index)?.focus({ preventScroll: true });
  }

  indexOf(seq) {
    let low = 0;
    let high = this.seqs.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seqs[middle] < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index at the top of the screen. */
  get top() {
    return this.heights ? this.heights.at(this.scroller.scrollTop + 1) : 0;
  }

  async load(window) {
    const known = this.windows.get(window);
    if (known !== undefined) return known;
    const first = window * WINDOW;
    const query = { after: this.seqs[first] - 1, limit: WINDOW, max_chars: MOST_CHARACTERS };
    const loading = get(`sessions/${this.id}/messages`, query, this.ending.signal).then((found) => this.take(window, found));
    this.windows.set(window, loading);
    loading.catch(() => this.windows.delete(window));
    while (this.windows.size > MOST_WINDOWS) this.windows.delete(this.windows.keys().next().value);
    return loading;
  }

  take(window, found) {
    const items = withTheirOwn(found);
    this.windows.set(window, items);
    return items;
  }

  /** What came: the last messages anew, and those behind them. */
  async refresh() {
    if (!this.seqs || this.refreshing) {
      this.again = true;
      return;
    }
    this.refreshing = true;
    try {
      do {
        this.again = false;
        await this.fetchNews();
      } while (this.again && !this.ended);
    } finally {
      this.refreshing = false;
    }
  }

  async fetchNews() {
    const count = this.seqs.length;
    if (!count) return this.open(this.id);
    const window = Math.floor((count - 1) / WINDOW);
    const query = { after: this.seqs[window * WINDOW] - 1, limit: 500, max_chars: MOST_CHARACTERS };
    const found = await get(`sessions/${this.id}/messages`, query, this.ending.signal);
    if (this.ended) return undefined;
    const items = withTheirOwn(found);
    const last = this.seqs[count - 1];
    const added = items.filter((item) => item.seq > last);
    this.seqs.push(...added.map((item) => item.seq));
    this.heights.add(added.map((item) => estimate(JSON.stringify(item.parts).length)));
    for (let at = 0; at < items.length; at += WINDOW) this.windows.set(window + at / WINDOW, items.slice(at, at + WINDOW));
    for (const [index, node] of this.nodes) {
      if (index >= window * WINDOW) {
        node.remove();
        this.nodes.delete(index);
      }
    }
    if (!this.following && added.length) this.news((this.missed += added.length));
    this.draw();
    return found.next === null ? undefined : this.fetchNews();
  }

  follow() {
    this.following = true;
    this.news((this.missed = 0));
    this.anchor = undefined;
    this.draw();
  }

  scrolled() {
    if (this.setting === this.scroller.scrollTop || !this.heights) return;
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    this.following = scrollTop + clientHeight >= scrollHeight - 4;
    if (this.following) this.news((this.missed = 0));
    const index = this.heights.at(scrollTop);
    this.anchor = this.following ? undefined : { index, within: scrollTop - this.heights.offset(index) };
    if (!this.due) {
      this.due = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  /** Bring the elements into line with what is in sight. Layout is read once, after everything was written. */
  draw() {
    this.due = false;
    if (this.ended || !this.heights?.count) return;
    for (let round = 0; round < 4; round++) if (!this.drawOnce()) break;
    this.seen(this.seqs[this.top]);
  }

  drawOnce() {
    const height = this.scroller.clientHeight;
    this.space.style.height = `${this.heights.total}px`;
    const wanted = this.anchor ? this.heights.offset(this.anchor.index) + this.anchor.within : Math.max(0, this.heights.total - height);
    const top = Math.min(wanted, Math.max(0, this.heights.total - height));
    const first = this.heights.at(top - MARGIN_PX);
    const last = this.heights.at(top + height + MARGIN_PX);
    for (const [index, node] of this.nodes) {
      if (index < first || index > last) {
        if (node.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
        node.remove();
        this.nodes.delete(index);
      }
    }
    let offset = this.heights.offset(first);
    for (let index = first; index <= last; index++) {
      this.node(index).style.transform = `translateY(${offset}px)`;
      offset += this.heights.each[index];
    }
    let changed = false;
    for (const [index, node] of this.nodes) {
      const measured = node.offsetHeight;
      if (!node.dataset.waits && Math.abs(measured - this.heights.each[index]) > 0.5) {
        this.heights.set(index, measured);
        changed = true;
      }
    }
    if (!changed && Math.abs(this.scroller.scrollTop - top) > 0.5) {
      this.scroller.scrollTop = top;
      this.setting = this.scroller.scrollTop;
    } else if (!changed) this.setting = this.scroller.scrollTop;
    return changed;
  }

  node(index) {
    const known = this.nodes.get(index);
    const window = Math.floor(index / WINDOW);
    const items = this.windows.get(window);
    const ready = Array.isArray(items);
    if (known && !(known.dataset.waits && ready)) return known;
    known?.remove();
    const item = ready ? items[index % WINDOW] : undefined;
    const node = item ? message(item, (seq) => this.whole(seq, index)) : make("article.message", { "data-waits": ready ? null : "yes" }, ready ? "This message cannot be shown." : "…");
    if (!ready) {
      node.style.height = `${this.heights.each[index]}px`;
      this.load(window).then(() => this.draw(), () => {});
    }
    node.setAttribute("aria-posinset", index + 1);
    node.setAttribute("aria-setsize", this.seqs.length);
    node.classList.toggle("target", index === this.target);
    node.addEventListener("toggle", () => this.draw(), true);
    node.addEventListener("click", () => requestAnimationFrame(() => this.draw()));
    this.nodes.set(index, node);
    const after = [...this.nodes.keys()].filter((other) => other > index).sort((a, b) => a - b)[0];
    this.space.insertBefore(node, after === undefined ? null : this.nodes.get(after));
    return node;
  }

  async whole(seq, index) {
    const found = await get(`sessions/${this.id}/messages`, { around: seq, limit: 1 });
    const items = this.windows.get(Math.floor(index / WINDOW));
    if (Array.isArray(items)) items[index % WINDOW] = withTheirOwn(found)[0];
    this.nodes.get(index)?.remove();
    this.nodes.delete(index);
    this.draw();
  }
}

/** Each message with the calls, errors and compactions that lie before it and behind the one before, or that are its own. */
function withTheirOwn(found) {
  const items = found.items.map((item) => ({ ...item, calls: [], errors: [], compactions: [] }));
  const owner = (seq) => items.findLast((item) => item.seq <= seq) ?? items[0];
  const next = (seq) => items.find((item) => item.seq > seq) ?? items.at(-1);
  for (const call of found.tool_calls) {
    const own = items.find((item) => item.message_id !== null && item.message_id === call.message_id);
    (own ?? owner(call.called_seq ?? call.returned_seq))?.calls.push(call);
  }
  for (const error of found.errors) next(error.seq)?.errors.push(error);
  for (const each of found.compactions) next(each.seq)?.compactions.push(each);
  return items;
}

