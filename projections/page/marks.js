// What is where in a long session, beside its scroll bar: prompts, failures, hits. A click leads there.
import { make } from "./dom.js";

const WIDTH = 10;

export class Marks {
  /** @param {(part: number) => void} chosen is told the place that was clicked, from 0 to 1 */
  constructor(element, chosen) {
    this.canvas = make("canvas.marks", { "aria-hidden": "true", width: WIDTH });
    this.canvas.addEventListener("click", (event) => chosen(event.offsetY / this.canvas.clientHeight));
    element.append(this.canvas);
  }

  /** @param {import("./transcript.js").Transcript|undefined} transcript @param {number[]} hits seqs */
  draw(transcript, hits) {
    const { canvas } = this;
    canvas.hidden = !transcript?.rows?.length;
    if (canvas.hidden) return;
    const height = (canvas.height = canvas.clientHeight);
    const colours = getComputedStyle(canvas);
    const paint = canvas.getContext("2d");
    const place = (seq) => (transcript.indexOf(seq) / Math.max(1, transcript.seqs.length)) * height;
    const mark = (name, seqs, high) => {
      paint.fillStyle = colours.getPropertyValue(name);
      for (const seq of seqs) paint.fillRect(0, place(seq), WIDTH, high);
    };
    const { failed } = transcript.flags;
    mark("--user", transcript.rows.filter(([, kind]) => kind === "user").map(([seq]) => seq), 1);
    mark("--bad", transcript.rows.filter(([, kind, , flags]) => kind === "error" || flags & failed).map(([seq]) => seq), 3);
    mark("--hit", hits, 3);
  }
}
