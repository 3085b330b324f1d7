// A tool call with its result, folded to one line that says what it did.
import { edits } from "./diff.js";
import { make } from "./dom.js";
import { asText, broken, duration, folded } from "./text.js";

const MOST_CHARACTERS = 20_000;
const SAYS_MOST = ["command", "cmd", "file_path", "path", "pattern", "query", "url", "description", "prompt"];

export const isOpen = (call) => call.returned_seq === null || call.returned_seq === undefined;

/** One line: `bash git log`. */
export function inOneLine(call) {
  const given = call.arguments;
  const most = given !== null && typeof given === "object" ? SAYS_MOST.map((name) => given[name]).find((value) => typeof value === "string" || Array.isArray(value)) : undefined;
  const said = Array.isArray(most) ? most.map(asText).join(" ") : most ?? (given === null || given === undefined ? "" : typeof given === "string" ? given : JSON.stringify(given));
  return said.slice(0, 400).replace(/\s+/g, " ").slice(0, 140);
}

export function state(call) {
  if (isOpen(call)) return "no result yet";
  return [call.is_error && "failed", typeof call.duration_ms === "number" && duration(call.duration_ms)].filter(Boolean).join(", ");
}

/** @param {any} call @param {boolean} unfolded @param {() => void} [whole] fetches what was cut of it */
export function calling(call, unfolded = false, whole = undefined) {
  const changes = edits(call.arguments);
  const given = asText(call.arguments);
  const result = asText(call.display ?? call.output);
  return make(`details.call${call.is_error ? ".failed" : isOpen(call) ? ".open" : ""}`, { open: unfolded, "data-called": call.called_seq, "data-returned": call.returned_seq },
    make("summary", {}, make("b", {}, call.name ?? "tool"), " ", make("code", {}, inOneLine(call)), " ", make("span", {}, state(call))),
    changes ?? (given && make("pre", {}, broken(given.slice(0, MOST_CHARACTERS)))),
    !isOpen(call) && folded("Result", result, call.truncated && whole ? { chars: call.chars, whole } : undefined),
    call.truncated && !whole && make("p.faint", {}, "Cut: the session itself has all of it."),
    call.artifacts?.length ? make("p.faint", {}, "Left behind: ", call.artifacts.map((each) => each.path ?? each.uri ?? each.name ?? "").join(", ")) : null);
}
