// Markdown as nodes. The lexer is marked's; what it finds becomes elements that are named here, and HTML in it is text like any other.
import { lexer } from "./vendor/marked.js";
import { make } from "./dom.js";
import { broken, isLong, plain } from "./text.js";

const DEEPEST = 12;
const LINKS = new Set(["http:", "https:", "mailto:"]);

/** @param {string} content @returns {any} nodes; the text as it is where it is too long or too strange to be read as Markdown */
export function markdown(content) {
  if (isLong(content)) return plain(content);
  try {
    return make("div.markdown", {}, blocks(lexer(content, { gfm: true, breaks: true }), 0));
  } catch {
    return plain(content); // such as nested more deeply than there is stack
  }
}

const blocks = (tokens, depth) => (tokens ?? []).map((token) => block(token, depth));

function block(token, depth) {
  if (depth > DEEPEST) return make("div.text", {}, token.raw);
  const inside = () => inline(token.tokens, depth + 1);
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return make(`h${Math.min(6, token.depth + 2)}`, {}, inside());
    case "paragraph":
      return make("p", {}, inside());
    case "text":
      return token.tokens ? inside() : broken(token.text);
    case "code":
      return make("pre", {}, broken(token.text));
    case "blockquote":
      return make("blockquote", {}, blocks(token.tokens, depth + 1));
    case "list":
      return make(token.ordered ? "ol" : "ul", { start: token.ordered && token.start !== 1 && token.start },
        token.items.map((item) => make("li", {}, item.task && make("input", { type: "checkbox", disabled: true, checked: item.checked, "aria-label": "done" }), blocks(item.tokens, depth + 1))));
    case "table":
      return make("div.wide", {}, make("table", {},
        make("thead", {}, make("tr", {}, token.header.map((cell) => make("th", {}, inline(cell.tokens, depth + 1))))),
        make("tbody", {}, token.rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, inline(cell.tokens, depth + 1))))))));
    case "hr":
      return make("hr");
    default:
      return make("div.text", {}, broken(token.raw)); // html, and whatever else there may be
  }
}

const inline = (tokens, depth) => (tokens ?? []).map((token) => piece(token, depth));

function piece(token, depth) {
  if (depth > DEEPEST) return token.raw;
  const inside = () => inline(token.tokens, depth + 1);
  switch (token.type) {
    case "strong":
      return make("strong", {}, inside());
    case "em":
      return make("em", {}, inside());
    case "del":
      return make("del", {}, inside());
    case "codespan":
      return make("code", {}, token.text);
    case "br":
      return make("br");
    case "escape":
      return token.text;
    case "text":
      return token.tokens ? inside() : broken(token.text);
    case "link":
      return isLink(token.href) ? make("a", { href: token.href, rel: "noopener noreferrer", target: "_blank" }, inside()) : token.raw;
    default:
      return broken(token.raw); // html and images: nothing is fetched
  }
}

function isLink(address) {
  try {
    return LINKS.has(new URL(address).protocol);
  } catch {
    return false; // it leads somewhere only where it was written
  }
}
