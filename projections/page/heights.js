// The heights of a long list: estimated, then measured; sums are kept per block, so that a place is found without adding everything.

const BLOCK = 128;

export class Heights {
  /** @param {number[]} estimates in px, one for each item */
  constructor(estimates) {
    this.each = Float64Array.from(estimates);
    this.count = estimates.length;
    this.blocks = [];
    this.total = 0;
    this._sum();
  }

  _sum() {
    this.blocks = [];
    this.total = 0;
    for (let at = 0; at < this.count; at += BLOCK) {
      let sum = 0;
      for (let n = at; n < Math.min(at + BLOCK, this.count); n++) sum += this.each[n];
      this.blocks.push(sum);
      this.total += sum;
    }
  }

  /** Set the height of an item; returns by how much it changed. */
  set(index, height) {
    const change = height - this.each[index];
    this.each[index] = height;
    this.blocks[Math.floor(index / BLOCK)] += change;
    this.total += change;
    return change;
  }

  /** Where the item begins, in px. */
  offset(index) {
    let sum = 0;
    const block = Math.floor(index / BLOCK);
    for (let n = 0; n < block; n++) sum += this.blocks[n];
    for (let n = block * BLOCK; n < index; n++) sum += this.each[n];
    return sum;
  }

  /** Which item is at this place: of several that end there the last; the first and the last one where it is outside. */
  at(offset) {
    let sum = 0;
    let block = 0;
    while (block < this.blocks.length - 1 && sum + this.blocks[block] <= offset) sum += this.blocks[block++];
    let index = block * BLOCK;
    while (index < this.count - 1 && sum + this.each[index] <= offset) sum += this.each[index++];
    return Math.max(0, Math.min(index, this.count - 1));
  }
}
