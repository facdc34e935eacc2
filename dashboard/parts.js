// What several pages are made of.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { ago, exact } from "./format.js";

const PATHS = {
  overview: "M2.5 2.5h4.5v5h-4.5zM9 2.5h4.5v3H9zM9 8h4.5v5.5H9zM2.5 10h4.5v3.5h-4.5z",
  executions: "M2.5 4h11M2.5 8h11M2.5 12h7",
  agents: "M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8ZM2.75 13.5a5.25 5.25 0 0 1 10.5 0",
  releases: "M8 13.5v-11M4 6.5l4-4 4 4M3 13.5h10",
  workflows: "M2.5 3h4v3h-4zM9.500 10h4v3h-4zM4.500 6v5.500h5M9.500 4.500h2V10",
  tasks: "M2.5 4.500l1.500 1.500 2.500-3M2.5 11l1.500 1.500 2.500-3M9 4.500h4.500M9 11h4.500",
  repositories: "M4 2.5h9v11H4a1.500 1.500 0 0 1 0-3h9M4 2.500A1.500 1.500 0 0 0 2.500 4v8",
  organizations: "M2.5 13.500V6L8 2.5 13.500 6v7.500zM6 13.500V9.500h4v4",
  start: "M8 3v10M3 8h10",
  pending: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM8 5v3l2 1.5",
  running: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
  completed: "M3.5 8.5l3 3 6-7",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM4.2 4.2l7.6 7.6",
  rolled_back: "M6 3.5L3 6.5l3 3M3 6.5h6a3.5 3.5 0 0 1 0 7H7",
  out: "M6 2.5H3v11h3M9.5 5l3 3-3 3M12.5 8H6.5",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.3 10.3l3.2 3.2",
  down: "M8 3v10M4 9l4 4 4-4",
  warning: "M8 2.5l6 11H2zM8 6.5v3M8 11.5v.2",
  link: "M6 3.5H3v9.500h9.500V10M9 3h4v4M13 3L7.500 8.500",
};
PATHS.succeeded = PATHS.completed;
PATHS.escalated = PATHS.warning;

export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name] ?? PATHS.pending}></path></svg>`;

const STATUS = {
  pending: "Queued", running: "Running", completed: "Completed", failed: "Failed", cancelled: "Cancelled",
  succeeded: "Succeeded", rolled_back: "Rolled back", cancelling: "Cancelling",
  waiting: "Waiting", escalated: "Escalated",
};
export const STATUSES = ["pending", "running", "completed", "failed", "cancelled"];
export const ENDED = new Set(["completed", "failed", "cancelled"]);
export const statusName = (status) => STATUS[status] ?? status;

export const statusPill = (status) =>
  html`<span class="pill ${status}">${icon(status === "cancelling" ? "running" : status)}${statusName(status)}</span>`;

export const time = (value, none = "–") =>
  value ? html`<time datetime=${value} title=${exact(value)}>${ago(value)}</time>` : none;

/** The character's name where there is one, and the id. `agent` may be unknown to us. */
export const agentName = (id, agent) =>
  html`<span class="agent-name">${id}${agent?.character
    ? html`<span class="character" lang="ja">${agent.character}</span>` : nothing}</span>`;

export const heading = (title, aside = nothing, lead = nothing) => html`
  <header class="page-head">
    <div><h1 tabindex="-1">${title}</h1>${lead === nothing ? nothing : html`<p class="lead">${lead}</p>`}</div>
    <div class="page-aside">${aside}</div>
  </header>`;

/** Room for what is being fetched, as high as it will be. */
export const skeleton = (rows, label = "Loading") => html`
  <div class="skeleton" role="status" aria-label=${label}>${Array.from({ length: rows }, () => html`<i></i>`)}</div>`;

export const empty = (title, text, action = nothing) => html`
  <div class="empty"><h2>${title}</h2><p>${text}</p>${action}</div>`;

/** What went wrong, where the data would be. */
export const failure = (error, retry) => html`
  <div class="failure" role="alert">
    ${icon("warning")}<p>${error.message}</p>
    ${retry ? html`<button class="button" type="button" @click=${retry}>Try again</button>` : nothing}
  </div>`;

/** One of several, each `[value, text]`; nothing chosen is `all`. */
export const choice = (id, label, chosen, all, options, choose) => html`
  <span class="select"><label class="out" for=${id}>${label}</label>
    <select id=${id} .value=${live(chosen ?? "")} @change=${(event) => choose(event.target.value)}>
      <option value="">${all}</option>
      ${options.map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}
    </select></span>`;

export const fact = (name, value) =>
  value === nothing || value === null || value === undefined ? nothing : html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

/** Where a row would be that one may not see, or that is gone. */
export const unknown = (what, hash, all) => html`
  <div class="empty"><h1 tabindex="-1">There is no such ${what}</h1><p>It was deleted, or it belongs to somebody else.</p>
    <a class="button" href=${hash}>${all}</a></div>`;
export const isUnknown = ({ data, error }) => !data && [403, 404, 422].includes(error?.status);

/** What one is looking at: data, a failure, or room for what is to come. Old data stays while new is fetched. */
export const loaded = (data, error, show, { rows = 6, retry } = {}) =>
  data ? show(data) : error ? failure(error, retry) : skeleton(rows);

export const issueUrl = (repository, number) => `https://github.com/${repository}/issues/${number}`;
export const pullUrl = (repository, number) => `https://github.com/${repository}/pull/${number}`;

/** A link to elsewhere. */
export const away = (url, text) => html`<a href=${url} target="_blank" rel="noopener noreferrer">${text}</a>`;

export const query = (values) => {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(kept).toString();
  return text && `?${text}`;
};
