// A session's messages, however many: its outline says which there are, windows of them are fetched when they come into sight.
import { get, getText, session } from "./api.js";
import { calling } from "./call.js";
import { fill, make } from "./dom.js";
import { message } from "./message.js";
import { Virtual } from "./virtual.js";

const WINDOW = 100;
const MOST_WINDOWS = 40;
const MOST_CHARACTERS = 20_000;
const INSIDE = 50; // messages of a subagent that are shown in its parent

const estimate = (chars) => 62 + Math.ceil(Math.min(chars, 8_000) / 90) * 22;

/** A transcript in `scroller`. `seen(seq)` is told which message is at the top, `news(count)` how many came while the end was not followed. */
export class Transcript {
  constructor(scroller, { seen, news, drawn = () => {}, fork, open, failed }) {
    Object.assign(this, { scroller, seen, news, fork, opening: open, failed });
    this.missed = 0;
    this.ending = new AbortController();
    this.children = [];
    this.unfolded = { thinking: false, tools: false };
    this.list = new Virtual(scroller, {
      role: "feed",
      label: "Messages",
      node: (index) => this.node(index),
      drawn: () => {
        this.seen(this.seqs[this.list.top]);
        drawn();
      },
      scrolled: () => this.list.following && this.news((this.missed = 0)),
    });
  }

  destroy() {
    this.ending.abort();
    this.list.destroy();
    this.ended = true;
  }

  get top() {
    return this.list.top;
  }

  /** Show a session, at the message of `seq` or at the end. */
  async open(id, seq) {
    this.id = id;
    const children = get(session(id, "/children"), { limit: 1_000 }, this.ending.signal).catch(() => ({ items: [] }));
    await this.outline();
    this.children = (await children).items;
    if (this.ended) return undefined;
    if (!this.seqs.length) return this.nothingSaid();
    return seq === undefined ? this.end() : this.jump(seq);
  }

  /** Which messages there are. The windows are fetched anew, the place stays. */
  async outline() {
    const found = await get(session(this.id, "/outline"), { retracted: true }, this.ending.signal);
    this.rows = found.items;
    this.flags = found.flags_of;
    const rows = this.rows.filter(([, kind]) => kind !== "error" && kind !== "compaction");
    this.seqs = rows.map(([at]) => at);
    this.windows = new Map();
    this.list.reset(rows.map(([, , chars]) => estimate(chars)));
  }

  async nothingSaid() {
    const found = await get(session(this.id, "/messages"), { max_chars: MOST_CHARACTERS }, this.ending.signal);
    if (this.ended || this.seqs.length) return;
    const errors = found.errors.map((each) => make("div.note.bad", {}, `Error: ${each.message}`));
    fill(this.list.space, make("p.empty", {}, "Nothing has been said in this session yet."), errors, found.tool_calls.map((call) => calling(call)));
    this.list.space.style.height = "auto";
  }

  async end() {
    await this.load(Math.floor((this.seqs.length - 1) / WINDOW));
    if (!this.ended) this.follow();
  }

  /** Put the message of this seq on top, or that to which what stands at the seq belongs. */
  async jump(seq, mark = true, focus = true) {
    let index = this.indexOf(seq);
    const window = Math.floor(index / WINDOW);
    const items = await this.load(window);
    if (this.ended) return;
    if (this.seqs[index] !== seq) {
      const own = [...items.values()].find((item) => item.calls.some((call) => call.called_seq === seq || call.returned_seq === seq) || [...item.errors, ...item.compactions].some((each) => each.seq === seq));
      if (own) index = this.seqs.indexOf(own.seq);
    }
    const former = this.target;
    this.target = mark ? index : undefined;
    this.list.jump(index);
    for (const [at, node] of this.list.nodes) node.classList.toggle("target", at === this.target);
    const node = this.list.nodes.get(index);
    if (mark && former !== index) node?.querySelectorAll(`[data-called="${seq}"], [data-returned="${seq}"]`).forEach((call) => (call.open = true));
    if (focus) node?.focus({ preventScroll: true });
  }

