// Asking an agent to work: a form made of the agent's own schema. What the API refuses is said at the field.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { words } from "../format.js";
import { collect, fields, problem, problemsByField, typed } from "../form.js";
import { failure, heading, icon, loaded, skeleton } from "../parts.js";
import { poll } from "../polling.js";

const CATEGORIES = ["coding", "business", "community"];
const PRIORITIES = { P0: "P0 – first", P1: "P1", P2: "P2 – normal", P3: "P3 – when there is time" };
const OPTIONS = ["use_worktree", "auto_pr", "slack_notify"];

export function startPage({ params, redraw, shared }) {
  const values = new Map([["agent_type", params.get("agent") ?? ""], ["repository_id", params.get("repository") ?? ""], ["priority", "P2"]]);
  let repositories, agent, error, refused, problems = new Map(), busy = false, key = {};
  const polling = poll(async (signal) => {
    try {
      repositories = await api.repositories({ signal });
      if (!repositories.some(({ id }) => id === values.get("repository_id"))) values.set("repository_id", repositories[0]?.id ?? "");
      if (values.get("agent_type")) await choose(values.get("agent_type"));
      error = null;
    } catch (problem) {
      error = problem;
      throw problem;
    } finally {
      redraw();
    }
    return false;
  }, 2000);

  async function choose(id) {
    values.set("agent_type", id);
    [agent, problems, refused] = [undefined, new Map(), null];
    redraw();
    const found = id && (await api.get(`/agents/${encodeURIComponent(id)}`)).data;
    if (values.get("agent_type") === id) agent = found;
    redraw();
  }

  const changed = () => redraw();
  const put = (name) => (event) => (values.set(name, typed(event.target)), changed());

  async function register() {
    [problems, refused] = [new Map(), null];
    try {
      const made = await api.post("/repositories", { full_name: (values.get("full_name") ?? "").trim() });
      repositories = await api.repositories();
      values.set("repository_id", made.id).delete("full_name");
    } catch (error) {
      problems.set("full_name", error.message);
    }
    redraw();
    if (problems.size) document.getElementById("full_name")?.focus();
  }

  /** The same request has the same key, so that one whose answer was lost is not done twice. */
  function keyOf(body) {
    const text = JSON.stringify(body);
    if (key.text !== text) key = { text, value: crypto.getRandomValues(new Uint32Array(4)).join("-") };
    return key.value;
  }

  function body() {
    const input = collect(agent.input_schema, { root: agent.input_schema, path: "input", values, problems });
    const options = Object.fromEntries(OPTIONS.filter((name) => values.get(name)).map((name) => [name, true]));
    const issue = values.get("issue_number");
    return {
      repository_id: values.get("repository_id"), agent_type: agent.id, priority: values.get("priority"), options, input,
      ...(issue ? { issue_number: Number(issue) } : {}),
    };
  }

  async function send(event) {
    event.preventDefault();
    if (busy || !agent) return;
    [problems, refused] = [new Map(), null];
    const wanted = body();
    if (!wanted.repository_id) problems.set("repository_id", "Choose a repository, or add one");
    if (problems.size) return point();
    busy = true;
    redraw();
    try {
      const made = await api.post("/agents/execute", wanted, { "Idempotency-Key": keyOf(wanted) });
      location.hash = `#/executions/${made.id}`;
    } catch (error) {
      if (Array.isArray(error.details)) problems = problemsByField(error.details, (path) => document.getElementById(path));
      refused = error;
      point();
    }
    busy = false;
    redraw();
  }

  /** To the first field that has a problem. */
  function point() {
    redraw();
    requestAnimationFrame(() => requestAnimationFrame(() => document.querySelector('[aria-invalid="true"], .failure')?.focus()));
  }

  const option = (value, text, name) => html`<option value=${value} ?selected=${value === values.get(name)}>${text}</option>`;
  const bad = (name) =>
    problems.has(name) ? { invalid: "true", by: `${name}-problem` } : { invalid: nothing, by: nothing };

  const of = (category) => [...shared.agents.values()].filter((one) => one.category === category);
  const chosen = (event) => choose(event.target.value).catch((problem) => ((error = problem), redraw()));
  const which = () => html`
    <div class="field"><label for="agent_type">Agent</label>
      <select id="agent_type" @change=${chosen} aria-invalid=${bad("agent_type").invalid} aria-describedby=${bad("agent_type").by}>
        ${option("", "Choose an agent", "agent_type")}
        ${CATEGORIES.map((category) => html`<optgroup label=${words(category)}>
          ${of(category).map((one) => option(one.id, `${one.id} ${one.character ?? ""}`, "agent_type"))}</optgroup>`)}
      </select>${problem("agent_type", problems)}</div>`;

  const where = () => html`
    ${repositories.length ? html`
      <div class="field"><label for="repository_id">Repository</label>
        <select id="repository_id" @change=${put("repository_id")} aria-invalid=${bad("repository_id").invalid} aria-describedby=${bad("repository_id").by}>
          ${repeat(repositories, ({ id }) => id, ({ id, full_name }) => option(id, full_name, "repository_id"))}
        </select>${problem("repository_id", problems)}</div>` : nothing}
    <details class="more" ?open=${!repositories.length}><summary>${repositories.length ? "Add another repository" : "Add your first repository"}</summary>
      <div class="field inline"><label for="full_name">Owner and name</label>
        <input id="full_name" placeholder="owner/repo" .value=${values.get("full_name") ?? ""} @input=${put("full_name")} autocomplete="off"
          @keydown=${(event) => event.key === "Enter" && (event.preventDefault(), register())}
          aria-invalid=${bad("full_name").invalid} aria-describedby=${bad("full_name").by}>
        <button class="button" type="button" @click=${register}>Add</button>
        ${problem("full_name", problems)}</div></details>`;

  const what = () => html`
    <div class="pair">
      <div class="field"><label for="issue_number">Issue number${agent.needs === "issue" ? nothing : html` <span class="optional">optional</span>`}</label>
        <input id="issue_number" type="number" min="1" .value=${values.get("issue_number") ?? ""} @input=${put("issue_number")}
          aria-invalid=${bad("issue_number").invalid} aria-describedby=${bad("issue_number").by}>${problem("issue_number", problems)}</div>
      <div class="field"><label for="priority">Priority</label>
        <select id="priority" @change=${put("priority")}>${Object.entries(PRIORITIES).map(([value, text]) => option(value, text, "priority"))}</select></div>
    </div>
    <fieldset class="group input"><legend>What the agent is told</legend>
      ${problem("input", problems)}
      ${fields(agent.input_schema, { root: agent.input_schema, path: "input", values, problems, changed })}</fieldset>
    <fieldset class="group checks"><legend>Options</legend>
      ${OPTIONS.map((name) => html`<label class="check"><input type="checkbox" .checked=${values.get(name) ?? false} @change=${put(name)}> ${words(name)}</label>`)}</fieldset>`;

  const others = () => [...problems].filter(([path]) => !document.getElementById(path) && path !== "input");
  const refusal = () => refused && html`
    <div class="failure" role="alert" tabindex="-1">${icon("warning")}<div><p>${refused.message}</p>
      ${others().length ? html`<ul>${others().map(([path, text]) => html`<li>${path}: ${text}</li>`)}</ul>` : nothing}</div></div>`;

  const form = () => html`
    <form class="card form" novalidate @submit=${send}>
      ${which()}
      ${agent ? html`<p class="hint">${agent.description}. ${agent.capabilities.join(" · ")}.
        ${agent.needs === "issue" ? "It needs an issue." : agent.needs === "issue or input" ? "It needs an issue or an input." : ""}</p>` : nothing}
      ${where()}
      ${agent ? what() : values.get("agent_type") ? skeleton(4) : nothing}
      ${refusal() || nothing}
      <div class="actions">
        <button class="button primary" ?disabled=${busy || !agent}>${busy ? "Asking…" : "Start"}</button>
        <a class="button" href="#/executions">Leave</a>
      </div>
    </form>`;

  return {
    title: "Start an agent",
    stop: polling.stop,
    view: () => html`
      ${heading("Start an agent")}
      ${loaded(repositories, error, form, { rows: 5, retry: polling.now })}
      ${error && repositories ? failure(error, polling.now) : nothing}`,
  };
}
