// The list of sessions, by day, the latest first; rows change as they are told to.
import { addressOf } from "./address.js";
import { get } from "./api.js";
import { fill, make } from "./dom.js";

const PAGE = 100;

export class List {
  /** @param {(id: string) => void} open */
  constructor(element, totals, open) {
    this.element = element;
    this.totals = totals;
    this.open = open;
    this.items = new Map();
    this.filters = {};
    this.total = 0;
  }

  async load(filters = this.filters) {
    this.filters = filters;
    const page = await get("sessions", { ...filters, limit: PAGE });
    this.items = new Map(page.items.map((item) => [item.session_id, item]));
    this.next = page.next;
    this.total = page.total;
    this.draw();
    return page.items;
  }

  async more() {
    const page = await get("sessions", { ...this.filters, limit: PAGE, after: this.next });
    for (const item of page.items) this.items.set(item.session_id, item);
    this.next = page.next;
    this.draw();
  }

  /** A row as it is now. With filters the list is asked anew, since only the server knows what they let through. */
  told(item) {
    if (Object.values(this.filters).some(Boolean)) {
      clearTimeout(this.asking);
      this.asking = setTimeout(() => this.load().catch(() => {}), 300);
      return;
    }
    if (!this.items.has(item.session_id)) this.total += 1;
    this.items.set(item.session_id, item);
    this.soon();
  }

  gone(id) {
    if (this.items.delete(id)) this.total -= 1;
    this.soon();
  }

  soon() {
    this.due ??= requestAnimationFrame(() => {
      this.due = undefined;
      this.draw();
    });
  }

  current(id) {
    this.shown = id;
    this.draw();
  }

  draw() {
    const focused = document.activeElement?.closest?.(".session")?.dataset.id;
    const items = [...this.items.values()].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
    const rows = [];
    let day;
    for (const item of items) {
      const its = dayOf(item.updated_at);
      if (its !== day) rows.push(make("li", {}, make("h2", {}, (day = its))));
      rows.push(make("li", {}, this.row(item)));
    }
    if (this.next) rows.push(make("li", {}, make("button.more", { on: { click: () => this.more().catch(() => {}) } }, "More sessions")));
    if (!items.length) rows.push(make("li.empty", {}, "No sessions here."));
    fill(this.element, rows);
    fill(this.totals, `${this.total.toLocaleString()} session${this.total === 1 ? "" : "s"}`);
    if (focused) this.element.querySelector(`.session[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  row(item) {
    const time = new Date(item.updated_at).toLocaleTimeString(undefined, { timeStyle: "short" });
    const click = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(item.session_id);
    };
    return make("a.session", { href: addressOf(item.session_id), "data-id": item.session_id, "aria-current": item.session_id === this.shown && "true", on: { click } },
      make("b", {}, (item.pinned ? "📌 " : "") + (item.title ?? item.preview ?? item.session_id)),
      make("span.faint", {}, `${time} · ${item.messages.toLocaleString()} message${item.messages === 1 ? "" : "s"}`, item.errors ? ` · ${item.errors} errors` : null, " "),
      [item.kind, ...item.tags].filter(Boolean).slice(0, 4).map((text) => [make("span.badge", {}, String(text).slice(0, 40)), " "]));
  }
}

function dayOf(text) {
  const then = new Date(text);
  const today = new Date();
  const days = Math.round((new Date(today.toDateString()) - new Date(then.toDateString())) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return then.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}
