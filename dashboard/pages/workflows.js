// Workflows, one's own or an organization's, newest first.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { choice, empty, heading, loaded, query, time } from "../parts.js";
import { fetched } from "../polling.js";

const EVERY_MS = 8000;

export function workflowsPage({ params, redraw }) {
  const { organization: organization_id, cursor } = Object.fromEntries(params);
  const path = `/workflows${query({ organization_id, cursor, limit: 50 })}`;
  let organizations = [];
  const found = fetched(async (get) => {
    organizations = await api.organizations();
    return (await get(path)).workflows;
  }, redraw, EVERY_MS);
  const choose = (value) => (location.hash = `#/workflows${query({ organization: value })}`);
  const next = () => api.remembered(path)?.next;
  const none = () => empty("No workflows yet", "A workflow is a graph of agents' work: it is stored by the API, and run here.");

  return {
    title: "Workflows",
    stop: found.stop,
    view: () => html`
      ${heading("Workflows", choice("organization", "Whose", organization_id, "Yours",
        organizations.map((one) => [one.organization_id, one.organization_name]), choose))}
      <section class="card" aria-label="Workflows found">
        ${loaded(found.data, found.error, (rows) => (rows.length ? workflowsList(rows) : none()), { rows: 6, retry: found.now })}
      </section>
      <nav class="pages" aria-label="Pages">
        ${cursor ? html`<a class="button" href="#/workflows${query({ organization: organization_id })}">Newest</a>` : html`<span></span>`}
        ${next() ? html`<a class="button" href="#/workflows${query({ organization: organization_id, cursor: next() })}">Older</a>` : nothing}
      </nav>`,
  };
}

export const workflowsList = (rows) => html`
  <ul class="rows">${repeat(rows, (one) => one.id, (one) => html`
    <li><span class="titled"><a href="#/workflows/${one.id}"><strong>${one.name}</strong></a>
        <span class="muted small block">${one.description ?? ""}</span></span>
      <span class="muted small">${size(one)}${one.is_active ? "" : " · not active"} · ${time(one.created_at)}</span></li>`)}</ul>`;

/** Rows of another backend may hold anything. */
const size = ({ dag_definition: dag }) => {
  const nodes = Array.isArray(dag?.nodes) ? dag.nodes.length : 0;
  return `${nodes} ${nodes === 1 ? "node" : "nodes"}`;
};
