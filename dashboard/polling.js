// Asking again and again: not while the tab is hidden, ever more seldom while it fails, at once when it may work again
// or when the API says that something has happened (live.js).

import * as api from "./api.js";

const LONGEST_MS = 30_000;

/** Call `work(signal)` now and `every` ms after it is done; it may return another pause, or false to end. Stop it. */
export function poll(work, every) {
  const stopped = new AbortController();
  let timer, running = false, failures = 0, again = false;

  async function turn() {
    clearTimeout(timer);
    timer = null;
    if (running) {
      again = true;
      return;
    }
    if (document.hidden || stopped.signal.aborted) return;
    running = true;
    const pause = await work(stopped.signal).then(
      (answer) => ((failures = 0), answer === undefined ? every : answer),
      (error) => backoff(error),
    );
    running = false;
    if (again) pause === false || queueMicrotask(turn);
    else if (pause !== false && !stopped.signal.aborted) timer = setTimeout(turn, pause);
    again = false;
  }

  function backoff(error) {
    if (stopped.signal.aborted) return false;
    if (error.status !== undefined && !error.isPassing) return false;
    if (error.status === undefined) console.error(error);
    const pause = Math.min(LONGEST_MS, Math.max(1000, every / 2) * 2 ** failures++);
    return Math.max(error.retryAfterMs ?? 0, pause * (0.8 + 0.4 * Math.random()));
  }

  const soon = () => document.hidden || turn();
  const sooner = () => timer && soon();
  document.addEventListener("visibilitychange", soon, { signal: stopped.signal });
  addEventListener("online", soon, { signal: stopped.signal });
  addEventListener("poll-now", soon, { signal: stopped.signal });
  addEventListener("happened", sooner, { signal: stopped.signal });
  turn();
  return { now: turn, stop: () => (clearTimeout(timer), stopped.abort()) };
}

/** What a page shows, asked for again and again: `{data, error}`. `work` is given what GET answers at a path. */
export function fetched(work, redraw, every) {
  const found = { data: undefined, error: null };
  const polling = poll(async (signal) => {
    try {
      found.data = await work(async (path) => (await api.get(path, { signal })).data);
      found.error = null;
    } catch (problem) {
      found.error = problem;
      if (problem.status === 404) found.data = undefined;
      throw problem;
    } finally {
      redraw();
    }
  }, every);
  return Object.assign(found, polling);
}

/** For whoever pressed "try now". */
export const pollNow = () => dispatchEvent(new Event("poll-now"));
