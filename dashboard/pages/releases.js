// What was released where, and how it went.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { took, words } from "../format.js";
import { empty, heading, loaded, query, statusPill, time } from "../parts.js";
import { fetched } from "../polling.js";
import { shownValue } from "../values.js";

const PAGE = 25;
const EVERY_MS = 5000;
const ENVIRONMENTS = ["local", "staging", "production"];

export function releasesPage({ params, redraw }) {
  const environment = params.get("environment") ?? "", before = params.get("before");
  const path = `/releases${query({ environment, before, limit: PAGE })}`;
  let answer = api.remembered(path);
  const asked = fetched(async (get) => {
    await get(path);
    answer = api.remembered(path);
  }, redraw, EVERY_MS);

  const environments = () =>
    [...new Set([...ENVIRONMENTS, environment, ...(answer?.data ?? []).map((release) => release.environment)])].filter(Boolean);
  const choose = (event) => (location.hash = `#/releases${query({ environment: event.target.value })}`);
  const choice = () => html`
    <span class="select"><label class="out" for="environment">Environment</label>
      <select id="environment" .value=${live(environment)} @change=${choose}>
        <option value="">All environments</option>
        ${environments().map((name) => html`<option value=${name} ?selected=${name === environment}>${name}</option>`)}
      </select></span>`;

  const pages = () => html`
    <nav class="pages" aria-label="Pages">
      ${before ? html`<a class="button" href="#/releases${query({ environment })}">Newest</a>` : html`<span></span>`}
      ${answer.next ? html`<a class="button" href="#/releases${query({ environment, before: answer.next })}">Older</a>` : nothing}
    </nav>`;

  return {
    title: "Releases",
    stop: asked.stop,
    view: () => html`
      ${heading("Releases", choice())}
      ${loaded(answer, asked.error, () => answer.data.length
        ? html`<ol class="releases">${repeat(answer.data, (release) => release.id, card)}</ol>${pages()}`
        : html`<section class="card">${empty("Nothing was released", "A release appears here when it starts.")}</section>`, { rows: 8, retry: asked.now })}`,
  };
}

const card = (release) => html`
  <li class="card release">
    <div class="line">
      ${statusPill(release.status)}
      <h2>${release.environment}</h2>
      <span class="versions">${versions(release)}</span>
      ${release.git_sha ? html`<code title=${release.git_sha}>${release.git_sha.slice(0, 7)}</code>` : nothing}
      <span class="muted">${release.requested_by ? html`by ${release.requested_by}, ` : nothing}${time(release.started_at)}</span>
      <span class="muted took">${took(release)}</span>
    </div>
    ${release.error ? html`<p class="problem">${release.error}</p>` : nothing}
    ${verdicts(release.verdicts)}
    <details class="raw"><summary>Details</summary><div class="body">${shownValue(details(release))}</div></details>
  </li>`;

const versions = ({ lambda_version_before: before, lambda_version_after: after }) =>
  after ? (before && before !== after ? html`v${before} → <strong>v${after}</strong>` : html`<strong>v${after}</strong>`) : nothing;

/** What each check said: a yes or no as a mark, anything else in words. */
function verdicts(found) {
  const entries = Object.entries(found);
  if (!entries.length) return nothing;
  return html`<ul class="verdicts">${entries.map(([name, verdict]) => html`
    <li class=${verdictOf(verdict)}>${name.includes(" ") || name.includes("/") ? name : words(name)}</li>`)}</ul>`;
}

const verdictOf = (verdict) => {
  const said = verdict !== null && typeof verdict === "object" ? (verdict.ok ?? verdict.passed) : verdict;
  return said === true ? "good" : said === false ? "bad" : "";
};

const details = (release) => ({
  source: release.source, git_sha: release.git_sha, code_sha256: release.code_sha256, schema_version: release.schema_version,
  api_url: release.api_url, verdicts: release.verdicts,
});
