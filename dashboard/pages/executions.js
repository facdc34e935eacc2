// All executions: filtered, searched, a page at a time. The address has the filter and the page, so that both can be
// sent to a colleague and the browser's Back works.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { took } from "../format.js";
import { agentName, empty, heading, icon, loaded, query, STATUSES, statusName, statusPill, time } from "../parts.js";
import { poll } from "../polling.js";

const PAGE = 50;
const EVERY_MS = 3000, OLDER_EVERY_MS = 15_000;
const TYPED_MS = 300;
let typing;

export function executionsPage({ params, redraw, shared, replaceAddress }) {
  const chosen = Object.fromEntries(params);
  const path = `/agents/executions${query({
    status: chosen.status, agent_type: chosen.agent, repository_id: chosen.repository, text: chosen.text,
    parent_id: chosen.parent, before: chosen.before, limit: PAGE,
  })}`;
  let error, answer = api.remembered(path), repositories;

  const polling = poll(async (signal) => {
    try {
      answer = await api.get(path, { signal });
      repositories ??= await api.repositories({ signal });
      error = null;
    } catch (problem) {
      error = problem;
      throw problem;
    } finally {
      redraw();
    }
    return chosen.before ? OLDER_EVERY_MS : EVERY_MS;
  }, EVERY_MS);

  const address = (changed) => `#/executions${query({ ...chosen, before: undefined, ...changed })}`;
  const choose = (name) => (event) => (location.hash = address({ [name]: event.target.value }));
  function search(event) {
    clearTimeout(typing);
    const text = event.target.value.trim();
    typing = setTimeout(() => replaceAddress(address({ text })), TYPED_MS);
  }

  const select = (name, label, all, options) => html`
    <span class="select"><label class="out" for=${name}>${label}</label>
      <select id=${name} .value=${live(chosen[name] ?? "")} @change=${choose(name)}>
        <option value="">${all}</option>
        ${options?.map(([value, text]) => html`<option value=${value} ?selected=${value === chosen[name]}>${text}</option>`)}
      </select></span>`;

  const agents = () => [...shared.agents.values()];
  const filters = () => html`
    <form class="filters" role="search" aria-label="Executions" @submit=${(event) => event.preventDefault()}>
      <label class="search">${icon("search")}<span class="out">Search</span>
        <input type="search" placeholder="Search summaries, errors, #issue, id" maxlength="200" .value=${chosen.text ?? ""} @input=${search}></label>
      ${select("status", "Status", "All statuses", STATUSES.map((status) => [status, statusName(status)]))}
      ${select("agent", "Agent", "All agents", agents().map(({ id, character }) => [id, `${id} ${character ?? ""}`]))}
      ${select("repository", "Repository", "All repositories", repositories?.map(({ id, full_name }) => [id, full_name]))}
    </form>`;

  const isFiltered = ["status", "agent", "repository", "text", "parent"].some((name) => chosen[name]);
  const none = () => {
    if (answer.next) return empty("None so far", "The search looks at 10,000 executions at a time; there are more.");
    if (!isFiltered) return empty("No executions yet", "Ask an agent to work, and it appears here at once.",
      html`<a class="button primary" href="#/start">${icon("start")}Start an agent</a>`);
    return empty("Nothing fits", "No execution has all of this.", html`<a class="button" href="#/executions">Clear the filter</a>`);
  };

  const pages = () => html`
    <nav class="pages" aria-label="Pages">
      ${chosen.before ? html`<a class="button" href=${address({})}>Newest</a>` : html`<span></span>`}
      ${answer.next ? html`<a class="button" href=${address({ before: answer.next })}>${answer.data.length ? "Older" : "Search on"}</a>` : nothing}
    </nav>`;

  return {
    title: "Executions",
    stop: () => (polling.stop(), clearTimeout(typing)),
    view: () => html`
      ${heading("Executions", html`<a class="button primary" href="#/start">${icon("start")}Start an agent</a>`,
        chosen.parent ? html`Of <a href="#/executions/${chosen.parent}">one coordinator</a> alone` : nothing)}
      ${filters()}
      <section class="card" aria-label="Executions found">
        ${loaded(answer, error, () => (answer.data.length ? executionsTable(answer.data, shared) : none()), { rows: 16, retry: polling.now })}
      </section>
      ${answer ? pages() : nothing}`,
  };
}

/** A table on a wide screen, cards on a narrow one. */
export const executionsTable = (rows, shared) => html`
  <table class="executions">
    <thead><tr>
      <th scope="col">Status</th><th scope="col">Agent</th><th scope="col">What</th><th scope="col">Asked for</th>
      <th scope="col" class="number">Took</th>
    </tr></thead>
    <tbody>${repeat(rows, (row) => row.id, (row) => html`
      <tr>
        <td class="status">${statusPill(row.status)}</td>
        <td class="agent"><a class="row-link" href="#/executions/${row.id}">
          ${agentName(row.agent_type, shared.agents.get(row.agent_type))}</a></td>
        <td class="what"><span class="where">${row.repository ?? "no repository"}${row.issue_number ? ` #${row.issue_number}` : ""}</span>
          <span class="summary">${row.error_message && row.status === "failed" ? row.error_message : (row.result_summary ?? "")}</span></td>
        <td class="when">${time(row.created_at)}</td>
        <td class="took number">${took(row) ?? nothing}</td>
      </tr>`)}</tbody>
  </table>`;
