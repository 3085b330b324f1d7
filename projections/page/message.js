// One message as nodes: who, when, its parts; the errors and compactions that stand before it.
import { make } from "./dom.js";

const MOST_LINES = 40;
const MOST_CHARACTERS = 20_000;
const MOST_IN_A_LINE = 5_000;

const time = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
const asText = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** @param {any} item a message of a window, with `calls`, `errors` and `compactions`  @param {(seq: number) => void} whole fetches all of it */
export function message(item, whole) {
  const shown = make(`article.message.${/^[a-z]+$/.test(item.role) ? item.role : "other"}`, { tabindex: "-1", "data-seq": item.seq });
  for (const each of item.compactions) shown.append(make("div.note", {}, `Context compacted: ${each.summary ?? ""}`));
  for (const each of item.errors) shown.append(make("div.note.bad", {}, `Error: ${each.message}`));
  shown.append(make("header", {},
    make("b", {}, item.role), make("time", { datetime: item.time }, time(item.time)), item.model && make("span", {}, item.model),
    item.retracted && make("span.badge", {}, "taken back"), item.partial && make("span.badge", {}, "not finished"),
    make("a.faint", { href: `${location.pathname}#seq=${item.seq}`, "aria-label": `Link to message ${item.seq}` }, `#${item.seq}`)));
  for (const part of item.parts) shown.append(one(part, item));
  const said = new Set(item.parts.filter((part) => part.type === "tool_call").map((part) => part.id));
  for (const call of item.calls) if (!said.has(call.call_id)) shown.append(calling(call));
  if (item.truncated) shown.append(make("button", { on: { click: () => whole(item.seq) } }, "Show all of it"));
  return shown;
}

function one(part, item) {
  if (part.type === "text") return make("div", {}, text(asText(part.content)));
  if (part.type === "reasoning") {
    const content = asText(part.content);
    return make("details", {}, make("summary", {}, content ? "Thinking" : "Thinking (not recorded)"), content && make("div.text", {}, content));
  }
  if (part.type === "tool_call") return calling(item.calls.find((call) => call.call_id === part.id) ?? { ...part, call_id: part.id });
  if (part.type === "tool_call_response") return folded("Result", asText(part.response));
  return make("div.note", {}, `[${part.type}] ${asText(part.uri ?? part.file_id ?? part.mime_type)}`);
}

function calling(call) {
  const given = asText(call.arguments);
  const result = asText(call.display ?? call.output);
  const open = call.returned_seq === null || call.returned_seq === undefined;
  const state = call.is_error ? "failed" : open ? "no result yet" : call.duration_ms != null ? `${Math.round(call.duration_ms)} ms` : "";
  return make(`details.call${call.is_error ? ".failed" : ""}`, {},
    make("summary", {}, `${call.name ?? "tool"} ${given.replace(/\s+/g, " ").slice(0, 100)} ${state}`),
    given && make("pre", {}, broken(given.slice(0, MOST_CHARACTERS))), !open && folded("Result", result));
}

/** Text with its fenced code as blocks; very long ones are folded. */
function text(content) {
  if (content.length > MOST_CHARACTERS || content.split("\n", 400).length >= 400) return folded(null, content);
  return content.split(/^```/m).map((piece, number) => (number % 2 ? make("pre", {}, piece.replace(/^[^\n]*\n/, "")) : piece.trim() && make("div.text", {}, broken(piece.trim()))));
}

/** Long text: its first lines, and a way to all of it. */
function folded(title, content) {
  const lines = content.split("\n");
  const short = lines.slice(0, MOST_LINES).join("\n").slice(0, MOST_CHARACTERS);
  const block = make("pre", {}, broken(short));
  const cut = short.length < content.length;
  const all = () => block.replaceChildren(broken(content));
  return make("div", {}, title && make("span.faint", {}, title), block,
    cut && make("button", { on: { click: (event) => { all(); event.target.remove(); } } }, `All ${lines.length.toLocaleString()} lines`));
}

/** A line of a megabyte is cut before it is laid out. */
const broken = (content) => content.replace(new RegExp(`[^\\n]{${MOST_IN_A_LINE}}(?=[^\\n])`, "g"), "$&\n");