  /** The last message that does not stand behind the seq. */
  indexOf(seq) {
    let low = 0;
    let high = this.seqs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.seqs[middle] > seq) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  /** The seq of the next message for which `test(kind, flags)` holds, in this direction; of errors, too. */
  next(step, test) {
    const here = this.seqs[this.top];
    const rows = step > 0 ? this.rows : [...this.rows].reverse();
    return rows.find(([seq, kind, , flags]) => (seq - here) * step > 0 && test(kind, flags))?.[0];
  }

  async load(window) {
    const known = this.windows.get(window);
    if (known !== undefined) {
      this.windows.delete(window); // what was used last is kept longest
      this.windows.set(window, known);
      return known;
    }
    const loading = this.fetch(window * WINDOW, WINDOW + 1).then((found) => {
      const items = this.taken(found);
      if (this.windows.get(window) === loading) this.windows.set(window, items);
      return items;
    });
    this.windows.set(window, loading);
    loading.catch(() => this.windows.get(window) === loading && this.windows.delete(window));
    while (this.windows.size > MOST_WINDOWS) this.windows.delete(this.windows.keys().next().value);
    return loading;
  }

  fetch(first, limit) {
    return get(session(this.id, "/messages"), { after: this.seqs[first] - 1, limit, max_chars: MOST_CHARACTERS, retracted: true }, this.ending.signal);
  }

  /** By seq: a window's messages, each with what is its own. One more was fetched, which says when the next one was. */
  taken(found) {
    return new Map(withTheirOwn(found, this.children).slice(0, WINDOW).map((item) => [item.seq, item]));
  }

  node(index) {
    const window = Math.floor(index / WINDOW);
    const items = this.windows.get(window);
    if (!(items instanceof Map)) {
      this.load(window).then(() => this.ended || this.list.renew((at, node) => node.dataset.waits && Math.floor(at / WINDOW) === window), () => {});
      return make("article.message", { "data-waits": "yes" }, "…");
    }
    const item = items.get(this.seqs[index]);
    if (!item) return make("article.message.damaged", {}, `Message ${this.seqs[index]} cannot be read: what is stored of it is damaged. The screen Health says where.`);
    const node = message(item, {
      id: this.id,
      ...this.unfolded,
      whole: (seq, called) => this.whole(seq, window, called).catch(this.failed),
      stored: (seq) => getText(session(this.id, "/events"), { after: seq - 1, before: seq + 1 }),
      fork: this.fork,
      open: this.opening,
      inside: async (id) => withTheirOwn(await get(session(id, "/messages"), { limit: INSIDE, max_chars: MOST_CHARACTERS }), []),
    });
    node.classList.toggle("target", index === this.target);
    return node;
  }

  /** All of a message that was cut, or of a call of it. */
  async whole(seq, window, called) {
    const found = await get(session(this.id, "/messages"), { around: seq, limit: 1, retracted: true }, this.ending.signal);
    const items = this.windows.get(window);
    if (items instanceof Map) items.set(seq, withTheirOwn(found, this.children)[0]);
    this.list.renew((at) => this.seqs[at] === seq);
    const call = called && this.list.space.querySelector(`[data-called="${called}"]`);
    if (!call) return;
    call.open = true;
    call.querySelector("button.all")?.click();
  }

  /** Thinking or tool calls of all messages, folded or not. */
  fold(what) {
    this.unfolded[what] = !this.unfolded[what];
    this.list.renew();
  }

  /** A session that comes from this one. */
  child(item) {
    this.children = [...this.children.filter((each) => each.session_id !== item.session_id), item];
    this.refresh().catch(this.failed);
  }

  // --- live ---

  /** Something was stored: the last messages anew, and those behind them; and earlier ones that it is about. */
  async told(event) {
    if (event.type.startsWith("history.")) return this.anew();
    const { message_id, call_id } = event.data ?? {};
    const last = Math.floor((this.seqs.length - 1) / WINDOW);
    for (const [window, items] of this.windows) {
      if (window === last || !(items instanceof Map)) continue;
      if ([...items.values()].some((item) => (message_id && item.message_id === message_id) || (call_id && item.calls.some((call) => call.call_id === call_id)))) {
        const found = await this.fetch(window * WINDOW, WINDOW + 1);
        if (this.windows.get(window) === items) this.take(window, this.taken(found));
      }
    }
    return this.refresh();
  }

