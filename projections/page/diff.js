// What an edit changed, line by line. Which tool it was does not matter: the names of its arguments say what it does.
import { make } from "./dom.js";
import { asText, broken } from "./text.js";

const MOST_LINES = 300; // of each side are compared; of more, all old lines stand before all new ones
const SHOWN = 400;

/** The edits in a call's arguments as nodes, or null where there are none. */
export function edits(given) {
  if (given === null || typeof given !== "object") return null;
  const patch = [given.patch, given.diff, given.input].find((text) => typeof text === "string" && /^(\*\*\* Begin Patch|--- |@@ |diff )/m.test(text));
  if (patch !== undefined) return lines(patch.split("\n").map((line) => [/^\+(?!\+\+ )/.test(line) ? "+" : /^-(?!-- )/.test(line) ? "-" : " ", /^[+-](?!(\+\+|--) )/.test(line) ? line.slice(1) : line]));
  const each = Array.isArray(given.edits) ? given.edits : [given];
  const changes = each.map(change).filter(Boolean);
  return changes.length && changes.length === each.length ? changes.map(([from, to]) => lines(compared(from, to))) : null;
}

function change(edit) {
  const from = edit?.old_string ?? edit?.old_str ?? edit?.oldText;
  const to = edit?.new_string ?? edit?.new_str ?? edit?.newText;
  if (typeof from === "string" && typeof to === "string") return [from, to];
  const whole = edit?.content ?? edit?.file_text;
  return typeof whole === "string" && typeof (edit.file_path ?? edit.path) === "string" ? ["", whole] : null;
}

function lines(changed) {
  const node = make("pre.diff", {}, changed.slice(0, SHOWN).map(([sign, line]) => make(sign === "+" ? "ins" : sign === "-" ? "del" : "span", {}, `${sign} ${broken(line)}\n`)));
  if (changed.length > SHOWN) node.append(asText(`… and ${(changed.length - SHOWN).toLocaleString()} more lines`));
  return node;
}

/** [sign, line] for each line of both texts: what they share once, with a space. */
export function compared(from, to) {
  const old = from === "" ? [] : from.split("\n");
  const now = to === "" ? [] : to.split("\n");
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first]) first++;
  let last = 0;
  while (last < old.length - first && last < now.length - first && old.at(-1 - last) === now.at(-1 - last)) last++;
  return [
    ...old.slice(0, first).map((line) => [" ", line]),
    ...between(old.slice(first, old.length - last), now.slice(first, now.length - last)),
    ...old.slice(old.length - last).map((line) => [" ", line]),
  ];
}

/** By the longest common subsequence. */
function between(old, now) {
  if (old.length > MOST_LINES || now.length > MOST_LINES) return [...old.map((line) => ["-", line]), ...now.map((line) => ["+", line])];
  const longest = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let a = old.length - 1; a >= 0; a--)
    for (let b = now.length - 1; b >= 0; b--) longest[a][b] = old[a] === now[b] ? longest[a + 1][b + 1] + 1 : Math.max(longest[a + 1][b], longest[a][b + 1]);
  const found = [];
  let a = 0;
  let b = 0;
  while (a < old.length || b < now.length) {
    if (a < old.length && b < now.length && old[a] === now[b]) found.push([" ", old[a++]]) && b++;
    else if (a < old.length && (b === now.length || longest[a + 1][b] >= longest[a][b + 1])) found.push(["-", old[a++]]);
    else found.push(["+", now[b++]]);
  }
  return found;
}
