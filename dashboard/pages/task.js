// One task: what is to be done, what it waits for, what became of it; and the moves that it can make now.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { took } from "../format.js";
import { agentName, fact, failure, heading, icon, isUnknown, loaded, statusPill, time, unknown } from "../parts.js";
import { fetched } from "../polling.js";
import { shownResult, shownValue } from "../values.js";

const EVERY_MS = 3000;
const MOVES = { pending: ["start", "cancel"], running: ["complete", "fail", "cancel"], failed: ["retry"] };
const SIGNS = { start: "running", complete: "completed", fail: "failed", cancel: "cancelled", retry: "rolled_back" };
const WORDS = { start: "Start", complete: "Complete", fail: "Fail", cancel: "Cancel", retry: "Retry" };

export function taskPage({ id, redraw, shared }) {
  const path = `/tasks/${encodeURIComponent(id)}`;
  let refused, busy = false;
  const found = fetched(async (get) => {
    const { task } = await get(path), { dependencies } = await get(`${path}/dependencies`);
    return { task, dependencies, repository: await api.repositoryOf(task, get) };
  }, redraw, EVERY_MS);

  /** Only what one has seen is moved: If-Match. */
  const move = (how) => async () => {
    [busy, refused] = [true, null];
    redraw();
    try {
      await api.post(`${path}/${how}`, undefined, { "If-Match": api.remembered(path)?.tag ?? "*" });
    } catch (problem) {
      refused = problem;
    }
    busy = false;
    found.now();
    redraw();
  };

  const actions = ({ status }) => html`<div class="actions">${(MOVES[status] ?? []).map((how) => html`
    <button class="button ${how === "cancel" || how === "fail" ? "danger" : ""}" type="button" ?disabled=${busy} @click=${move(how)}>
      ${icon(SIGNS[how])}${WORDS[how]}</button>`)}</div>`;

  const facts = (task, repository) => html`
    <dl class="facts">
      ${fact("Priority", task.priority)}
      ${fact("Agent", task.agent_type ? agentName(task.agent_type, shared.agents.get(task.agent_type)) : nothing)}
      ${fact("Repository", task.repository_id ? html`<a href="#/repositories/${task.repository_id}">${repository}</a>` : nothing)}
      ${fact("Issue", task.issue_number ? `#${task.issue_number}` : nothing)}
      ${fact("Done by", task.execution_id ? html`<a class="mono" href="#/executions/${task.execution_id}">${task.execution_id.slice(0, 8)}</a>` : nothing)}
      ${fact("Made", time(task.created_at))}
      ${fact("Started", task.started_at ? time(task.started_at) : nothing)}
      ${fact("Took", task.started_at ? took({ ...task, finished_at: task.failed_at ?? task.cancelled_at }) : nothing)}
      ${fact("Tried again", `${task.retry_count ?? 0} of ${task.max_retries ?? 0} times`)}
    </dl>`;

  const waits = (dependencies) => html`
    <section class="card" aria-labelledby="waits"><header><h2 id="waits">Waits for</h2></header>
      ${dependencies.length ? html`<ul class="rows">${repeat(dependencies, (one) => one.id, (one) => html`
        <li><span><a href="#/tasks/${one.depends_on_task_id}">${one.name}</a></span>${statusPill(one.status)}</li>`)}</ul>`
        : html`<p class="nothing">Nothing.</p>`}</section>`;

  const card = (key, title, body) => html`
    <section class="card" aria-labelledby=${key}><header><h2 id=${key}>${title}</h2></header><div class="body">${body}</div></section>`;

  const show = ({ task, dependencies, repository }) => html`
    <p class="crumbs"><a href="#/tasks">Tasks</a> / <span class="mono">${task.id.slice(0, 8)}</span></p>
    ${heading(html`${task.name} ${statusPill(task.status)}`, actions(task))}
    ${refused ? failure(refused) : nothing}
    ${facts(task, repository)}
    ${task.error_message ? html`<div class="failure"><p class="message">${icon("warning")}${task.error_message}</p></div>` : nothing}
    <div class="columns detail">
      <div class="stack">
        ${task.description ? card("description", "What is to be done", html`<div class="prose">${task.description}</div>`) : nothing}
        ${task.result === null ? nothing : card("result", "Result", shownResult(task.result))}
        ${Object.keys(task.metadata ?? {}).length ? card("metadata", "Besides", shownValue(task.metadata)) : nothing}
      </div>
      <div class="stack">${waits(dependencies)}</div>
    </div>`;

  return {
    get title() {
      return found.data?.task.name ?? "Task";
    },
    stop: found.stop,
    view: () => (isUnknown(found) ? unknown("task", "#/tasks", "All tasks")
      : loaded(found.data, found.error, show, { rows: 8, retry: found.now })),
  };
}
