// The list of sessions, by day, the latest first; rows change as they are told to, and what one looks at stays where it is.
import { addressOf } from "./address.js";
import { get, ZONE } from "./api.js";
import { fill, make } from "./dom.js";
import { count, money, nameOf } from "./text.js";
import { Virtual } from "./virtual.js";

const PAGE = 100;
const ROW_PX = 68;
const DAY_PX = 30;
const AGAIN_MS = 300;
const TOTALS_MS = 3_000;
const LIVE_MS = 15_000;
const BY = {
  updated: (item) => item.updated_at, started: (item) => item.started_at, messages: (item) => item.messages, tokens: (item) => item.input_tokens + item.output_tokens,
  cost: (item) => item.cost?.amount ?? -1, size: (item) => item.size_bytes,
};

export class List {
  /** @param {{ open: (id: string) => void, remove: (item: any) => void, chosen: () => void, failed: (error: Error) => void }} given */
  constructor(scroller, totals, pill, given) {
    Object.assign(this, { totals, pill, ...given });
    this.items = new Map();
    this.since = new Map(); // what was told while the list was being asked
    this.filters = {};
    this.total = 0;
    this.told_at = new Map();
    this.selected = new Set();
    this.rows = [];
    this.unseen = new Set();
    this.list = new Virtual(scroller, { role: "list", label: "Sessions", follows: false, node: (index) => this.node(index), drawn: () => this.drawn() });
    pill.addEventListener("click", () => {
      this.list.jump(0);
      this.news();
    });
  }

  async load(filters = this.filters) {
    this.filters = filters;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.since.clear();
    const page = await get("sessions", { ...filters, limit: PAGE, zone: ZONE }, asking.signal);
    this.items = new Map(page.items.map((item) => [item.session_id, item]));
    this.next = page.next;
    this.total = page.total;
    for (const [id, item] of this.since) this.take(id, item);
    this.draw();
    this.countAll();
    return page.items;
  }

  async more() {
    if (this.fetching || !this.next) return;
    this.fetching = true;
    try {
      const { asking } = this;
      const page = await get("sessions", { ...this.filters, limit: PAGE, after: this.next, zone: ZONE }, asking.signal);
      if (asking !== this.asking) return;
      for (const item of page.items) if (!this.items.has(item.session_id)) this.items.set(item.session_id, item);
      this.next = page.next;
      this.draw();
    } finally {
      this.fetching = false;
    }
  }

  get isFiltered() {
    return Object.entries(this.filters).some(([name, value]) => name !== "sort" && value && String(value));
  }

  /** A row as it is now, undefined where it is gone. With filters the list is asked anew, since only the server knows what they let through. */
  told(id, item) {
    this.told_at.set(id, Date.now());
    if (this.isFiltered) {
      clearTimeout(this.again);
      this.again = setTimeout(() => this.load().catch(this.failed), AGAIN_MS);
      return;
    }
    this.since.set(id, item);
    if (item && !this.items.has(id) && this.list.top > 0) this.unseen.add(id);
    this.take(id, item);
    this.countAll();
    this.due ??= requestAnimationFrame(() => {
      this.due = undefined;
      this.draw();
    });
  }

  take(id, item) {
    this.total += Number(item !== undefined && !this.items.has(id)) - Number(item === undefined && this.items.has(id));
    if (item === undefined) this.items.delete(id);
    else this.items.set(id, item);
  }

  current(id) {
    this.shown = id;
    this.list.renew();
  }

  /** How many there are in all, today and this week; a moment later, for all that was told until then. */
  countAll() {
    this.say();
    this.counting ??= setTimeout(async () => {
      try {
        this.numbers = (await get("statistics", { zone: ZONE })).sessions;
      } catch {
        // they are told with the next change
      }
      this.counting = undefined;
      this.say();
    }, this.numbers ? TOTALS_MS : 0);
  }

  say() {
    const { today, this_week } = this.numbers ?? {};
    fill(this.totals, this.isFiltered ? `${count(this.total, "session")} of these` : count(this.total, "session"), this.numbers && ` · ${today.toLocaleString()} today · ${this_week.toLocaleString()} this week`);
  }

