// The address of the page: `s/{id}#seq=N`. Only this touches history.

const BASE = new URL(document.baseURI).pathname;

/** What the address says. */
export function where() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  const seq = Number(new URLSearchParams(location.hash.slice(1)).get("seq"));
  return { id: path.startsWith("s/") ? decodeURIComponent(path.slice(2)) : undefined, seq: Number.isSafeInteger(seq) && seq > 0 ? seq : undefined };
}

export const addressOf = (id, seq) => `${BASE}${id === undefined ? "" : `s/${encodeURIComponent(id)}`}${seq === undefined ? "" : `#seq=${seq}`}`;

/** Go there; `back` comes here again, to the message that is noted now. */
export function go(id, seq) {
  if (location.pathname + location.hash !== addressOf(id, seq)) history.pushState({}, "", addressOf(id, seq));
}

/** Note the message at the top, so that going back finds it. */
export function note(seq) {
  history.replaceState({ ...history.state, top: seq }, "", location.href); // "" would be the base of the page
}

export const noted = () => history.state?.top;