  /** These are the messages of a window now. What is in sight is made anew only where it has changed: who has unfolded it still reads it. */
  take(window, items) {
    const former = this.windows.get(window);
    this.windows.set(window, items);
    const isSame = (seq) => former instanceof Map && JSON.stringify(former.get(seq)) === JSON.stringify(items.get(seq));
    this.list.renew((at) => Math.floor(at / WINDOW) === window && !isSame(this.seqs[at]));
  }

  async anew() {
    await this.outline();
    if (this.ended) return undefined;
    if (!this.seqs.length) return this.nothingSaid();
    return this.list.draw();
  }

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
    if (!this.seqs.length) return this.open(this.id);
    const window = Math.floor((this.seqs.length - 1) / WINDOW);
    const first = window * WINDOW;
    const found = await this.fetch(first, 500);
    if (this.ended || this.seqs.length <= first) return undefined;
    const items = withTheirOwn(found, this.children);
    const former = this.seqs.slice(first);
    const same = former.findIndex((seq, at) => seq !== items[at]?.seq);
    const kept = same < 0 ? former.length : same;
    const added = items.filter((item) => item.seq > former.at(-1)).length;
    this.seqs.splice(first + kept, Infinity, ...items.slice(kept).map((item) => item.seq));
    this.rows = [...this.rows.filter(([seq]) => seq < items[0]?.seq), ...rowsOf(items, found, this.flags)];
    this.list.replace(first + kept, items.slice(kept).map((item) => estimate(JSON.stringify(item.parts).length)));
    for (let at = 0; at < items.length; at += WINDOW) this.take(window + at / WINDOW, new Map(items.slice(at, at + WINDOW).map((item) => [item.seq, item])));
    if (!this.list.following && added) this.news((this.missed += added));
    return found.next === null ? undefined : this.fetchNews();
  }

  follow() {
    this.news((this.missed = 0));
    this.list.follow();
  }
}

/** What the outline would say of these. */
function rowsOf(items, found, flags) {
  const messages = items.map((item) => [item.seq, item.role, 0, item.calls.some((call) => call.is_error) ? flags.failed : 0]);
  return [...messages, ...found.errors.map((each) => [each.seq, "error", 0, 0]), ...found.compactions.map((each) => [each.seq, "compaction", 0, 0])].sort((a, b) => a[0] - b[0]);
}

/** Each message with the calls, errors and compactions that lie before it and behind the one before, or that are its own; and its subagents. */
function withTheirOwn(found, children) {
  const items = found.items.map((item) => ({ ...item, calls: [], errors: [], compactions: [], children: [] }));
  const owner = (seq) => items.findLast((item) => item.seq <= seq) ?? items[0];
  const next = (seq) => items.find((item) => item.seq > seq) ?? items.at(-1);
  const byId = new Map(items.filter((item) => item.message_id !== null).map((item) => [item.message_id, item]));
  for (const call of found.tool_calls) (byId.get(call.message_id) ?? owner(call.called_seq ?? call.returned_seq))?.calls.push(call);
  for (const error of found.errors) next(error.seq)?.errors.push(error);
  for (const each of found.compactions) next(each.seq)?.compactions.push(each);
  for (const child of children) placeOf(child, items, found)?.children.push(child);
  return items;
}

/** Where a session began: at the event that it names, else by its time. */
function placeOf(child, items, found) {
  const at = child.parent?.seq;
  if (typeof at === "number") return at >= items[0]?.seq && (found.next === null || at < items.at(-1).seq) ? items.findLast((item) => item.seq <= at) : undefined;
  if (found.previous === null && child.started_at < items[0]?.time) return items[0];
  if (found.next !== null && child.started_at >= items.at(-1).time) return undefined; // it is in the next window
  return items.findLast((item) => item.time <= child.started_at);
}
