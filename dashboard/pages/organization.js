// One organization: its members and who is invited, its repositories; inviting, removing and leaving.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import * as session from "../session.js";
import { failure, heading, icon, isUnknown, loaded, time, unknown } from "../parts.js";
import { fetched } from "../polling.js";

const EVERY_MS = 5000, ROLES = ["viewer", "member", "admin"];

export function organizationPage({ id, redraw }) {
  const path = `/organizations/${encodeURIComponent(id)}`, repositoriesPath = `/repositories?organization_id=${encodeURIComponent(id)}`;
  let organization, members = [], pending = [], repositories = [], refused, busy = false, said = "";
  const asked = fetched(async (get) => {
    organization = (await get(path)).organization;
    members = (await get(`${path}/members?limit=100`)).members;
    repositories = await get(repositoriesPath);
    pending = manages() ? (await get(`${path}/invitations`)).invitations : [];
  }, redraw, EVERY_MS);

  const manages = () => ["owner", "admin"].includes(organization?.role);

  async function act(work, done) {
    [busy, refused, said] = [true, null, ""];
    redraw();
    try {
      await work();
      said = done;
    } catch (problem) {
      refused = problem;
    }
    busy = false;
    asked.now();
    redraw();
  }

  function invite(event) {
    event.preventDefault();
    const form = event.target, body = Object.fromEntries(new FormData(form));
    act(async () => {
      await api.post(`${path}/members`, { ...body, identifier: body.identifier.trim() });
      form.reset();
    }, `${body.identifier} is invited`);
  }

  function register(event) {
    event.preventDefault();
    const form = event.target, full_name = new FormData(form).get("full_name").trim();
    act(async () => {
      await api.post("/repositories", { full_name, organization_id: id });
      form.reset();
    }, `${full_name} is added`);
  }

  const remove = (member) => () => act(() => api.remove(`${path}/members/${member.user_id}`), `${nameOf(member)} is removed`);
  const withdraw = (one) => () => act(() => api.remove(`${path}/invitations/${one.id}`), "The invitation is withdrawn");
  const leave = () => act(async () => {
    await api.post(`${path}/leave`);
    location.hash = "#/organizations";
  }, "");

  const nameOf = (member) => member.name || member.email || `GitHub account ${member.github_id}`;
  const isMe = (member) => member.user_id === session.user?.id;
  const member = (one) => html`
    <tr><td>${nameOf(one)}${isMe(one) ? html` <span class="muted">(you)</span>` : nothing}<span class="muted small block">${one.email ?? ""}</span></td>
      <td>${one.role}</td><td>${one.status}</td><td class="when">${time(one.created_at)}</td>
      <td class="number">${manages() && !isMe(one) && one.role !== "owner" ? html`
        <button class="button small" type="button" ?disabled=${busy} aria-label="Remove ${nameOf(one)}" @click=${remove(one)}>Remove</button>` : nothing}</td></tr>`;
  const waiting = (one) => html`
    <tr><td>${one.email ?? `GitHub account ${one.github_id}`}<span class="muted small block">has not accepted yet</span></td>
      <td>${one.role}</td><td>invited</td><td class="when">${time(one.created_at)}</td>
      <td class="number"><button class="button small" type="button" ?disabled=${busy} @click=${withdraw(one)}>Withdraw</button></td></tr>`;

  const people = () => html`
    <section class="card" aria-labelledby="members"><header><h2 id="members">Members</h2></header>
      <table class="people"><thead><tr><th scope="col">Who</th><th scope="col">Role</th><th scope="col">Status</th><th scope="col">Since</th>
        <th scope="col"><span class="out">Actions</span></th></tr></thead>
        <tbody>${repeat(members, (one) => one.user_id, member)}${repeat(pending, (one) => one.id, waiting)}</tbody></table>
      ${manages() ? html`
        <form class="body invite" @submit=${invite}>
          <div class="field"><label for="identifier">Invite by e-mail or GitHub number</label>
            <input id="identifier" name="identifier" required maxlength="255" autocomplete="off"></div>
          <div class="field"><label for="role">Role</label>
            <select id="role" name="role">${ROLES.map((role) => html`<option ?selected=${role === "member"}>${role}</option>`)}</select></div>
          <button class="button primary" ?disabled=${busy}>Invite</button>
        </form>` : nothing}</section>`;

  const places = () => html`
    <section class="card" aria-labelledby="repositories"><header><h2 id="repositories">Repositories</h2></header>
      ${repositories.length ? html`<ul class="rows">${repeat(repositories, (one) => one.id, (one) => html`
        <li><span>${one.full_name}</span><a class="button small" href="#/start?repository=${one.id}" aria-label="Start an agent on ${one.full_name}">
          ${icon("start")}Start an agent</a></li>`)}</ul>` : html`<p class="nothing">None yet.</p>`}
      ${organization.role === "viewer" ? nothing : html`
        <form class="body invite" @submit=${register}>
          <div class="field"><label for="full_name">Owner and name</label>
            <input id="full_name" name="full_name" required placeholder="owner/repo" autocomplete="off"></div>
          <button class="button" ?disabled=${busy}>Add</button>
        </form>`}</section>`;

  const show = () => html`
    ${heading(organization.name, html`<div class="actions">
      <button class="button" type="button" ?disabled=${busy} @click=${leave}>${icon("out")}Leave</button></div>`,
      html`${organization.slug} · ${organization.plan ?? "free"} · you are ${organization.role ?? "invited"}`)}
    ${refused ? failure(refused) : nothing}
    <p class="out" role="status">${said}</p>
    <div class="stack">${people()}${places()}</div>`;

  return {
    get title() {
      return organization?.name ?? "Organization";
    },
    stop: asked.stop,
    view: () => (isUnknown({ data: organization, error: asked.error }) ? unknown("organization", "#/organizations", "Your organizations")
      : loaded(organization, asked.error, show, { rows: 8, retry: asked.now })),
  };
}
