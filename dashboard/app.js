// The frame: who is signed in, where one is (`#/executions/…`), and drawing that again whenever something changes.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import * as api from "./api.js";
import * as session from "./session.js";
import { ago } from "./format.js";
import { listen } from "./live.js";
import { icon } from "./parts.js";
import { poll, pollNow } from "./polling.js";
import { agentsPage } from "./pages/agents.js";
import { executionPage } from "./pages/execution.js";
import { executionsPage } from "./pages/executions.js";
import { organizationPage } from "./pages/organization.js";
import { organizationsPage } from "./pages/organizations.js";
import { overviewPage } from "./pages/overview.js";
import { releasesPage } from "./pages/releases.js";
import { repositoriesPage, repositoryPage } from "./pages/repositories.js";
import { signInPage } from "./pages/signin.js";
import { startPage } from "./pages/start.js";
import { taskPage } from "./pages/task.js";
import { tasksPage } from "./pages/tasks.js";
import { workflowPage } from "./pages/workflow.js";
import { workflowsPage } from "./pages/workflows.js";

const ROUTES = [
  [/^\/$/, overviewPage, "overview"],
  [/^\/executions$/, executionsPage, "executions"],
  [/^\/executions\/([^/]+)$/, executionPage, "executions"],
  [/^\/workflows$/, workflowsPage, "workflows"],
  [/^\/workflows\/([^/]+)$/, workflowPage, "workflows"],
  [/^\/tasks$/, tasksPage, "tasks"],
  [/^\/tasks\/([^/]+)$/, taskPage, "tasks"],
  [/^\/repositories$/, repositoriesPage, "repositories"],
  [/^\/repositories\/([^/]+)$/, repositoryPage, "repositories"],
  [/^\/agents$/, agentsPage, "agents"],
  [/^\/releases$/, releasesPage, "releases"],
  [/^\/organizations$/, organizationsPage, "organizations"],
  [/^\/organizations\/([^/]+)$/, organizationPage, "organizations"],
  [/^\/start$/, startPage, "start"],
];
const MENU = [
  ["overview", "#/", "Overview"],
  ["executions", "#/executions", "Executions"],
  ["workflows", "#/workflows", "Workflows"],
  ["tasks", "#/tasks", "Tasks"],
  ["repositories", "#/repositories", "Repositories"],
  ["agents", "#/agents", "Agents"],
  ["releases", "#/releases", "Releases"],
  ["organizations", "#/organizations", "Organizations"],
];
const root = document.getElementById("app");
const shared = { agents: new Map() };
let page, section, drawn, isNew;

/** Where one is: the path and the query behind the `#`. */
function here() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  return { path: path || "/", params: new URLSearchParams(query) };
}

/** Change the address without a new entry in the history: a filter that is being typed. */
function replaceAddress(hash) {
  history.replaceState(null, "", hash);
  navigate();
}

function navigate() {
  const { path, params } = here();
  const route = ROUTES.find(([pattern]) => pattern.test(path)) ?? [];
  const [pattern, make, name] = session.user ? route : [null, signInPage, null];
  const before = page?.make === make && page?.path === path;
  page?.stop?.();
  section = name;
  const id = pattern?.exec(path)[1];
  page = make ? make({ id: id && decodeURIComponent(id), params, redraw, shared, replaceAddress }) : lost();
  Object.assign(page, { make, path });
  isNew = !before;
  draw();
  if (isNew) root.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone
  if (isNew && drawn) {
    scrollTo(0, 0);
    root.querySelector("h1")?.focus({ preventScroll: true });
  }
  drawn = true;
}

const lost = () => ({
  title: "Not found",
  view: () => html`
    <div class="empty"><h1 tabindex="-1">There is no such page</h1><a class="button" href="#/">Overview</a></div>`,
});

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => ((asked = false), draw()));
}

function draw() {
  document.title = `${page.title} · Miyabi`;
  render(session.user ? frame() : html`<main class="signed-out" id="main">${down()}${page.view()}</main>`, root);
  page.drawn?.();
}

const frame = () => html`
  <a class="skip" href="#main" @click=${skip}>Skip to the content</a>
  <div class="frame">
    <header class="side">
      <a class="brand" href="#/">${mark()}<span>Miyabi</span></a>
      <nav aria-label="Main">
        ${MENU.map(([name, href, text]) => html`
          <a href=${href} aria-current=${name === section ? "page" : nothing}>${icon(name)}<span>${text}</span></a>`)}
      </nav>
      <a class="button primary start" href="#/start" aria-current=${section === "start" ? "page" : nothing}>
        ${icon("start")}<span>Start an agent</span></a>
      <div class="account">
        <span class="initial" aria-hidden="true">${initial()}</span>
        <span class="who" title=${session.user.email}>${calledMe()}</span>
        <button class="quiet" type="button" title="Sign out" aria-label="Sign out" @click=${() => api.signOut()}>
          ${icon("out")}</button>
      </div>
    </header>
    <main id="main" tabindex="-1">${down()}${page.view()}</main>
  </div>`;

const mark = () => html`
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8"></rect><path d="M8 23V10.5l8 8 8-8V23"></path><circle cx="16" cy="8" r="2.2"></circle>
  </svg>`;
const calledMe = () => session.user.name || session.user.email || `GitHub account ${session.user.github_id}`;
const initial = () => [...calledMe()][0].toUpperCase();

/** That the API is away, and since when the page is not true any more. */
const down = () => html`<div role="status">${api.link.downSince === null ? nothing : html`
  <div class="down">${icon("warning")}
    <p><strong>The API does not answer.</strong>
      ${api.link.upAt ? `What you see is from ${ago(api.link.upAt)}.` : ""} Trying again by itself.</p>
    <button class="button" type="button" @click=${pollNow}>Try now</button>
  </div>`}</div>`;

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

/** The API's place is known now: nothing else may be spoken to. */
function narrow() {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  const { origin } = new URL(api.BASE, location.href);
  policy.content = `connect-src ${origin} ${origin.replace("http", "ws")}`;
  document.head.append(policy);
}

/** The agents' names and characters are the same for all pages, and hardly ever change. */
async function learnAgents(signal) {
  const { data } = await api.get("/agents", { signal });
  data.forEach((agent) => shared.agents.set(agent.id, agent));
  redraw();
  return false;
}

narrow();
session.onChange(() => (api.forget(), navigate()));
api.onLink(redraw);
addEventListener("hashchange", navigate);
setInterval(() => document.hidden || redraw(), 1000); // "12 s ago"
poll(learnAgents, 2000);
listen();
navigate();
