// The live stream, read with fetch: an EventSource could not send the token. Goes on where it was after every disconnect.
import { address, headers } from "./api.js";

const HIDDEN_MS = 60_000;

/** Calls `tell(event, data)` for each event, until the signal ends it. A hidden tab lets go of its connection and goes on when it is seen. */
export function follow(query, tell, signal) {
  let place;
  let wait = 500;
  let current = null;
  let hiding = 0;
  let stopped = false;

  async function run() {
    current = new AbortController();
    try {
      const response = await fetch(address("stream", query), {
        headers: headers(place === undefined ? {} : { "Last-Event-ID": place }),
        signal: current.signal,
      });
      if (!response.ok || response.body === null) throw new Error(String(response.status));
      wait = 500;
      // What was stored between the first look and this connection is told by nobody: look again.
      if (place === undefined) tell("reset", {});
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader(), (event, data, id) => {
        if (id !== undefined) place = id;
        tell(event, data);
      });
    } catch {
      // whatever it was: it is tried again below
    }
    current = null;
    if (stopped || document.hidden) return;
    setTimeout(() => !stopped && current === null && run(), wait + Math.random() * wait);
    wait = Math.min(wait * 2, 15_000);
  }

  const leave = () => current?.abort();
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(leave, HIDDEN_MS);
    else if (current === null && !stopped) run();
  }, { signal });
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", (event) => event.persisted && current === null && run(), { signal });
  signal.addEventListener("abort", () => {
    stopped = true;
    leave();
  });
  run();
}

/** Server-sent events out of pieces of text that may be cut anywhere. */
export async function read(reader, tell) {
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    left += value;
    for (let end = left.indexOf("\n\n"); end >= 0; end = left.indexOf("\n\n")) {
      const block = left.slice(0, end);
      left = left.slice(end + 2);
      let event, data, id;
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event = line.slice(7);
        else if (line.startsWith("data: ")) data = line.slice(6);
        else if (line.startsWith("id: ")) id = line.slice(4);
      }
      if (event !== undefined && data !== undefined) tell(event, JSON.parse(data), id);
    }
  }
}
