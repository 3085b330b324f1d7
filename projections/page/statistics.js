// The dashboard. The pictures are drawn by the server, and shown as images: nothing in them can run.
import { get, getBlob, getText, ZONE } from "./api.js";
import { download } from "./dialogs.js";
import { fill, make } from "./dom.js";
import { asText, count, duration, money } from "./text.js";

const PICTURES = {
  days: ["Messages by day", "by_day"], hours: ["Messages by hour", "by_hour"], weekdays: ["Messages by weekday", "by_weekday"], tokens: ["Tokens by day", "by_day"], costs: ["Cost by day", "by_day"],
  tools: ["Tools", "by_tool"], models: ["Models", "by_model"], projects: ["Projects", "by_project"], users: ["Users", "by_user"],
};
const SPANS = [["", "all time"], ["365d", "the last year"], ["90d", "the last 90 days"], ["30d", "the last 30 days"], ["7d", "the last 7 days"]];
const MOST_ROWS = 400;

export function statistics(element, failed) {
  const ending = new AbortController();
  const body = make("div");
  const since = make("select", { "aria-label": "Of when" }, SPANS.map(([value, text]) => make("option", { value }, text)));
  const project = make("input", { placeholder: "Project folder", "aria-label": "Only in this project folder" });
  const user = make("input", { placeholder: "User", "aria-label": "Only of this user" });
  const sheet = make("button", { on: { click: () => save("picture", "all", "svg").catch(failed) } }, "Save all as SVG");
  fill(element, make("div.row", {}, make("h1", {}, "Statistics"), since, project, user, sheet), body);

  const scope = () => ({ since: since.value, project: project.value.trim(), user: user.value.trim(), zone: ZONE });
  const save = async (what, of, suffix) => download(`statistics-${of}.${suffix}`, await getBlob(`statistics/${what}`, { ...scope(), of }));

  async function load() {
    const asked = scope();
    const found = await get("statistics", asked, ending.signal);
    const pictures = await Promise.all(Object.keys(PICTURES).map((of) => getText("statistics/picture", { ...asked, of }, ending.signal)));
    const { usage } = found;
    const facts = [
      ["Sessions", found.sessions.total.toLocaleString(), `${found.sessions.today.toLocaleString()} today, ${found.sessions.this_week.toLocaleString()} this week`],
      ["Messages", Object.values(found.messages).reduce((sum, each) => sum + each, 0).toLocaleString(), Object.entries(found.messages).slice(0, 4).map(([role, number]) => `${number.toLocaleString()} ${role}`).join(", ")],
      ["Tool calls", found.tool_calls.toLocaleString(), `${count(found.tools_used.length, "tool")}, ${duration(found.total_duration_ms)}`],
      ["Errors", found.errors.toLocaleString(), "logged"],
      ["Tokens", (usage.input_tokens + usage.output_tokens).toLocaleString(), `${usage.input_tokens.toLocaleString()} in, ${usage.output_tokens.toLocaleString()} out; cache ${usage.cache_read_tokens.toLocaleString()} read`],
      ["Cost", usage.cost ? money(usage.cost) : "none known", [...found.other_costs.map(money), found.unknown_models.length > 0 && `no price for ${found.unknown_models.slice(0, 3).join(", ")}`].filter(Boolean).join("; ")],
    ];
    fill(body, make("div.tiles", {}, facts.map(([name, value, more]) => make("div.tile", {}, make("span.faint", {}, name), make("b", {}, value), make("span.faint", {}, more)))),
      make("p.faint", {}, `Days and hours are those of ${found.zone}.`),
      make("div.pictures", {}, Object.entries(PICTURES).map(([of, [title, rows]], number) => make("figure", {},
        make("img", { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(pictures[number])}`, alt: `${title}; the table below has the numbers` }),
        make("figcaption", {}, make("details", {}, make("summary", {}, `${title} as a table`), table(found[rows])), make("button", { on: { click: () => save("table", of, "csv").catch(failed) } }, "Save as CSV"))))));
  }

  for (const input of [since, project, user]) input.addEventListener("change", () => load().catch(failed));
  load().catch(failed);
  return { destroy: () => ending.abort() };
}

function table(given) {
  const rows = given.map((row, at) => (typeof row === "number" ? { at, messages: row } : { ...row, cost: row.cost ? money(row.cost) : null })).slice(-MOST_ROWS);
  if (!rows.length) return make("p.faint", {}, "Nothing.");
  const names = Object.keys(rows[0]).filter((name) => rows.some((row) => row[name] !== null && row[name] !== 0));
  const cell = (value) => (typeof value === "number" ? Number(value.toFixed(3)).toLocaleString() : asText(value));
  return make("div.wide", {}, make("table", {}, make("thead", {}, make("tr", {}, names.map((name) => make("th", {}, name.replaceAll("_", " "))))),
    make("tbody", {}, rows.map((row) => make("tr", {}, names.map((name) => make("td", {}, cell(row[name]))))))));
}