  draw() {
    const by = BY[this.filters.sort] ?? BY.updated;
    const items = [...this.items.values()].sort((a, b) => (by(a) < by(b) ? 1 : by(a) > by(b) ? -1 : 0));
    const dated = [BY.updated, BY.started].includes(by);
    const rows = [];
    let day;
    for (const item of items) {
      const its = dated ? dayOf(by(item)) : undefined;
      if (its !== day) rows.push({ day: (day = its) });
      rows.push({ item });
    }
    const { anchor } = this.list;
    const held = this.rows[anchor?.index]?.item?.session_id;
    this.rows = rows;
    this.list.reset(rows.map((row) => (row.item ? ROW_PX : DAY_PX)));
    const index = held === undefined || (anchor.index <= 1 && anchor.within < ROW_PX) ? -1 : rows.findIndex((row) => row.item?.session_id === held);
    if (index >= 0) this.list.anchor = { index, within: anchor.within };
    if (!rows.length) {
      fill(this.list.space, make("p.empty", {}, this.isFiltered ? "No session is like that." : "There are no sessions yet."));
      this.list.space.style.height = "auto";
      return;
    }
    if (!this.list.nodes.size) fill(this.list.space);
    this.list.renew();
  }

  drawn() {
    if (this.list.top === 0) this.unseen.clear();
    this.news();
    if (this.next && Math.max(...this.list.nodes.keys()) >= this.rows.length - 10) this.more().catch(this.failed);
  }

  news() {
    this.pill.hidden = !this.unseen.size;
    this.pill.textContent = `${this.unseen.size} new`;
  }

  select(on) {
    this.selecting = on;
    this.selected.clear();
    this.list.renew();
    this.chosen();
  }

  node(index) {
    const { day, item } = this.rows[index];
    if (!item) return make("div.day", { role: "listitem" }, make("h2", {}, day));
    const id = item.session_id;
    const click = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(id);
    };
    const choose = (event) => {
      if (event.target.checked) this.selected.add(id);
      else this.selected.delete(id);
      this.chosen();
    };
    return make("div.session-row", { role: "listitem" },
      this.selecting && make("input", { type: "checkbox", "aria-label": `Choose ${nameOf(item)}`, checked: this.selected.has(id), on: { change: choose } }),
      make("a.session", { href: addressOf({ id }), "data-id": id, "data-key": id, "aria-current": id === this.shown && "true", on: { click } },
        make("b", {}, item.pinned && make("span", { "aria-label": "pinned" }, "📌 "), nameOf(item).slice(0, 300)), facts(item, Date.now() - (this.told_at.get(id) ?? 0) < LIVE_MS)),
      !this.selecting && make("button.quiet", { "aria-label": `Delete ${nameOf(item).slice(0, 100)}`, title: "Delete", on: { click: () => this.remove(item) } }, "×"));
  }
}

function facts(item, isLive) {
  const tokens = item.input_tokens + item.output_tokens;
  const said = [item.session_id.slice(-6), timeOf(item.updated_at), count(item.messages, "message"), tokens && `${brief(tokens)} tokens`, item.cost && money(item.cost), item.errors && count(item.errors, "error"), folder(item.project)].filter(Boolean);
  const kinds = [item.parent?.relation, item.kind].filter(Boolean);
  const badges = [...kinds, item.status !== "active" && item.status, ...item.tags].filter(Boolean).slice(0, 5);
  return [make("span.faint", {}, isLive && make("span.live", { title: "Something happened just now" }, "● "), said.join(" · ")), badges.length > 0 && make("span.badges", {}, badges.map((text, at) => make(at < kinds.length ? "span.badge.kind" : "span.badge", {}, String(text).slice(0, 30))))];
}

const brief = (number) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);
const folder = (path) => path?.split("/").filter(Boolean).at(-1)?.slice(0, 30);
const timeOf = (text) => (dayOf(text) === "Today" ? new Date(text).toLocaleTimeString(undefined, { timeStyle: "short" }) : new Date(text).toLocaleDateString(undefined, { day: "numeric", month: "short" }));

function dayOf(text) {
  const then = new Date(text);
  const days = Math.round((new Date(new Date().toDateString()) - new Date(then.toDateString())) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? then.toLocaleDateString(undefined, { weekday: "long" }) : then.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}
