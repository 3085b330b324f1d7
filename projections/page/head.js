// Above the transcript: what the session is, and what can be done with it. Beside it, on request: all that is known of it.
import { addressOf } from "./address.js";
import { get, getBlob, send, session } from "./api.js";
import { ask, copy, download, say } from "./dialogs.js";
import { fill, make } from "./dom.js";
import { FORMATS } from "./formats.js";
import { asText, count, duration, money, nameOf, when } from "./text.js";

const MOST_SHOWN = 2_000;

export class Head {
  /** @param {{ open: (id: string|undefined, seq?: number) => Promise<void>, failed: (error: Error) => void, find: () => void }} given */
  constructor(element, aside, given) {
    Object.assign(this, { element, aside, ...given });
    document.addEventListener("click", ({ target }) => element.querySelectorAll(".menu[open]").forEach((menu) => (menu.open = menu.contains(target) && target.closest("summary") !== null)));
  }

  button(text, act, title) {
    return make("button", { title, on: { click: () => Promise.resolve(act()).catch(this.failed) } }, text);
  }

  draw(item) {
    this.item = item;
    document.title = nameOf(item);
    const tokens = (item.input_tokens ?? 0) + (item.output_tokens ?? 0);
    const facts = [item.model, item.status, item.messages !== undefined && count(item.messages, "message"), tokens > 0 && count(tokens, "token"), item.cost && money(item.cost)].filter(Boolean);
    const menu = make("details.menu", {}, make("summary", {}, "More"), make("div", {},
      this.button("Tags…", () => this.tag()), this.button("Fork", () => this.fork()), this.button("Merge into…", () => this.merge()), this.button("End…", () => this.end()),
      this.button("Copy id", () => copy(item.session_id, "The id is copied.")), this.button("Clear", () => this.clear(), "Begin a new session; nothing is deleted")));
    fill(this.element,
      make("div.row", {}, make("button.only-narrow", { on: { click: () => this.open(undefined) } }, "Back"), make("h1", {}, document.title), item.kind && make("span.badge.kind", {}, item.kind.slice(0, 40)),
        (item.tags ?? []).slice(0, 6).map((tag) => make("span.badge", {}, tag.slice(0, 40)))),
      make("div.row", {}, make("button.quiet.id", { title: "Copy the id", on: { click: () => copy(item.session_id, "The id is copied.") } }, item.session_id), make("span.faint", {}, facts.join(" · "))),
      make("div.row", {}, this.button("Find", this.find, "Find in this session (/)"), this.button("Rename", () => this.rename()), this.button(item.pinned ? "Unpin" : "Pin", () => this.update({ pinned: !item.pinned })),
        this.button("Resume", () => this.resume()), this.button("Export", () => this.export()), this.button("Delete", () => this.remove()), menu,
        this.button("Details", () => this.details())));
  }

  get id() {
    return this.item.session_id;
  }

  update(changes) {
    return send("PATCH", session(this.id), changes);
  }

  async rename() {
    const given = await ask({ title: "Rename", fields: [{ name: "title", label: "Title", value: this.item.title ?? "" }], action: "Rename" });
    if (given) await this.update({ title: given.title || null });
  }

  async tag() {
    const given = await ask({ title: "Tags", text: "With spaces or commas between.", fields: [{ name: "tags", label: "Tags", value: (this.item.tags ?? []).join(" ") }], action: "Set" });
    if (given) await this.update({ tags: given.tags.split(/[\s,]+/).filter(Boolean) });
  }

  async end() {
    const given = await ask({ title: "End this session", text: "A later message makes it active again.", fields: [{ name: "status", label: "As", options: ["completed", "failed", "abandoned"] }, { name: "reason", label: "Why" }], action: "End" });
    if (given) await send("POST", session(this.id, "/end"), { status: given.status, reason: given.reason || null });
  }

  async fork(at) {
    const made = await send("POST", session(this.id, "/fork"), at === undefined ? {} : { at });
    await this.open(made.session_id);
    say("This is the fork.");
  }

  async merge() {
    const given = await ask({ title: "Merge into another session", text: "All events of this session are added to that one. This one stays as it is.", fields: [{ name: "into", label: "Id of the other session" }], action: "Merge" });
    if (!given?.into) return;
    const made = await send("POST", "merge", { sources: [this.id], into: given.into });
    await this.open(made.session_id);
    say(`${count(made.added, "event")} added.`);
  }

  async export() {
    const given = await ask({ title: "Export", fields: [{ name: "format", label: "As", options: FORMATS.map(([name]) => name) }], action: "Export" });
    if (given) download(`${this.id}${Object.fromEntries(FORMATS)[given.format]}`, await getBlob(session(this.id, "/export"), { format: given.format }));
  }

