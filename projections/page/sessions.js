// A client of the six addresses of the chat API, for pages that are served beside it: one session at a time, saved as it grows.
// `import { sessions } from "/sessions.js"` is the one that a page shares; `new Sessions({ token })` is another one.

/** `origin` is where the server is ("" for the same), `token` what `eventlog serve` printed. */
export class Sessions {
  constructor({ origin = "", token = null } = {}) {
    this.origin = origin;
    this.token = token;
    this.session = null;
    this.saving = Promise.resolve();
  }

  async ask(name, body) {
    const headers = { "Content-Type": "application/json", ...(this.token === null ? {} : { Authorization: `Bearer ${this.token}` }) };
    const response = await fetch(`${this.origin}/api/sessions/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
    const said = await response.json();
    if (!said.success) throw new Error(said.error ?? said.detail ?? `the server answered ${response.status}`);
    return said;
  }

  /** Begin a session; from then on it is the one that `addMessage` adds to. */
  async startNewSession(userName = null, metadata = {}) {
    this.session = (await this.ask("start", { user_name: userName, metadata })).session;
    return this.session;
  }

  /** Go on with a session. */
  async loadSession(sessionId) {
    this.session = (await this.ask("load", { session_id: sessionId })).session;
    return this.session;
  }

  /** A page of sessions, with totals. */
  listSessions(limit = 100, offset = 0) {
    return this.ask("list", { limit, offset });
  }

  /** Hide a session; it can be restored. */
  async deleteSession(sessionId) {
    const said = await this.ask("delete", { session_id: sessionId });
    if (this.session?.session_id === sessionId) this.session = null;
    return said;
  }

  /** Store the session as it is here: what is new is added, what has changed is amended. One is stored after the other, in their order. */
  saveSession() {
    const { session_id, user_name, messages, metadata } = this.session;
    const sent = messages.map(({ role, content, timestamp, metadata: own }) => ({ role, content, timestamp, metadata: own ?? {} }));
    const saved = this.saving.then(() => this.ask("save", { session: { session_id, user_name, messages: sent, metadata } }));
    this.saving = saved.catch(() => {}); // whoever waits for it is told
    return saved;
  }

  /** Add a message, and store it at once; the session's statistics count it. */
  addMessage(role, content, metadata = {}) {
    const { messages, stats } = this.session;
    messages.push({ role, content, timestamp: new Date().toISOString(), metadata });
    stats.total_messages += 1;
    if (role === "user") stats.user_messages += 1;
    if (role === "assistant") stats.assistant_messages += 1;
    this.session.last_updated = messages.at(-1).timestamp;
    return this.saveSession();
  }
}

/** The one of a page that was opened with a token in this tab, or needs none. */
export const sessions = new Sessions({ token: globalThis.sessionStorage?.getItem("eventlog.token") ?? null });
