// Tasks, one's own or an organization's: filtered, urgent ones first, a page at a time.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { count, took } from "../format.js";
import { agentName, choice, empty, heading, loaded, query, STATUSES, statusName, statusPill, time } from "../parts.js";
import { fetched } from "../polling.js";

const LIMIT = 50, EVERY_MS = 4000;
const PRIORITIES = ["P0", "P1", "P2", "P3"];

export function tasksPage({ params, redraw, shared }) {
  const chosen = Object.fromEntries(params), page = Number(chosen.page ?? 1);
  const { organization: organization_id, status, priority } = chosen;
  let organizations = [];
  const found = fetched(async (get) => {
    organizations = await api.organizations();
    return get(`/tasks${query({ organization_id, status, priority, page, limit: LIMIT })}`);
  }, redraw, EVERY_MS);

  const choose = (name) => (value) => (location.hash = `#/tasks${query({ ...chosen, page: undefined, [name]: value })}`);
  const filters = () => html`
    <div class="filters">
      ${choice("organization", "Whose", organization_id, "Yours", organizations.map((one) => [one.organization_id, one.organization_name]), choose("organization"))}
      ${choice("status", "Status", status, "All statuses", STATUSES.map((one) => [one, statusName(one)]), choose("status"))}
      ${choice("priority", "Priority", priority, "All priorities", PRIORITIES.map((one) => [one, one]), choose("priority"))}
    </div>`;
  const none = () => (status || priority || page > 1 ? empty("Nothing fits", "No task has all of this.")
    : empty("No tasks yet", "A coordinator makes one for each part of its plan; others are made by the API."));
  const to = (number) => `#/tasks${query({ ...chosen, page: number })}`;
  const pages = () => html`
    <nav class="pages" aria-label="Pages">
      ${page > 1 ? html`<a class="button" href=${to(page - 1)}>Before</a>` : html`<span></span>`}
      ${page * LIMIT < found.data.total ? html`<a class="button" href=${to(page + 1)}>After</a>` : nothing}
    </nav>`;

  return {
    title: "Tasks",
    stop: found.stop,
    view: () => html`
      ${heading("Tasks", nothing, found.data ? html`${count(found.data.total)} in all` : nothing)}
      ${filters()}
      <section class="card" aria-label="Tasks found">
        ${loaded(found.data, found.error, ({ tasks }) => (tasks.length ? tasksTable(tasks, shared) : none()), { rows: 10, retry: found.now })}
      </section>
      ${found.data ? pages() : nothing}`,
  };
}

export const tasksTable = (rows, shared) => html`
  <table class="executions">
    <thead><tr>
      <th scope="col">Status</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Made</th>
      <th scope="col" class="number">Took</th>
    </tr></thead>
    <tbody>${repeat(rows, (row) => row.id, (row) => html`
      <tr>
        <td class="status">${statusPill(row.status)}</td>
        <td class="agent">${row.agent_type ? agentName(row.agent_type, shared.agents.get(row.agent_type)) : "a person"}</td>
        <td class="what"><span class="where">${row.priority ?? "P2"}${row.issue_number ? ` · #${row.issue_number}` : ""}</span>
          <a class="row-link" href="#/tasks/${row.id}"><span class="summary">${row.name}</span></a></td>
        <td class="when">${time(row.created_at)}</td>
        <td class="took number">${took(row) ?? nothing}</td>
      </tr>`)}</tbody>
  </table>`;
