// The address of the page: `/`, `/s/{id}#seq=N`, `/?screen=tools`, with the list's filters as its query. Only this touches history.

const BASE = new URL(document.baseURI).pathname;
const SCREEN = "screen";
const NOTE_MS = 200;
export const FILTERS = ["title", "kind", "tags", "status", "model", "user_id", "project", "since", "until", "sort"];

/** What the address says. */
export function where() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  const seq = Number(new URLSearchParams(location.hash.slice(1)).get("seq"));
  const query = new URLSearchParams(location.search);
  return {
    id: path.startsWith("s/") ? decoded(path.slice(2)) : undefined,
    seq: Number.isSafeInteger(seq) && seq > 0 ? seq : undefined,
    screen: query.get(SCREEN) ?? undefined,
    filters: Object.fromEntries(FILTERS.filter((name) => query.has(name)).map((name) => [name, name === "tags" ? query.getAll(name) : query.get(name)])),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no id: the server will say so
  }
}

export function addressOf({ id, seq, screen, filters = where().filters }) {
  const query = new URLSearchParams();
  if (screen !== undefined) query.append(SCREEN, screen);
  for (const [name, value] of Object.entries(filters)) for (const each of [value].flat()) if (each) query.append(name, each);
  return `${BASE}${id === undefined ? "" : `s/${encodeURIComponent(id)}`}${query.size ? `?${query}` : ""}${seq === undefined ? "" : `#seq=${seq}`}`;
}

/** Go there; `back` comes here again, to the message that is noted now. */
export function go(place) {
  write();
  if (location.pathname + location.search + location.hash !== addressOf(place)) history.pushState({}, "", addressOf(place));
}

/** The same place with other filters; `back` does not go through them one by one. */
export function refine(filters) {
  history.replaceState(history.state, "", addressOf({ ...where(), filters }));
}

let noting;
let pending;

/** Note the message at the top, so that going back finds it. Browsers refuse many notes a second. */
export function note(seq) {
  pending = { seq, of: location.href };
  noting ??= setTimeout(write, NOTE_MS);
}

function write() {
  clearTimeout(noting);
  noting = undefined;
  if (pending?.of === location.href) history.replaceState({ ...history.state, top: pending.seq }, "", location.href); // "" would be the base of the page
  pending = undefined;
}

export const noted = () => history.state?.top;
