// A long list of which only what is in sight is elements. The truth is an anchor (which item is at the top, and how far it is scrolled) or
// that the end is followed; heights are estimated, then measured. Where the list is longer than a browser can make an element high, the
// scroll bar stands for it in proportion, and small steps still move by pixels.
import { make } from "./dom.js";
import { Heights } from "./heights.js";

const MARGIN_PX = 600;
const MOST_PX = 8_000_000;
const ROUNDS = 6;

export class Virtual {
  /**
   * @param {HTMLElement} scroller
   * @param {{ role: string, label: string, node: (index: number) => HTMLElement, drawn?: () => void, scrolled?: () => void,
   *   follows?: boolean, most?: number }} given `node` makes an item's element; one with `data-waits` is not measured. `follows`: at the end it
   *   stays at the end, whatever is added
   */
  constructor(scroller, { role, label, node, drawn = () => {}, scrolled = () => {}, follows = true, most = MOST_PX }) {
    Object.assign(this, { scroller, make: node, drawn, told: scrolled, follows, most });
    this.space = make("div.space", { role, "aria-label": label });
    this.nodes = new Map();
    this.heights = new Heights([]);
    this.anchor = { index: 0, within: 0 };
    this.ending = new AbortController();
    this.indexes = new WeakMap();
    this.sizes = new ResizeObserver((seen) => seen.some(({ target }) => target === scroller || this.hasGrown(target)) && this.soon());
    this.sizes.observe(scroller);
    scroller.replaceChildren(this.space);
    scroller.addEventListener("scroll", () => this.scrolled(), { signal: this.ending.signal, passive: true });
  }

  destroy() {
    this.ending.abort();
    this.sizes.disconnect();
    this.ended = true;
  }

  get count() {
    return this.heights.count;
  }

  get following() {
    return this.anchor === undefined;
  }

  /** The index at the top of the screen. */
  get top() {
    return this.anchor?.index ?? this.heights.at(this.offset ?? 0);
  }

  /** Other items; the place stays that of the anchor. */
  reset(estimates) {
    this.heights = new Heights(estimates);
    this.forget(0);
  }

  /** The items from `first` on are others. */
  replace(first, estimates) {
    const kept = Math.min(first, this.count);
    this.heights = new Heights([...this.heights.each.subarray(0, kept), ...estimates]);
    this.forget(kept);
    for (const node of this.nodes.values()) node.setAttribute("aria-setsize", this.count);
  }

  forget(first) {
    for (const index of [...this.nodes.keys()]) if (index >= first) this.drop(index);
  }

  drop(index) {
    const node = this.nodes.get(index);
    this.sizes.unobserve(node);
    node.remove();
    this.nodes.delete(index);
  }

  hasGrown(node) {
    const index = this.indexes.get(node);
    return this.nodes.get(index) === node && !node.dataset.waits && Math.abs(node.offsetHeight - this.heights.each[index]) > 0.5;
  }

  /** Make what is in sight anew. What had the focus has it again, if it is still there (`data-key`). */
  renew(only = () => true) {
    const focused = document.activeElement?.closest?.("[data-key]");
    const key = focused && this.space.contains(focused) ? focused.dataset.key : undefined;
    for (const [index, node] of [...this.nodes]) if (only(index, node)) this.drop(index);
    this.draw();
    if (key !== undefined && !this.space.contains(document.activeElement)) this.space.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }

  jump(index, within = 0) {
    this.setting = this.scroller.scrollTop;
    this.anchor = { index: Math.max(0, Math.min(index, this.count - 1)), within };
    this.draw();
  }

  follow() {
    this.setting = this.scroller.scrollTop;
    this.anchor = undefined;
    this.draw();
  }

  get furthest() {
    return Math.max(0, this.heights.total - this.scroller.clientHeight);
  }

  /** How many px of the list one px of the scroll bar stands for. */
  get scale() {
    const { clientHeight } = this.scroller;
    return this.heights.total <= this.most ? 1 : (this.heights.total - clientHeight) / (this.most - clientHeight);
  }

  scrolled() {
    if (this.read()) this.soon();
  }

  /** Take the place from where the scroll bar is, if somebody has moved it. */
  read() {
    const { scrollTop, clientHeight } = this.scroller;
    if (scrollTop === this.setting || !this.count) return false;
    const by = scrollTop - (this.setting ?? 0);
    const scale = this.scale;
    const inside = scrollTop > 0 && scrollTop < this.most - clientHeight - 1;
    const offset = scale === 1 ? scrollTop : Math.abs(by) < 2 * clientHeight && inside ? (this.offset ?? 0) + by : scrollTop * scale;
    this.setting = scrollTop;
    if (this.follows && offset >= this.furthest - 4) this.anchor = undefined;
    else {
      const index = this.heights.at(Math.max(0, offset));
      this.anchor = { index, within: Math.max(0, offset) - this.heights.offset(index) };
    }
    this.byHand = true;
    this.told();
    return true;
  }

  soon() {
    this.due ??= requestAnimationFrame(() => {
      this.due = undefined;
      this.draw();
    });
  }

  /** Bring the elements into line with what is in sight. Layout is read once in each round, after everything was written. */
  draw() {
    if (this.ended || !this.count || !this.scroller.clientHeight) return;
    if (this.setting !== undefined) this.read(); // or what was scrolled since the last event would be taken back
    for (let round = 0; round < ROUNDS; round++) if (!this.drawOnce()) break;
    this.byHand = false;
    this.drawn();
  }

  drawOnce() {
    const { scroller, heights, space } = this;
    const height = scroller.clientHeight;
    const scale = this.scale;
    space.style.height = `${Math.min(heights.total, this.most)}px`;
    const wanted = this.anchor ? heights.offset(this.anchor.index) + this.anchor.within : this.furthest;
    const top = Math.min(wanted, this.furthest);
    // Where the scroll bar stands in proportion, it stays where a hand has put it.
    const scrollTop = scale === 1 ? top : this.byHand ? this.setting : top / scale;
    const first = heights.at(top - MARGIN_PX);
    const last = heights.at(top + height + MARGIN_PX);
    for (const [index, node] of this.nodes) {
      if (index >= first && index <= last) continue;
      if (node.contains(document.activeElement)) scroller.focus({ preventScroll: true });
      this.drop(index);
    }
    let offset = heights.offset(first) - top + scrollTop;
    for (let index = first; index <= last; index++) {
      this.node(index).style.transform = `translateY(${offset}px)`;
      offset += heights.each[index];
    }
    let changed = false;
    for (const [index, node] of this.nodes) {
      const measured = node.offsetHeight;
      if (!node.dataset.waits && Math.abs(measured - heights.each[index]) > 0.5) {
        heights.set(index, measured);
        changed = true;
      }
    }
    if (changed) return true;
    if (Math.abs(scroller.scrollTop - scrollTop) > 0.5) scroller.scrollTop = scrollTop;
    this.setting = scroller.scrollTop;
    this.offset = top;
    return false;
  }

  node(index) {
    const known = this.nodes.get(index);
    if (known) return known;
    const node = this.make(index);
    node.setAttribute("aria-posinset", index + 1);
    node.setAttribute("aria-setsize", this.count);
    if (node.dataset.waits) node.style.height = `${this.heights.each[index]}px`;
    let next;
    for (const other of this.nodes.keys()) if (other > index && (next === undefined || other < next)) next = other;
    this.space.insertBefore(node, next === undefined ? null : this.nodes.get(next));
    this.nodes.set(index, node);
    this.indexes.set(node, index);
    this.sizes.observe(node);
    return node;
  }
}
