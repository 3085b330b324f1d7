// Whether the store is whole: every byte is looked at when one asks for it.
import { get } from "./api.js";
import { fill, make } from "./dom.js";
import { count } from "./text.js";

const MOST = 500;

/** @param {(id: string, seq?: number) => Promise<void>} open */
export function health(element, failed, open) {
  const ending = new AbortController();
  const body = make("div", { "aria-live": "polite" }, make("p.faint", {}, "Every event has a checksum. Checking reads the whole store, which takes a while where it is large."));
  const check = make("button.primary", { on: { click: () => load().catch(failed) } }, "Check every byte");
  fill(element, make("div.row", {}, make("h1", {}, "Health"), check), body);
  get("version", {}, ending.signal).then(({ version }) => element.append(make("p.faint", {}, `eventlog ${version}`)), failed);

  const link = (id) => make("button.quiet", { on: { click: () => open(id).catch(failed) } }, id || "the store");
  const table = (names, rows) => make("div.wide", {}, make("table", {}, make("thead", {}, make("tr", {}, names.map((name) => make("th", {}, name)))), make("tbody", {}, rows.slice(0, MOST).map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))));

  async function load() {
    check.disabled = true;
    fill(body, make("p", {}, "Checking…"));
    try {
      const found = await get("verify", {}, ending.signal);
      fill(body, make(`p.verdict${found.ok ? ".good" : ".bad"}`, {}, found.ok ? "Everything is whole." : `${count(found.problems.length, "problem")} found.`),
        make("p", {}, `${count(found.sessions, "session")}, ${count(found.segments, "segment")}, ${count(found.events, "event")}, ${count(found.bytes, "byte")}.`), make("p.faint", {}, `Digest of the content: ${found.digest}`),
        found.problems.length > 0 && [make("h2", {}, "Problems"), table(["Session", "What", "Where", "Details"], found.problems.map((each) => [link(each.session_id), each.kind, `${each.segment} ${each.offset.toLocaleString()}+${each.length.toLocaleString()}`, each.detail])),
          make("p", {}, "Nothing is lost by looking: `eventlog repair` says what can be done, and does it with --apply.")],
        found.lost.length > 0 && [make("h2", {}, "Known losses"), table(["Session", "What"], found.lost.map((each) => [link(each.session_id), JSON.stringify(each)]))],
        found.rewrites.length > 0 && [make("h2", {}, "Rewritten on purpose"), table(["Session", "Segment", "Why"], found.rewrites.map((each) => [link(each.session_id), each.segment, each.reason ?? ""]))]);
    } finally {
      check.disabled = false;
    }
  }

  return { destroy: () => ending.abort() };
}
