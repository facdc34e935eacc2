// The start page: what runs now, how the last day went, what was asked for last, what was released last.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { count } from "../format.js";
import { agentName, empty, failure, heading, icon, skeleton, statusPill, time } from "../parts.js";
import { poll } from "../polling.js";
import { executionsTable } from "./executions.js";

const LIVE = "/dashboard/live", RECENT = "/agents/executions?limit=10", RELEASES = "/releases?limit=3";
const EVERY_MS = 3000, IDLE_MS = 8000;
const PARTS = ["completed", "failed", "cancelled", "open"];

export function overviewPage({ redraw, shared }) {
  let error, turns = 0;
  const known = (path) => api.remembered(path)?.data;
  const polling = poll(async (signal) => {
    try {
      const seldom = turns % 10 ? [] : [RELEASES];
      await Promise.all([LIVE, RECENT, ...seldom].map((path) => api.get(path, { signal })));
      turns++;
      error = null;
      return known(LIVE).running || known(LIVE).pending ? EVERY_MS : IDLE_MS;
    } catch (problem) {
      error = problem;
      throw problem;
    } finally {
      redraw();
    }
  }, EVERY_MS);

  return {
    title: "Overview",
    stop: polling.stop,
    view: () => html`
      ${heading("Overview", api.link.downSince === null ? html`<span class="live">${icon("running")}Live</span>` : nothing)}
      ${error && !known(LIVE) ? failure(error, polling.now) : html`
        ${figures(known(LIVE))}
        <div class="columns">
          <section class="card" aria-labelledby="recent">
            <header><h2 id="recent">Recent executions</h2><a href="#/executions">All executions</a></header>
            ${known(RECENT) ? recent(known(RECENT), shared) : skeleton(10)}
          </section>
          <div class="stack">
            <section class="card" aria-labelledby="work">
              <header><h2 id="work">At work</h2><a href="#/agents">All agents</a></header>
              ${known(LIVE) ? atWork(known(LIVE), shared) : skeleton(3)}
            </section>
            <section class="card" aria-labelledby="latest">
              <header><h2 id="latest">Latest releases</h2><a href="#/releases">All releases</a></header>
              ${known(RELEASES) ? latest(known(RELEASES)) : skeleton(3)}
            </section>
          </div>
        </div>`}`,
  };
}

function figures(live) {
  const total = (part) => live?.hours.reduce((sum, hour) => sum + hour[part], 0) ?? 0;
  const ended = total("completed") + total("failed");
  const rate = ended ? ` · ${((100 * total("completed")) / ended).toFixed(total("failed") ? 1 : 0)} % went well` : "";
  const figure = (name, value, href, note = nothing) => html`
    <a class="figure ${value ? name : ""}" href=${href}>
      <span class="label">${{ running: "Running", pending: "Queued", completed: "Completed", failed: "Failed" }[name]}</span>
      <strong>${live ? count(value) : html`<i class="blank"></i>`}</strong>
      <span class="note">${note}</span>
    </a>`;
  return html`
    <section class="figures" aria-label="Figures">
      ${figure("running", live?.running, "#/executions?status=running", "now")}
      ${figure("pending", live?.pending, "#/executions?status=pending", "now")}
      ${figure("completed", total("completed"), "#/executions?status=completed", `24 h${rate}`)}
      ${figure("failed", total("failed"), "#/executions?status=failed", "24 h")}
      <div class="figure chart">
        <span class="label">Asked for in 24 hours, by hour
          ${live ? html`<span class="most">at most ${count(busiest(live.hours))}</span>` : nothing}</span>
        ${live ? chart(live.hours, total) : nothing}
      </div>
    </section>`;
}

const busiest = (hours) => Math.max(...hours.map((hour) => PARTS.reduce((sum, part) => sum + hour[part], 0)));

/** 24 bars of what was asked for in each hour, by how it stands. */
function chart(hours, total) {
  const most = Math.max(4, busiest(hours));
  const said = PARTS.map((part) => `${total(part)} ${part}`).join(", ");
  return html`
    <svg class="bars" viewBox="0 0 240 56" preserveAspectRatio="none" role="img" aria-label="Last 24 hours: ${said}">
      ${hours.map((hour, place) => bar(hour, 10 * place + 1.5, most))}
    </svg>`;
}

function bar(hour, x, most) {
  let y = 55;
  return svg`<g>${PARTS.map((part) => {
    const height = (54 * hour[part]) / most;
    y -= height;
    return svg`<rect class=${part} x=${x} y=${y} width="7" height=${height}></rect>`;
  })}<rect class="base" x=${x} y="55" width="7" height="1"></rect></g>`;
}

const recent = (rows, shared) =>
  rows.length
    ? executionsTable(rows, shared)
    : empty("No executions yet", "Ask an agent to work, and it appears here at once.",
        html`<a class="button primary" href="#/start">${icon("start")}Start an agent</a>`);

function atWork(live, shared) {
  const busy = live.agents.filter((state) => state.running || state.pending);
  if (!busy.length) return html`<p class="nothing">All agents are idle.</p>`;
  return html`<ul class="rows">${repeat(busy, (state) => state.agent_type, (state) => html`
    <li><a href="#/executions?agent=${state.agent_type}">${agentName(state.agent_type, shared.agents.get(state.agent_type))}</a>
      <span class="tallies">
        ${tally("running", state.running, "running")}${tally("pending", state.pending, "queued")}
      </span></li>`)}</ul>`;
}

const tally = (status, number, text) => number
  ? html`<span class="pill ${status}">${icon(status)}${count(number)}<span class="out"> ${text}</span></span>` : nothing;

const latest = (releases) =>
  releases.length
    ? html`<ul class="rows">${repeat(releases, (release) => release.id, (release) => html`
        <li><span><strong>${release.environment}</strong>
          <span class="muted">${release.lambda_version_after ? `v${release.lambda_version_after}` : ""}</span>
          <span class="muted small">${time(release.started_at)}</span></span>${statusPill(release.status)}</li>`)}</ul>`
    : html`<p class="nothing">Nothing was released yet.</p>`;
