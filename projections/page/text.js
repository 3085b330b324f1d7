// Texts that were recorded, as blocks: what is long is folded, a line of a megabyte is cut before it is laid out.
import { make } from "./dom.js";

const MOST_LINES = 40;
const MOST_CHARACTERS = 20_000;
const MOST_IN_A_LINE = 5_000;

export const asText = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
export const count = (number, word) => `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;
export const money = ({ amount, currency }) => `${amount.toFixed(amount < 1 ? 4 : 2)} ${currency}`;
export const when = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const nameOf = (item) => item.title ?? item.preview ?? item.session_id;

export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

export const isLong = (content) => content.length > MOST_CHARACTERS || content.split("\n", 400).length >= 400;

export const broken = (content) => content.replace(new RegExp(`[^\\n]{${MOST_IN_A_LINE}}(?=[^\\n])`, "g"), "$&\n");

/** Long text: its first lines, and a way to all of it. `cut`: it is the beginning of `chars` characters, and `whole` fetches them. */
export function folded(title, content, cut) {
  const lines = content.split("\n");
  const short = lines.slice(0, MOST_LINES).join("\n").slice(0, MOST_CHARACTERS);
  const block = make("pre", {}, broken(short));
  const more = cut ? `All ${count(cut.chars, "character")}` : lines.length > 1 ? `All ${count(lines.length, "line")}` : `All ${count(content.length, "character")}`;
  const all = (event) => {
    if (cut) return cut.whole();
    block.replaceChildren(broken(content));
    event.target.remove();
    return undefined;
  };
  return make("div", {}, title && make("span.faint", {}, title), block, (cut || short.length < content.length) && make("button.all", { on: { click: all } }, more));
}

/** Text as it is, with its fenced code as blocks. */
export function plain(content) {
  if (isLong(content)) return folded(null, content);
  return content.split(/^```/m).map((piece, number) =>
    number % 2 ? make("pre", {}, broken(piece.replace(/^[^\n]*\n/, ""))) : piece.trim() && make("div.text", {}, broken(piece.trim())));
}
