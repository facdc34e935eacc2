// An execution's log while it is written: a stream where the server streams; where it does not (Lambda), pages, for each
// of which the API waits until there is a line.
// All lines are kept, as text; the page shows some hundreds of them, and follows until one scrolls up.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import * as api from "./api.js";
import { clock, count, plain } from "./format.js";
import { ENDED, icon } from "./parts.js";
import { poll } from "./polling.js";

const PAGE = 1000, SHOWN = 400, MOST_SHOWN = 2000;
const QUICK_MS = 250, STEADY_MS = 1000, QUIET_MS = 1500, WAIT_S = 20; // pages are counted by the API's rate limit
const NEAR_PX = 40;
const SAID_MS = 4000;
const STREAM_MS = 24 * 3600 * 1000;

export function logViewer(executionId, { redraw }) {
  const path = `/agents/executions/${executionId}/logs`;
  let lines = [], since = 0, first = 0, follows = true, onlyBad = false, ended = false, said = "", saidAt = 0, emptyTag;
  const box = () => document.querySelector(".log .lines");
  const polling = poll(read, QUICK_MS);

  /** Ask for a stream; what comes tells whether this server has any. Returns how long to wait before the next time. */
  async function read(signal) {
    const url = `${path}?since=${since}&limit=${PAGE}&wait=${WAIT_S}`, before = since, asked = Date.now();
    const headers = { Accept: "text/event-stream, application/json", ...(emptyTag && { "If-None-Match": emptyTag }) };
    const response = await api.authorized(url, { signal, headers, patience: STREAM_MS });
    if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) await stream(response);
    else take(response.status === 304 ? [] : await response.json(), response.headers.get("X-Execution-Status"));
    if (since === before) emptyTag = response.headers.get("ETag");
    const full = since - before >= PAGE, waited = Date.now() - asked > QUIET_MS;
    return ended ? false : full || waited ? QUICK_MS : since > before ? STEADY_MS : QUIET_MS;
  }

  function take(page, status) {
    if (!page.length && ENDED.has(status)) ended = true;
    add(page);
  }

  /** A page that nobody looks at lets the stream go; `poll` asks for another when it is looked at again. */
  async function stream(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const leave = () => document.hidden && reader.cancel();
    document.addEventListener("visibilitychange", leave);
    for (let text = "", part; !(part = await reader.read()).done; ) {
      const events = (text + part.value).split("\n\n");
      text = events.pop();
      add(events.map(eventOf).filter((event) => event.name === "log").map((event) => event.data));
      if (events.some((event) => eventOf(event).name === "end")) ended = true;
    }
    document.removeEventListener("visibilitychange", leave);
    redraw();
  }

  function add(found) {
    for (const { sequence, log_level, message, timestamp } of found) {
      if (sequence <= since) continue;
      since = sequence;
      lines.push({ sequence, level: log_level, text: plain(message), at: timestamp });
    }
    if (follows) first = Math.max(0, fitting().length - SHOWN);
    if (found.length) say(found);
    redraw();
  }

  /** For those who hear the page: not each line, but what is new, every few seconds, and errors at once. */
  function say(found) {
    const bad = found.findLast((line) => line.log_level === "ERROR");
    if (!bad && Date.now() - saidAt < SAID_MS) return;
    saidAt = Date.now();
    said = `${count(lines.length)} lines. ${bad ? "Error: " : ""}${plain((bad ?? found.at(-1)).message).slice(0, 200)}`;
  }

  const fitting = () => (onlyBad ? lines.filter(({ level }) => level === "WARN" || level === "ERROR") : lines);
  const afterDrawing = (work) => requestAnimationFrame(() => requestAnimationFrame(work));
  const toEnd = () => follows && box() && (box().scrollTop = box().scrollHeight);

  function follow() {
    follows = true;
    first = Math.max(0, fitting().length - SHOWN);
    redraw();
  }

  function scrolled({ target }) {
    const isAtEnd = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_PX;
    if (isAtEnd === follows) return;
    if (isAtEnd && first + MOST_SHOWN >= fitting().length) follow();
    else follows = false;
    redraw();
  }

  function earlier() {
    const lines = box(), height = lines.scrollHeight - lines.scrollTop;
    follows = false;
    first = Math.max(0, first - SHOWN);
    redraw();
    afterDrawing(() => (lines.scrollTop = lines.scrollHeight - height));
  }

  function only(event) {
    onlyBad = event.target.checked;
    follow();
  }

  function save() {
    const text = lines.map(({ at, level, text }) => `${at} ${level} ${text}\n`).join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = `${executionId}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const row = (line) => html`
    <div class="line ${line.level}"><time datetime=${line.at}>${clock(line.at)}</time>
      <span class="level">${line.level}</span> <span class="text">${line.text}</span></div>`;

  const none = () =>
    lines.length ? "No warnings and no errors." : ended ? "Nothing was logged." : "Waiting for the first line…";

  function view() {
    const all = fitting(), shown = all.slice(first, first + MOST_SHOWN), below = all.length - first - shown.length;
    const bad = lines.filter(({ level }) => level === "WARN" || level === "ERROR").length;
    return html`
      <section class="card log ${ended ? "ended" : ""}" aria-labelledby="log">
        <header>
          <h2 id="log">Log</h2>
          <span class="muted small">${count(lines.length)} ${lines.length === 1 ? "line" : "lines"}</span>
          ${ended ? nothing : html`<span class="live">${icon("running")}live</span>`}
          <label class="check small"><input type="checkbox" .checked=${onlyBad} @change=${only}> Warnings and errors (${count(bad)})</label>
          <button class="quiet small" type="button" ?disabled=${!lines.length} @click=${save}>Save</button>
        </header>
        <div class="lines" tabindex="0" role="region" aria-label="Lines of the log" @scroll=${scrolled}>
          ${first ? html`<button class="quiet small" type="button" @click=${earlier}>
            Show ${count(Math.min(SHOWN, first))} of ${count(first)} earlier lines</button>` : nothing}
          ${repeat(shown, (line) => line.sequence, row)}
          ${below > 0 ? html`<p class="muted small">${count(below)} more lines below</p>` : nothing}
          ${all.length ? nothing : html`<p class="muted small">${none()}</p>`}
        </div>
        ${follows || (ended && !below) ? nothing : html`
          <button class="button small follow" type="button" @click=${follow}>${icon("down")}Follow</button>`}
        <p class="out" role="log" aria-live="polite">${said}</p>
      </section>`;
  }

  return {
    view,
    drawn: toEnd,
    stop: polling.stop,
    again: () => ((ended = false), polling.now()),
  };
}

/** One server-sent event. */
function eventOf(text) {
  const fields = Object.fromEntries(text.split("\n").map((line) => line.split(/: ?(.*)/s)));
  return { name: fields.event, data: fields.data && JSON.parse(fields.data) };
}
