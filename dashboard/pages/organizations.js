// Organizations: those one belongs to, those that invite, and a form to make one.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { problemsByField } from "../form.js";
import { empty, failure, heading, loaded, time } from "../parts.js";
import { fetched } from "../polling.js";

const PATH = "/organizations?limit=100", EVERY_MS = 10_000;

export function organizationsPage({ redraw }) {
  let found = api.remembered(PATH)?.data, refused, busy = false, key = null, problems = new Map();
  const asked = fetched(async (get) => (found = await get(PATH)), redraw, EVERY_MS);

  /** Do it, say why it was refused, and look again. */
  async function act(work) {
    [busy, refused, problems] = [true, null, new Map()];
    redraw();
    try {
      await work();
    } catch (problem) {
      refused = problem;
      if (Array.isArray(problem.details)) problems = problemsByField(problem.details, (path) => document.getElementById(path));
    }
    busy = false;
    asked.now();
    redraw();
  }

  const answer = (id, verb) => () => act(() => api.post(`/organizations/${id}/${verb}`));

  function create(event) {
    event.preventDefault();
    const name = new FormData(event.target).get("name").trim();
    key = key?.name === name ? key : { name, value: crypto.getRandomValues(new Uint32Array(4)).join("-") };
    act(async () => {
      const made = await api.post("/organizations", { name }, { "Idempotency-Key": key.value });
      location.hash = `#/organizations/${made.organization.id}`;
    });
  }

  const invitations = () => found.organizations.filter(({ status }) => status === "invited");
  const others = () => found.organizations.filter(({ status }) => status !== "invited");

  const invitation = ({ organization_id: id, organization_name: name, role, joined_at: at }) => html`
    <li><span><strong>${name}</strong> <span class="muted">invites you as ${role}</span> <span class="muted small">${time(at)}</span></span>
      <span class="actions">
        <button class="button primary small" type="button" ?disabled=${busy} aria-label="Accept ${name}" @click=${answer(id, "accept")}>Accept</button>
        <button class="button small" type="button" ?disabled=${busy} aria-label="Decline ${name}" @click=${answer(id, "decline")}>Decline</button>
      </span></li>`;

  const membership = ({ organization_id: id, organization_name: name, organization_slug: slug, role, status }) => html`
    <li><span><a href="#/organizations/${id}"><strong>${name}</strong></a> <span class="muted">${slug}</span></span>
      <span class="muted">${role}${status === "active" ? "" : `, ${status}`}</span></li>`;

  const show = () => html`
    ${invitations().length ? html`
      <section class="card" aria-labelledby="invited"><header><h2 id="invited">Invitations</h2></header>
        <ul class="rows">${repeat(invitations(), (one) => one.organization_id, invitation)}</ul></section>` : nothing}
    <section class="card" aria-labelledby="yours"><header><h2 id="yours">Yours</h2></header>
      ${others().length ? html`<ul class="rows">${repeat(others(), (one) => one.organization_id, membership)}</ul>`
        : empty("No organization yet", "In one, several people share repositories and what agents do with them.")}</section>`;

  const form = () => html`
    <section class="card" aria-labelledby="make"><header><h2 id="make">Make an organization</h2></header>
      <form class="body invite" @submit=${create}>
        <div class="field"><label for="name">Name</label>
          <input id="name" name="name" required maxlength="255" autocomplete="organization"
            aria-invalid=${problems.has("name") ? "true" : nothing}></div>
        <button class="button primary" ?disabled=${busy}>Create</button>
      </form></section>`;

  return {
    title: "Organizations",
    stop: asked.stop,
    view: () => html`
      ${heading("Organizations")}
      ${refused ? failure(refused) : nothing}
      <div class="stack">${loaded(found, asked.error, show, { rows: 4, retry: asked.now })}${form()}</div>`,
  };
}
