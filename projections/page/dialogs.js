// Questions to the person at the page, what is said in passing, and the clipboard.
import { fill, make } from "./dom.js";

const SAID_MS = 10_000;

/**
 * Ask in a dialog. Enter never does what is dangerous: the way back has the focus then.
 * @param {{ title: string, text?: any, fields?: any[], action: string, danger?: boolean }} given a field is { name, label, value?, type?, options? }
 * @returns {Promise<Record<string, string>|undefined>} what the fields hold, undefined where it was left
 */
export function ask({ title, text, fields = [], action, danger = false }) {
  const inputs = fields.map((field) => [field.name, input(field)]);
  const { promise, resolve } = Promise.withResolvers();
  const dialog = make("dialog", { "aria-label": title });
  const done = (value) => {
    resolve(value);
    dialog.close();
  };
  const act = () => done(Object.fromEntries(inputs.map(([name, each]) => [name, each.value.trim()])));
  const back = make("button", { type: "button", on: { click: () => done(undefined) } }, "Cancel");
  fill(dialog, make("h2", {}, title), text && make("div.text", {}, text), inputs.map(([, each], number) => make("label", {}, fields[number].label, each)),
    make("div.row.end", {}, back, make(`button.${danger ? "danger" : "primary"}`, { type: "button", on: { click: act } }, action)));
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || danger || !event.target.matches("input")) return;
    event.preventDefault();
    act();
  });
  show(dialog, () => resolve(undefined));
  if (danger) back.focus();
  return promise;
}

function input({ name, value = "", type = "text", options }) {
  if (!options) return make("input", { name, type, value, autocomplete: "off" });
  const select = make("select", { name }, options.map((each) => make("option", { value: each }, each)));
  if (value) select.value = value;
  return select;
}

/** Show a dialog until it is closed; it is gone then, and the focus is where it was. */
export function show(dialog, closed = () => {}) {
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  document.body.append(dialog);
  dialog.showModal();
}

/** Say something in passing, with a way to undo it. */
export function say(text, undo) {
  document.querySelector(".toast")?.remove();
  const click = () => {
    said.remove();
    Promise.resolve(undo()).catch((error) => say(error.message));
  };
  const said = make("div.toast", { role: "status" }, text, undo && make("button", { on: { click } }, "Undo"));
  (document.querySelector(".app") ?? document.body).append(said);
  setTimeout(() => said.remove(), SAID_MS);
}

/** A text for people, and to be copied from where the clipboard cannot be reached. */
export async function copy(text, what = "Copied.") {
  try {
    await navigator.clipboard.writeText(text);
    say(what);
  } catch {
    const area = make("textarea", { rows: 8, readonly: true, "aria-label": "To be copied" });
    area.value = text;
    show(make("dialog", { "aria-label": "Copy" }, make("p", {}, "The clipboard cannot be reached from here; copy it from this:"), area));
    area.select();
  }
}

/** Give a file to the browser. */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
