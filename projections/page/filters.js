// What the list is narrowed to: fields behind a button, and a pill for each that is set, which takes it away. They stand in the address.
import { refine, where } from "./address.js";
import { fill, make } from "./dom.js";

const WAIT_MS = 200;
const SORTS = ["updated", "started", "messages", "tokens", "cost", "size"];
const STATUSES = ["", "active", "completed", "failed", "abandoned"];
const FIELDS = [
  { name: "title", label: "Words of the title", type: "search", aria: "Only sessions with these words in the title" },
  { name: "kind", label: "Kind, such as voice", aria: "Only sessions of this kind" },
  { name: "tags", label: "Tag", aria: "Only sessions with this tag" },
  { name: "status", label: "Status", options: STATUSES },
  { name: "model", label: "Model" },
  { name: "user_id", label: "User" },
  { name: "project", label: "Project folder" },
  { name: "since", label: "Since (30d, 2026-11-30)" },
  { name: "until", label: "Until" },
  { name: "sort", label: "First the largest of", options: SORTS },
];
const ALWAYS = new Set(["title"]);

export class Filters {
  /** @param {(filters: Record<string, any>) => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.given = where().filters;
    this.kinds = make("datalist", { id: "kinds" });
    this.inputs = Object.fromEntries(FIELDS.map((field) => [field.name, this.input(field)]));
    this.pills = make("div.row.pills");
    const more = FIELDS.filter(({ name }) => !ALWAYS.has(name)).map(({ name, label }) => make("label", {}, make("span.faint", {}, label), this.inputs[name]));
    this.element = make("div.filters", {}, this.inputs.title, make("details", {}, make("summary", {}, "Filter and sort"), make("div.fields", {}, more), this.kinds), this.pills);
    this.draw();
  }

  input({ name, label, type = "text", aria, options }) {
    const about = { name, "aria-label": aria ?? label };
    const input = options
      ? make("select", about, options.map((each) => make("option", { value: each }, each || "any")))
      : make("input", { ...about, type, placeholder: label, autocomplete: "off", list: name === "kind" ? "kinds" : null });
    input.addEventListener(options ? "change" : "input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.set(name, input.value.trim()), options ? 0 : WAIT_MS);
    });
    return input;
  }

  set(name, value) {
    this.given = { ...this.given, [name]: name === "tags" ? value.split(/[\s,]+/).filter(Boolean) : value };
    refine(this.given);
    this.draw();
    this.changed(this.given);
  }

  /** What the address says. */
  take() {
    const { filters } = where();
    if (JSON.stringify(filters) === JSON.stringify(this.given)) return;
    this.given = filters;
    this.draw();
    this.changed(filters);
  }

  draw() {
    const shown = (value) => (Array.isArray(value) ? value.join(" ") : value ?? "");
    for (const [name, input] of Object.entries(this.inputs)) {
      const text = shown(this.given[name]) || (name === "sort" ? "updated" : "");
      if (document.activeElement !== input && input.value !== text) input.value = text;
    }
    const set = Object.entries(this.given).filter(([name, value]) => !ALWAYS.has(name) && shown(value) && !(name === "sort" && value === "updated"));
    fill(this.pills, set.map(([name, value]) => make("button.badge", { title: "Take this filter away", "aria-label": `Take away ${name} ${shown(value)}`, on: { click: () => this.set(name, "") } }, `${name.replace("_id", "")}: ${shown(value)} ×`)));
  }

  /** Kinds that have been seen, to choose from. */
  offer(kinds) {
    fill(this.kinds, [...new Set(["chat", "voice", "agent", ...kinds])].filter(Boolean).slice(0, 50).map((kind) => make("option", { value: kind })));
  }
}
