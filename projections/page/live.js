// The live stream, read with fetch: an EventSource could not send the token. It goes on where it was after every disconnect.
//
// A browser has six connections to a server for all tabs together, so that one tab has the stream and tells the others; when it goes
// another one goes on from the same place. A hidden tab leaves it to others. Where there are no locks between tabs (they are given to
// pages that came over TLS or from this machine) each has its own.
import { address, headers } from "./api.js";

const NAME = "eventlog.live";
const HIDDEN_MS = 60_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Calls `tell(event, data)` for each event, in whichever tab it came, until the signal ends it. */
export function follow(query, tell, signal) {
  const others = new BroadcastChannel(NAME);
  let place;
  let leaving = new AbortController();
  let hiding = 0;

  const take = (event, data, id) => {
    if (id !== undefined) place = id;
    tell(event, data);
  };
  others.onmessage = ({ data: [event, data, id] }) => take(event, data, id);
  const takeAndPassOn = (event, data, id) => {
    take(event, data, id);
    others.postMessage([event, data, id]);
  };

  /** Have the stream until this tab leaves. */
  async function lead(ending) {
    let wait = FIRST_WAIT_MS;
    while (!ending.aborted) {
      try {
        const response = await fetch(address("stream", query), { headers: headers(place === undefined ? {} : { "Last-Event-ID": place }), signal: ending });
        if (!response.ok || response.body === null) throw new Error(String(response.status));
        wait = FIRST_WAIT_MS;
        // What was stored between the first look and this connection is told by nobody: look again.
        if (place === undefined) takeAndPassOn("reset", {});
        await read(response.body.pipeThrough(new TextDecoderStream()).getReader(), takeAndPassOn);
      } catch {
        // whatever it was: it is tried again below
      }
      await pause(wait + Math.random() * wait, ending);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  function join() {
    leaving.abort();
    leaving = new AbortController();
    const ending = leaving.signal;
    if (navigator.locks) navigator.locks.request(NAME, { signal: ending }, () => lead(ending)).catch(() => {});
    else lead(ending);
  }

  const leave = () => leaving.abort();
  const shown = () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(leave, HIDDEN_MS);
    else if (leaving.signal.aborted) join();
  };
  document.addEventListener("visibilitychange", shown, { signal });
  addEventListener("pagehide", leave, { signal });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    tell("reset", {}); // what the others were told meanwhile
    shown();
  }, { signal });
  signal.addEventListener("abort", () => {
    leave();
    others.close();
  });
  join();
}

const pause = (ms, ending) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  ending.addEventListener("abort", () => {
    clearTimeout(timer);
    done();
  });
});

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
