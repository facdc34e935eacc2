// One execution: what was asked, how far it is, its log while it runs, what came out; cancel it, try it again.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { duration, exact, took } from "../format.js";
import { logViewer } from "../log.js";
import { agentName, away, ENDED, fact, failure, heading, icon, issueUrl, loaded, pullUrl, statusPill, time } from "../parts.js";
import { poll } from "../polling.js";
import { shownResult, shownValue } from "../values.js";
import { executionsTable } from "./executions.js";

const EVERY_MS = 2000, ENDED_MS = 30_000;

export function executionPage({ id, redraw, shared }) {
  const safeId = encodeURIComponent(id);
  const path = `/agents/executions/${safeId}`, childrenPath = `/agents/executions?parent_id=${safeId}&limit=50`;
  let execution = api.remembered(path)?.data, children = [], error, refused, busy = false, hadEnded;
  const log = logViewer(safeId, { redraw });
  const polling = poll(async (signal) => {
    try {
      execution = (await api.get(path, { signal })).data;
      hadEnded ??= ENDED.has(execution.status); // then its result is what one came for
      children = (await api.get(childrenPath, { signal })).data;
      error = null;
    } catch (problem) {
      error = problem;
      if (problem.status === 404) execution = undefined;
      throw problem;
    } finally {
      redraw();
    }
    return ENDED.has(execution.status) ? ENDED_MS : EVERY_MS;
  }, EVERY_MS);

  async function act(verb) {
    document.getElementById("confirm")?.close();
    [busy, refused] = [true, null];
    redraw();
    try {
      await api.post(`${path}/${verb}`);
      if (verb === "retry") log.again();
    } catch (problem) {
      refused = problem;
    }
    busy = false;
    polling.now();
    redraw();
  }

  const ask = () => document.getElementById("confirm").showModal();
  const cancel = () =>
    button("Cancel", "cancelled", ask, execution.may_stop && !execution.cancel_requested_at, execution.may_stop || "agents.stop");
  const retry = () =>
    button("Retry", "rolled_back", () => act("retry"), execution.may_execute, execution.may_execute || "agents.execute");

  /** A button that says why it cannot be pressed. */
  const button = (text, sign, press, isOpen, lacking) => html`
    <button class="button ${text === "Cancel" ? "danger" : ""}" type="button" ?disabled=${busy || !isOpen} @click=${press}>
      ${icon(sign)}${text}</button>
    ${lacking === true ? nothing : html`<span class="hint">needs ${lacking}</span>`}`;

  const actions = () => html`
    ${["pending", "running"].includes(execution.status) ? cancel() : nothing}
    ${execution.status === "failed" ? retry() : nothing}
    <a class="button" href="#/start?agent=${execution.agent_type}&repository=${execution.repository_id ?? ""}">${icon("start")}Another</a>`;

  const confirm = () => html`
    <dialog id="confirm" aria-labelledby="confirm-title">
      <h2 id="confirm-title">Cancel this execution?</h2>
      <p>${execution.status === "running" ? "It is asked to stop. What it has done so far stays." : "It has not begun, and will not."}
        ${children.length ? "Those it started are cancelled, too." : ""}</p>
      <form method="dialog"><button class="button">Keep it</button>
        <button class="button danger solid" type="button" @click=${() => act("cancel")}>Cancel it</button></form>
    </dialog>`;

  const isUnknown = () => !execution && (error?.status === 404 || error?.status === 422);
  const unknown = () => html`
    <div class="empty"><h1 tabindex="-1">There is no such execution</h1><p>It was deleted, or it belongs to somebody else.</p>
      <a class="button" href="#/executions">All executions</a></div>`;
  const view = () => (isUnknown() ? unknown() : loaded(execution, error, shown, { rows: 12, retry: polling.now }));

  function shown() {
    const isCancelling = execution.cancel_requested_at && execution.status === "running";
    const agent = shared.agents.get(execution.agent_type);
    return html`
      <p class="crumbs"><a href="#/executions">Executions</a> / <span class="mono">${execution.id.slice(0, 8)}</span>
        ${execution.parent_id ? html` · started by
          <a class="mono" href="#/executions/${execution.parent_id}">${execution.parent_id.slice(0, 8)}</a>` : nothing}</p>
      ${heading(html`${agentName(execution.agent_type, agent)} ${statusPill(isCancelling ? "cancelling" : execution.status)}`,
        html`<div class="actions">${actions()}</div>`, agent?.description ?? nothing)}
      ${confirm()}
      ${refused ? failure(refused) : nothing}
      ${facts()}
      ${execution.error_message ? html`
        <div class="failure"><p class="message">${icon("warning")}${execution.error_message}</p></div>` : nothing}
      ${execution.result_summary ? html`<p class="outcome">${execution.result_summary}</p>` : nothing}
      <div class="columns detail">
        <div class="stack">${hadEnded ? html`${result()}${log.view()}` : html`${log.view()}${result()}`}</div>
        <div class="stack">${steps()}${input()}</div>
      </div>
      ${children.length ? html`
        <section class="card" aria-labelledby="children">
          <header><h2 id="children">Started by it</h2></header>${executionsTable(children, shared)}</section>` : nothing}`;
  }

  const facts = () => html`
    <dl class="facts">
      ${fact("Repository", execution.repository ? away(`https://github.com/${execution.repository}`, execution.repository) : nothing)}
      ${fact("Issue", execution.issue_number ? linked(issueUrl, execution.issue_number) : nothing)}
      ${fact("Pull request", execution.pr_number ? linked(pullUrl, execution.pr_number) : nothing)}
      ${fact("Asked for", time(execution.created_at))}
      ${fact("Started", execution.started_at ? time(execution.started_at) : nothing)}
      ${fact(ENDED.has(execution.status) ? "Took" : "Running for", took(execution) ?? nothing)}
      ${fact("Quality", execution.quality_score ?? nothing)}
      ${fact("Priority", execution.priority)}
      ${fact("Attempt", execution.attempt ? `${execution.attempt} of ${execution.max_attempts}` : nothing)}
      ${fact("Not before", execution.status === "pending" && execution.run_after ? exact(execution.run_after) : nothing)}
    </dl>`;
  const linked = (url, number) =>
    execution.repository ? away(url(execution.repository, number), `#${number}`) : `#${number}`;

  const steps = () => html`
    <section class="card" aria-labelledby="steps"><header><h2 id="steps">Steps</h2></header>
      ${execution.steps.length ? html`<ol class="steps">${repeat(execution.steps, (step) => step.number, step)}</ol>`
        : html`<p class="nothing">${ENDED.has(execution.status) ? "It took no steps." : "None yet."}</p>`}</section>`;
  const step = ({ number, name, status, error: why, started_at, completed_at }) => html`
    <li class=${status}><span class="sign">${icon(status)}<span class="out">${status}</span></span>
      <span class="name">${number}. ${name}${why ? html`<span class="problem">${why}</span>` : nothing}</span>
      <span class="muted small">${duration(new Date(completed_at ?? Date.now()) - new Date(started_at))}</span></li>`;

  const result = () => execution.result === null ? nothing : html`
    <section class="card" aria-labelledby="result"><header><h2 id="result">Result</h2></header>
      <div class="body">${execution.result?.escalation ? escalated(execution.result.escalation) : nothing}
        ${shownResult(execution.result?.data ?? execution.result)}</div>${raw(execution.result)}</section>`;
  const escalated = (what) => html`
    <div class="failure"><div><strong>Escalated</strong>${shownValue(what)}</div></div>`;
  const chosen = () => Object.fromEntries(Object.entries(execution.options).filter(([, on]) => on));
  const input = () => html`
    <section class="card" aria-labelledby="input"><header><h2 id="input">Input</h2></header>
      <div class="body">${shownValue({ ...execution.input, ...chosen() })}</div></section>`;
  const raw = (value) => html`
    <details class="raw"><summary>As JSON</summary><pre tabindex="0">${JSON.stringify(value, null, 2)}</pre></details>`;

  return {
    get title() {
      return execution ? `${execution.agent_type} ${execution.status}` : "Execution";
    },
    view,
    drawn: log.drawn,
    stop: () => (polling.stop(), log.stop()),
  };
}
