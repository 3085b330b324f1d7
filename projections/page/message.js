// One message as nodes: who, when, its parts, the calls that it made; the errors and compactions that stand before it, and its subagents.
import { addressOf } from "./address.js";
import { calling } from "./call.js";
import { copy } from "./dialogs.js";
import { make } from "./dom.js";
import { markdown } from "./markdown.js";
import { asText, count, folded, nameOf, plain, when } from "./text.js";

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const AS_MARKDOWN = new Set(["assistant", "system", "model"]);

/**
 * @typedef {{ id: string, thinking?: boolean, tools?: boolean, whole?: (seq: number, called?: number) => void, stored: (seq: number) => Promise<string>,
 *   fork?: (seq: number) => void, open: (id: string) => void, inside: (id: string) => Promise<any[]> }} Doing what can be done with a message,
 *   and whether thinking and tool calls are unfolded
 * @param {any} item a message of a window, with `calls`, `errors`, `compactions` and `children`  @param {Doing} doing
 */
export function message(item, doing) {
  const role = /^[a-z]+$/.test(item.role) ? item.role : "other";
  const shown = make(`article.message.${role}${item.retracted ? ".retracted" : ""}`, { tabindex: "-1", "data-seq": item.seq, "data-key": item.seq, "aria-label": `${item.role}, message ${item.seq}` });
  shown.append(...item.compactions.map(compaction), ...item.errors.map(error), header(item, doing));
  const content = make("div.content", {}, item.parts.map((part) => one(part, item, doing)));
  shown.append(item.retracted ? make("details", {}, make("summary", {}, "What was taken back"), content) : content);
  const said = new Set(item.parts.filter((part) => part.type === "tool_call").map((part) => part.id));
  for (const call of item.calls) if (!said.has(call.call_id)) shown.append(used(call, item, doing));
  for (const child of item.children ?? []) shown.append(subagent(child, doing));
  if (item.truncated && doing.whole) shown.append(make("button", { on: { click: () => doing.whole(item.seq) } }, "Show all of it"));
  return shown;
}

function header(item, doing) {
  const badges = [item.retracted && "taken back", item.partial && "being written", item.interrupted && "interrupted", item.alternative_to && "alternative",
    item.exclude_from_context && "not sent to the model", item.finish_reason === "length" && "cut by its limit"].filter(Boolean);
  const more = make("button.quiet", { "aria-label": "What can be done with this message", "aria-expanded": "false", on: { click: () => actions(more, item, doing) } }, "⋯");
  return make("header", {}, make("b", {}, item.role), make("time", { datetime: item.time }, when(item.time)), item.model && make("span", {}, item.model),
    badges.map((text) => make("span.badge", {}, text)), item.amended && original(item, doing),
    make("a.faint", { href: addressOf({ id: doing.id, seq: item.seq }), "aria-label": `Link to message ${item.seq}` }, `#${item.seq}`), more);
}

function actions(button, item, doing) {
  const head = button.parentElement;
  const there = head.nextElementSibling;
  const shown = there?.classList.contains("actions");
  button.setAttribute("aria-expanded", String(!shown));
  if (shown) {
    there.remove();
    return;
  }
  const text = item.parts.map((part) => asText(part.content ?? part.arguments ?? part.response)).filter(Boolean).join("\n\n");
  const stored = async (event) => {
    event.target.disabled = true;
    bar.append(make("pre", {}, await doing.stored(item.seq)));
  };
  const bar = make("div.row.actions", {}, make("button", { on: { click: () => copy(text) } }, "Copy"),
    make("button", { on: { click: () => copy(new URL(addressOf({ id: doing.id, seq: item.seq }), location.href).href) } }, "Copy link"),
    doing.fork && make("button", { on: { click: () => doing.fork(item.seq) } }, "Fork here"), make("button", { on: { click: stored } }, "Stored line"));
  head.after(bar);
}

/** A correction, with a way to what was said first: the event at the message's seq is never changed. */
function original(item, doing) {
  const show = async (event) => {
    event.target.disabled = true;
    const line = JSON.parse(await doing.stored(item.seq));
    const parts = typeof line.data.content === "string" ? [{ content: line.data.content }] : line.data.content ?? [];
    event.target.closest(".message").append(make("div.note", {}, make("span.faint", {}, "First it was:"), parts.map((part) => plain(asText(part.content ?? part)))));
  };
  return make("button.badge", { title: "Show what it was first", on: { click: show } }, "amended");
}

function compaction(each) {
  const tokens = each.tokens_before !== null && each.tokens_after !== null ? ` from ${each.tokens_before.toLocaleString()} to ${count(each.tokens_after, "token")}` : "";
  return make("details.compaction", {}, make("summary", {}, `Context compacted${tokens}`), each.summary ? markdown(each.summary) : "Without a summary.");
}

const error = (each) => make("div.note.bad", { "data-error": each.seq }, `Error${each.kind ? ` (${each.kind})` : ""}: ${each.message.slice(0, 2_000)}`, each.details && folded(null, asText(each.details)));

function one(part, item, doing) {
  switch (part.type) {
    case "text":
      return AS_MARKDOWN.has(item.role) ? markdown(asText(part.content)) : plain(asText(part.content));
    case "reasoning": {
      const content = asText(part.content);
      return make("details.thinking", { open: doing.thinking }, make("summary", {}, content ? "Thinking" : "Thinking (not recorded)"), content && plain(content));
    }
    case "tool_call":
      return used(item.calls.find((call) => call.call_id === part.id) ?? { ...part, call_id: part.id }, item, doing);
    case "tool_call_response":
      return folded("Result", asText(part.response));
    case "blob":
      return blob(part);
    default:
      return make("div.note", {}, `[${part.type}] ${asText(part.uri ?? part.file_id ?? part.mime_type ?? part.content).slice(0, 2_000)}`);
  }
}

const used = (call, item, doing) => calling(call, doing.tools, doing.whole && (() => doing.whole(item.seq, call.called_seq)));

/** An image is shown by a click; nothing else becomes more than its name. */
function blob(part) {
  const kind = asText(part.mime_type) || "data";
  const data = typeof part.content === "string" ? part.content.replace(/\s+/g, "") : "";
  const said = `${kind}, ${Math.ceil((data.length * 3) / 4 / 1024).toLocaleString()} KiB`;
  if (!IMAGES.has(kind) || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) return make("div.note", {}, `[${said}]`);
  const show = (event) => event.target.replaceWith(make("img", { src: `data:${kind};base64,${data}`, alt: `An image that was recorded (${said})` }));
  return make("button", { on: { click: show } }, `Show image (${said})`);
}

/** A session that began here, read in its place. */
function subagent(child, doing) {
  const inside = make("div.inside");
  const relation = child.parent?.relation ?? "child";
  const load = async () => {
    if (inside.childElementCount) return;
    inside.append(make("p.faint", {}, "…"));
    const items = await doing.inside(child.session_id);
    inside.replaceChildren(...items.map((item) => message(item, { ...doing, id: child.session_id, whole: undefined, fork: undefined })));
    if (items.length < child.messages) inside.append(make("p.faint", {}, `${count(child.messages - items.length, "more message")} in the session itself.`));
  };
  return make("details.child", { on: { toggle: (event) => event.target === event.currentTarget && event.target.open && load().catch((failure) => inside.replaceChildren(failure.message)) } },
    make("summary", {}, make("span.badge", {}, relation), " ", make("b", {}, nameOf(child).slice(0, 200)), ` · ${count(child.messages, "message")} `),
    make("button", { on: { click: () => doing.open(child.session_id) } }, "Open it"), inside);
}
