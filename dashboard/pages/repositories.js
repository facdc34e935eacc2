// Repositories: where agents may work, and what goes on in one of them.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { away, empty, fact, heading, icon, isUnknown, loaded, query, time, unknown } from "../parts.js";
import { fetched } from "../polling.js";
import { executionsTable } from "./executions.js";
import { tasksTable } from "./tasks.js";
import { workflowsList } from "./workflows.js";

const EVERY_MS = 8000, OFTEN_MS = 4000, FEW = 8;

export function repositoriesPage({ redraw }) {
  const found = fetched(async () => ({
    repositories: await api.repositories(),
    names: new Map((await api.organizations()).map((one) => [one.organization_id, one.organization_name])),
  }), redraw, EVERY_MS);

  const row = (names) => (one) => html`
    <li><span class="titled"><a href="#/repositories/${one.id}"><strong>${one.full_name}</strong></a>
        <span class="muted small block">${one.organization_id ? names.get(one.organization_id) : "yours"} · ${one.default_branch ?? "main"}
          · ${time(one.created_at)}</span></span>
      ${one.is_active ? html`<a class="button small" href="#/start?repository=${one.id}" aria-label="Start an agent on ${one.full_name}">
        ${icon("start")}Start an agent</a>` : html`<span class="pill">not active</span>`}</li>`;

  const show = ({ repositories, names }) => (repositories.length
    ? html`<ul class="rows">${repeat(repositories, (one) => one.id, row(names))}</ul>`
    : empty("No repositories yet", "Agents work on repositories: name one when you start an agent.",
        html`<a class="button primary" href="#/start">${icon("start")}Start an agent</a>`));

  return {
    title: "Repositories",
    stop: found.stop,
    view: () => html`
      ${heading("Repositories")}
      <section class="card" aria-label="Repositories found">${loaded(found.data, found.error, show, { rows: 6, retry: found.now })}</section>`,
  };
}

export function repositoryPage({ id, redraw, shared }) {
  const repository_id = encodeURIComponent(id);
  const found = fetched(async (get) => {
    const repository = await get(`/repositories/${repository_id}`);
    const { organization_id } = repository;
    const filter = query({ organization_id, repository_id: id, limit: FEW });
    return {
      repository, executions: await get(`/agents/executions${query({ repository_id: id, visible: true, limit: FEW })}`),
      tasks: (await get(`/tasks${filter}`)).tasks, workflows: (await get(`/workflows${filter}`)).workflows,
    };
  }, redraw, OFTEN_MS);

  const part = (key, title, href, rows, table, none) => html`
    <section class="card" aria-labelledby=${key}><header><h2 id=${key}>${title}</h2>${href ? html`<a href=${href}>All</a>` : nothing}</header>
      ${rows.length ? table(rows, shared) : html`<p class="nothing">${none}</p>`}</section>`;

  const show = ({ repository, executions, tasks, workflows }) => html`
    <p class="crumbs"><a href="#/repositories">Repositories</a> / ${repository.name}</p>
    ${heading(repository.full_name, repository.is_active ? html`
      <div class="actions"><a class="button" href="#/start?repository=${repository.id}">${icon("start")}Start an agent here</a></div>` : nothing)}
    <dl class="facts">
      ${fact("On GitHub", away(`https://github.com/${repository.full_name}`, repository.full_name))}
      ${fact("Branch", repository.default_branch)}
      ${fact("Of", repository.organization_id ? html`<a href="#/organizations/${repository.organization_id}">an organization</a>` : "you")}
      ${fact("Active", repository.is_active ? "yes" : "no: register it again")}
      ${fact("Since", time(repository.created_at))}
    </dl>
    <div class="stack">
      ${part("executions", "Newest executions", `#/executions?repository=${repository.id}`, executions, executionsTable, "No agent has worked here.")}
      ${part("tasks", "Tasks", "", tasks, tasksTable, "None.")}
      ${part("workflows", "Workflows", "", workflows, workflowsList, "None.")}
    </div>`;

  return {
    get title() {
      return found.data?.repository.full_name ?? "Repository";
    },
    stop: found.stop,
    view: () => (isUnknown(found) ? unknown("repository", "#/repositories", "All repositories")
      : loaded(found.data, found.error, show, { rows: 8, retry: found.now })),
  };
}
