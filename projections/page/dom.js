// Makes elements. Text is always a text node: there is no way here to make markup out of what was recorded.

/**
 * @param {string} name what to make: `div`, `button.primary.large`
 * @param {Record<string, any>} given attributes; `on` holds listeners, `signal` ends them; null, undefined and false are left out
 * @param {...(Node|string|null|undefined|false|Array<any>)} children
 */
export function make(name, given = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(given)) {
    if (key === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener, { signal: given.signal });
    else if (key !== "signal" && value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : String(value));
  }
  put(element, children);
  return element;
}

/** Append all of it, whatever is nested; what is null or false is nothing. */
export function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Have exactly these children. */
export function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
}
