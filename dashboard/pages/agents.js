// The agents: who they are, with whom they may run, and what each does now.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { count, words } from "../format.js";
import { agentName, heading, icon, loaded, statusName, time } from "../parts.js";
import { fetched } from "../polling.js";

const LIVE = "/dashboard/live", AGENTS = "/agents";
const EVERY_MS = 3000;
const CATEGORIES = ["coding", "business", "community"];
const COLOURS = {
  red: "runs alone",
  yellow: "runs with others under conditions",
  green: "runs in parallel",
  blue: "runs in parallel, only reads",
};

export function agentsPage({ redraw }) {
  let live = api.remembered(LIVE)?.data, agents = api.remembered(AGENTS)?.data;
  const asked = fetched(async (get) => {
    agents ??= await get(AGENTS);
    live = await get(LIVE);
  }, redraw, EVERY_MS);

  const stateOf = (agent) => live?.agents.find((state) => state.agent_type === agent.id);
  const show = () => CATEGORIES.map((category) => {
    const found = agents.filter((agent) => agent.category === category);
    return html`
      <section aria-labelledby="of-${category}">
        <h2 class="divider" id="of-${category}">${words(category)} <span class="muted">${found.length}</span></h2>
        <ul class="agents">${repeat(found, (agent) => agent.id, (agent) => card(agent, stateOf(agent)))}</ul>
      </section>`;
  });

  return {
    title: "Agents",
    stop: asked.stop,
    view: () => html`
      ${heading("Agents", legend())}
      ${loaded(agents, asked.error, show, { rows: 12, retry: asked.now })}`,
  };
}

const legend = () => html`<ul class="legend" aria-label="Colours">${Object.entries(COLOURS).map(([colour, text]) => html`
  <li><span class="swatch ${colour}"></span>${colour}<span class="muted"> ${text}</span></li>`)}</ul>`;

const swatch = (colour) => html`
  <span class="swatch ${colour}" title="${colour}: ${COLOURS[colour]}"><span class="out">${colour}: ${COLOURS[colour]}</span></span>`;

const card = (agent, state) => html`
  <li class="agent">
    <h3><a href="#/executions?agent=${agent.id}">${agentName(agent.id, agent)}</a>${swatch(agent.colour)}</h3>
    <p>${agent.description}</p>
    <p class="capabilities">${agent.capabilities.join(" · ")}</p>
    <div class="state">${state ? now(state) : html`<span class="muted">…</span>`}
      <a class="button small" href="#/start?agent=${agent.id}" aria-label="Start ${agent.id}">${icon("start")}Start</a></div>
  </li>`;

function now(state) {
  return html`<p>${atWork(state) ?? html`<span class="muted">Idle</span> ${last(state)}`} ${ofTheDay(state)}</p>`;
}

function atWork({ running, pending }) {
  const parts = [running && `${count(running)} running`, pending && `${count(pending)} queued`].filter(Boolean);
  const status = running ? "running" : "pending";
  return parts.length ? html`<span class="pill ${status}">${icon(status)}${parts.join(", ")}</span>` : undefined;
}

const last = ({ last_id: id, last_status: status, last_at: at }) => id
  ? html`<a class="last small" href="#/executions/${id}">${statusName(status)} ${time(at)}</a>`
  : html`<span class="muted small">never asked</span>`;

const ofTheDay = ({ completed, failed }) => completed || failed
  ? html`<span class="muted small">24 h: ${count(completed)} done${failed
    ? html`, <span class="bad">${count(failed)} failed</span>` : nothing}</span>`
  : nothing;
