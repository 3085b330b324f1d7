// Asks the server. The token is in a header, kept for this tab, and taken out of the address at once.

const BASE = new URL("api/v1/", document.baseURI);
const KEY = "eventlog.token";

/** Take the token out of the address (`#token=...`), where `eventlog serve` and `eventlog open` put it. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (token === null) return;
  sessionStorage.setItem(KEY, token);
  given.delete("token");
  history.replaceState(history.state, "", location.pathname + location.search + (given.size ? `#${given}` : ""));
}

export const setToken = (token) => sessionStorage.setItem(KEY, token);

/** What the server refused: `status`, and its sentence as the message. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token === null ? more : { ...more, Authorization: `Bearer ${token}` };
}

/** @param {string} path below /api/v1/  @param {Record<string, any>} query lists are given several times, undefined not at all */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined && each !== null && each !== "") url.searchParams.append(name, each);
  }
  return url;
}

async function checked(response) {
  if (response.ok) return response;
  let said = `the server answered ${response.status}`;
  try {
    said = (await response.json()).detail ?? said;
  } catch {
    // it said nothing that can be read
  }
  throw new Refused(response.status, said);
}

const ask = async (path, query, signal) => checked(await fetch(address(path, query), { headers: headers(), signal }));

export const get = async (path, query, signal) => (await ask(path, query, signal)).json();
export const getText = async (path, query, signal) => (await ask(path, query, signal)).text();
export const getBlob = async (path, query, signal) => (await ask(path, query, signal)).blob();

export const send = async (method, path, body = {}) =>
  (await checked(await fetch(address(path), {
    method,
    headers: headers(method === "DELETE" ? {} : { "Content-Type": "application/json" }),
    body: method === "DELETE" ? undefined : JSON.stringify(body),
  }))).json();

/** The path of a session, whatever its id. */
export const session = (id, rest = "") => `sessions/${encodeURIComponent(id)}${rest}`;

/** The time zone in which days begin for whoever looks. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
