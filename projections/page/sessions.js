// A client of the six addresses of the chat API, for pages that are served beside it: one session at a time, saved as it grows.

/** `origin` is where the server is ("" for the same), `token` what `eventlog serve` printed. */
export class Sessions {
  constructor({ origin = "", token = null } = {}) {
    this.origin = origin;
    this.token = token;
    this.session = null;
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

  /** Store the session as it is here: what is new is added, what has changed is amended. */
  saveSession() {
    const { session_id, user_name, messages, metadata } = this.session;
    const sent = messages.map(({ role, content, timestamp, metadata: own }) => ({ role, content, timestamp, metadata: own ?? {} }));
    return this.ask("save", { session: { session_id, user_name, messages: sent, metadata } });
  }

  /** Add a message, and store it at once. */
  addMessage(role, content, metadata = {}) {
    this.session.messages.push({ role, content, timestamp: new Date().toISOString(), metadata });
    return this.saveSession();
  }
}