  async resume() {
    const { id } = this;
    const asMessages = async (provider) => copy(JSON.stringify(await get(session(id, "/to-messages"), { provider }), null, 2), "The messages are copied.");
    const command = `eventlog resume ${id}`;
    const given = await ask({
      title: "Go on with this session",
      text: [make("p", {}, "In the tool that it came from:"), make("pre", {}, command), make("div.row", {}, this.button("Copy the command", () => copy(command)), this.button("Copy as messages for OpenAI", () => asMessages("openai")), this.button("Copy as messages for Anthropic", () => asMessages("anthropic")))],
      action: "Note that it goes on",
    });
    if (given === undefined) return;
    const resumed = await send("POST", session(id, "/resume"), {});
    say(`Noted. ${count(resumed.open_tool_calls.length, "tool call")} without a result.`);
  }

  /** A new session of the same kind; this one stays as it is. */
  async clear() {
    const made = await send("POST", "sessions", { kind: this.item.kind ?? "chat" });
    await this.open(made.session_id);
  }

  async remove(item = this.item, isOpen = true) {
    const id = item.session_id;
    if ((await ask({ title: "Delete this session?", text: `${nameOf(item).slice(0, 200)}\n\nIt goes to the trash, from where it can be restored.`, action: "Delete", danger: true })) === undefined) return;
    await send("DELETE", session(id));
    if (isOpen) await this.open(undefined);
    say("Deleted.", async () => {
      await send("POST", session(id, "/restore"), {});
      if (isOpen) await this.open(id);
    });
  }

  // --- all that is known ---

  details() {
    this.aside.hidden = !this.aside.hidden;
    return this.known();
  }

  async known() {
    if (this.aside.hidden || !this.item) return;
    const { id } = this;
    const [view, children] = await Promise.all([get(session(id), { parts: "header" }), get(session(id, "/children"), { limit: 100 })]);
    if (id !== this.id) return;
    const { usage } = view;
    const took = new Date(view.updated_at) - new Date(view.started_at);
    const cost = [usage.cost].flat().filter(Boolean);
    const facts = [
      ["Id", id], ["Title", view.title], ["Description", view.description], ["Purpose", view.purpose], ["User", view.user_id], ["Project", this.item.project], ["Kind", view.kind], ["Status", view.status],
      ["Tags", view.tags.join(", ")], ["Models", view.models.join(", ")], ["Provider", view.provider], ["Modes", view.modes.map(asText).join(", ")], ["Begun", when(view.started_at)], ["Last", `${when(view.updated_at)}${took >= 60_000 ? `, after ${duration(took)}` : ""}`],
      ["Events", view.counts.events.toLocaleString()], ["Messages", `${view.counts.messages.toLocaleString()} (${view.counts.user_messages.toLocaleString()} of the user, ${view.counts.assistant_messages.toLocaleString()} of the assistant)`],
      ["Tool calls", view.counts.tool_calls.toLocaleString()], ["Errors", view.counts.errors.toLocaleString()],
      ["Tokens", `${usage.input_tokens.toLocaleString()} in, ${usage.output_tokens.toLocaleString()} out, cache ${usage.cache_read_tokens.toLocaleString()} read, ${usage.cache_write_tokens.toLocaleString()} written`], ["Cost", cost.map(money).join(", ")],
      ["Context", given(view.context)], ["Metadata", given(view.metadata)],
    ].filter(([, value]) => value);
    fill(this.aside, make("div.row", {}, make("h2", {}, "Details"), make("button.quiet", { "aria-label": "Close the details", on: { click: () => this.details() } }, "×")),
      make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
        view.parent && [make("dt", {}, `Comes from (${view.parent.relation})`), make("dd", {}, this.link(view.parent.session_id, view.parent.session_id, view.parent.seq))],
        children.items.length > 0 && [make("dt", {}, "Others that come from it"), children.items.map((each) => make("dd", {}, make("span.badge", {}, each.parent.relation), " ", this.link(each.session_id, nameOf(each).slice(0, 100))))]));
  }

  link(id, text, seq) {
    const click = (event) => {
      event.preventDefault();
      this.open(id, seq ?? undefined).catch(this.failed);
    };
    return make("a", { href: addressOf({ id, seq: seq ?? undefined }), on: { click } }, text);
  }
}

const given = (value) => (value && Object.keys(value).length ? make("pre", {}, asText(value).slice(0, MOST_SHOWN)) : null);
