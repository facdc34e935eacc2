// Values as people read them.

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
// eslint-disable-next-line no-control-regex
const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

export const clock = (time) => CLOCK.format(new Date(time));
export const exact = (time) => EXACT.format(new Date(time));
export const count = (number) => number.toLocaleString("en");
export const words = (name) => name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());

export function ago(time, now = Date.now()) {
  const past = Math.max(0, now - new Date(time));
  if (past < 5000) return "just now";
  if (past < MINUTE) return `${Math.floor(past / 1000)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY) return `${Math.floor(past / HOUR)} h ago`;
  return DATE.format(new Date(time));
}

/** `420 ms`, `3.2 s`, `48 s`, `2 min 5 s`, `1 h 12 min`. */
export function duration(ms) {
  if (ms < 0) return "0 s";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / 1000)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / 1000)} s`;
  return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
}

/** How long it took, or has taken so far; undefined if it has not begun. */
export function took({ started_at: start, completed_at, finished_at }, now = Date.now()) {
  const end = completed_at ?? finished_at ?? now;
  return start ? duration(new Date(end) - new Date(start)) : undefined;
}

/** A line without what is meant for a terminal: colours, and what a carriage return has overwritten. */
export const plain = (text) =>
  text.replace(ANSI, "").split("\n").map((line) => line.replace(/\r+$/, "").split("\r").at(-1)).join("\n");
