// One workflow: its graph, level by level, with the state of each node in the run that is looked at; running it.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { took } from "../format.js";
import { agentName, ENDED, fact, failure, heading, icon, isUnknown, loaded, statusPill, time, unknown } from "../parts.js";
import { fetched } from "../polling.js";

const EVERY_MS = 2500;

export function workflowPage({ id, params, redraw, shared }) {
  const path = `/workflows/${encodeURIComponent(id)}`, chosen = params.get("run");
  let refused, busy = false;
  const found = fetched(async (get) => {
    const workflow = await get(path), runs = (await get(`${path}/runs?limit=20`)).runs;
    const looked = chosen ?? runs[0]?.id;
    const run = looked ? await get(`${path}/runs/${encodeURIComponent(looked)}`) : null;
    return { workflow, runs, run, repository: await api.repositoryOf(workflow, get) };
  }, redraw, EVERY_MS);

  async function act(work) {
    [busy, refused] = [true, null];
    redraw();
    try {
      await work();
    } catch (problem) {
      refused = problem;
    }
    busy = false;
    found.now();
    redraw();
  }

  const start = () => act(async () => {
    const run = await api.post(`${path}/execute`);
    if (chosen) location.hash = `#/workflows/${id}?run=${run.id}`;
  });
  const cancel = (run) => () => act(() => api.post(`${path}/runs/${run.id}/cancel`));

  const actions = ({ workflow, run }) => html`
    <div class="actions">
      ${run && !ENDED.has(run.status) ? html`
        <button class="button danger" type="button" ?disabled=${busy} @click=${cancel(run)}>${icon("cancelled")}Cancel the run</button>` : nothing}
      <button class="button" type="button" ?disabled=${busy || !workflow.is_active || !workflow.repository_id} @click=${start}>
        ${icon("start")}Run</button>
      ${workflow.repository_id ? nothing : html`<span class="hint">belongs to no repository: run it by the API</span>`}
    </div>`;

  const facts = ({ workflow, run, repository }) => html`
    <dl class="facts">
      ${fact("Repository", workflow.repository_id ? html`<a href="#/repositories/${workflow.repository_id}">${repository}</a>` : nothing)}
      ${fact("Made", time(workflow.created_at))}
      ${fact("Active", workflow.is_active ? "yes" : "no")}
      ${fact("Run", run ? html`<a class="mono" href="#/executions/${run.id}">${run.id.slice(0, 8)}</a>` : nothing)}
      ${fact("Asked for", run ? time(run.created_at) : nothing)}
      ${fact("Took", run ? took(run) : nothing)}
    </dl>`;

  const graph = ({ workflow, run }) => {
    const rows = levels(run ? run.nodes : plain(workflow.dag_definition));
    return html`
      <section class="card" aria-labelledby="graph">
        <header><h2 id="graph">Graph</h2>${run ? statusPill(run.status) : nothing}</header>
        ${rows.length ? html`<ol class="graph">${rows.map((level) => html`
          <li><ul>${repeat(level, (one) => one.id, node)}</ul></li>`)}</ol>` : html`<p class="nothing">It has no nodes that can be run.</p>`}
      </section>`;
  };
  const node = (one) => html`
    <li class="node ${one.status ?? ""}">
      <strong>${one.execution_id ? html`<a href="#/executions/${one.execution_id}">${one.name ?? one.id}</a>` : (one.name ?? one.id)}</strong>
      <span class="small">${agentName(one.agent_type, shared.agents.get(one.agent_type))}</span>
      ${one.depends_on.length ? html`<span class="muted small">after ${one.depends_on.join(", ")}</span>` : nothing}
      ${one.status ? html`<span class="state">${statusPill(one.status)}<span class="muted small">${took(one) ?? nothing}</span></span>` : nothing}
      ${one.error_message || one.result_summary ? html`<span class="small note">${one.error_message ?? one.result_summary}</span>` : nothing}
    </li>`;

  const runs = ({ runs: all, run }) => html`
    <section class="card" aria-labelledby="runs"><header><h2 id="runs">Runs</h2></header>
      ${all.length ? html`<ul class="rows">${repeat(all, (one) => one.id, (one) => html`
        <li><span><a class="mono" href="#/workflows/${id}?run=${one.id}" aria-current=${one.id === run?.id ? "true" : nothing}>${one.id.slice(0, 8)}</a>
          <span class="muted small">${time(one.created_at)}</span></span>${statusPill(one.status)}</li>`)}</ul>`
        : html`<p class="nothing">It has not been run.</p>`}</section>`;

  const show = (data) => html`
    <p class="crumbs"><a href="#/workflows">Workflows</a> / <span class="mono">${data.workflow.id.slice(0, 8)}</span></p>
    ${heading(data.workflow.name, actions(data), data.workflow.description ?? nothing)}
    ${refused ? failure(refused) : nothing}
    ${facts(data)}
    ${data.run?.error_message ? html`<div class="failure"><p class="message">${icon("warning")}${data.run.error_message}</p></div>` : nothing}
    <div class="columns detail"><div class="stack">${graph(data)}</div><div class="stack">${runs(data)}</div></div>`;

  return {
    get title() {
      return found.data?.workflow.name ?? "Workflow";
    },
    stop: found.stop,
    view: () => (isUnknown(found) ? unknown("workflow", "#/workflows", "All workflows")
      : loaded(found.data, found.error, show, { rows: 8, retry: found.now })),
  };
}

/** The nodes as a run has them, of a graph that was not run: `edges` are another way to write `depends_on`. */
function plain(dag) {
  const edges = Array.isArray(dag?.edges) ? dag.edges : [];
  return (Array.isArray(dag?.nodes) ? dag.nodes : []).map((one) => ({
    id: String(one.id), name: one.name, agent_type: one.agent_type ?? one.agent,
    depends_on: [...new Set([...(one.depends_on ?? []), ...edges.filter(({ to }) => to === one.id).map(({ from }) => from)])],
  }));
}

/** Those that wait for nothing, those that wait for these, and so on. */
function levels(nodes) {
  const found = [], done = new Set();
  let left = nodes;
  while (left.length) {
    const ready = left.filter((one) => one.depends_on.every((other) => done.has(other)));
    const level = ready.length ? ready : left; // a circle, in a row of another backend
    found.push(level);
    level.forEach((one) => done.add(one.id));
    left = left.filter((one) => !done.has(one.id));
  }
  return found;
}
