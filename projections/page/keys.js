// The keys: which there are, what each is for, and when a key is not for the page. Enter is never a key that removes.

/** [keys, name of what it does, what for] */
export const KEYS = [
  [["j"], "next", "next message"], [["k"], "previous", "previous message"], [["J"], "nextPrompt", "next prompt"], [["K"], "previousPrompt", "previous prompt"], [["g"], "first", "first message"], [["G"], "last", "last message, and follow"],
  [["/", "Ctrl-F"], "find", "find in the session; Ctrl-F again is the browser's"], [["n"], "nextHit", "next hit"], [["N"], "previousHit", "previous hit"], [["e"], "nextFailure", "next failure"], [["E"], "previousFailure", "failure before"],
  [["t"], "thinking", "unfold or fold thinking"], [["o"], "tools", "unfold or fold tool calls"], [["c"], "copy", "what can be done with the message"], [["i"], "details", "details of the session"], [["p"], "pin", "pin or unpin the session"], [["Del"], "remove", "delete the session (asks)"],
  [["Ctrl-K"], "palette", "search all sessions, or name a command"], [["]"], "nextSession", "next session of the list"], [["["], "previousSession", "session before"], [["s"], "begin", "new session"], [["?"], "help", "these keys"],
];

const BY_KEY = new Map(KEYS.flatMap(([keys, name]) => keys.filter((key) => !key.startsWith("Ctrl")).map((key) => [key === "Del" ? "Delete" : key, name])));
const WITH_CONTROL = new Map([["k", "palette"], ["f", "find"]]);

/** @param {Record<string, () => any>} does @param {(error: Error) => void} failed @param {() => boolean} finding whether our own find has the focus */
export function listen(does, failed, finding) {
  addEventListener("keydown", (event) => {
    if (event.altKey || document.querySelector("dialog")) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key === "f" && finding()) return;
    if (!control && event.target.matches?.("input, select, textarea")) return;
    const name = control ? WITH_CONTROL.get(event.key) : BY_KEY.get(event.key);
    if (name === undefined) return;
    event.preventDefault();
    try {
      Promise.resolve(does[name]()).catch(failed);
    } catch (error) {
      failed(error);
    }
  });
}
