// Signing in, by the ways that the backend offers.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import * as api from "../api.js";
import * as session from "../session.js";
import { icon } from "../parts.js";
import { poll } from "../polling.js";

const PENDING = "miyabi.github";

/** The tokens, or the error, that the API's way back from GitHub put behind the `#`. They count only if this tab went
 * there: nobody signs one in as somebody else, or tells one anything, by a link. */
async function comeBack() {
  const told = new URLSearchParams(location.hash.slice(1));
  const refreshToken = told.get("refresh_token");
  if (!refreshToken && !told.has("error")) return;
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  if (!sessionStorage.getItem(PENDING)) return;
  sessionStorage.removeItem(PENDING);
  if (!refreshToken) throw new Error(told.get("error_description") || "GitHub did not sign you in; try again");
  session.begin(await api.renew(refreshToken));
}

export function signInPage({ redraw }) {
  let ways, error, busy = false;
  const asking = poll(async () => {
    ways = (await api.get("/auth").catch(unknown)).data;
    redraw();
    return false;
  }, 2000);

  /** The mission's own backend does not say; it has both. */
  function unknown(problem) {
    if (problem.status === 404) return { data: { mock: true, github: true } };
    throw problem;
  }

  async function signIn(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    [busy, error] = [true, null];
    redraw();
    const text = (name) => form.get(name).trim();
    const account = { github_id: Number(text("github_id")), email: text("email"), name: text("name") || null };
    try {
      session.begin(await api.post("/auth/mock", account), { stay: form.has("stay") });
    } catch (problem) {
      error = problem;
    }
    busy = false;
    redraw();
  }

  const problem = (field) => error?.details?.find?.((one) => one.field === `body.${field}`)?.problem;
  const input = (name, label, type, more = {}) => html`
    <div class="field">
      <label for=${name}>${label}</label>
      <input id=${name} name=${name} type=${type} ?required=${!more.optional} autocomplete=${more.autocomplete ?? "off"}
        min=${type === "number" ? 1 : nothing} inputmode=${type === "number" ? "numeric" : nothing}
        aria-invalid=${problem(name) ? "true" : nothing} aria-describedby=${problem(name) ? `${name}-problem` : nothing}>
      ${problem(name) ? html`<p class="problem" id="${name}-problem">${problem(name)}</p>` : nothing}
    </div>`;

  const mock = () => html`
    <form @submit=${signIn}>
      ${input("email", "Email", "email", { autocomplete: "email" })}
      ${input("github_id", "GitHub id", "number")}
      ${input("name", "Name (optional)", "text", { optional: true, autocomplete: "name" })}
      <label class="check"><input type="checkbox" name="stay"> Stay signed in on this device</label>
      <button class="button primary wide" ?disabled=${busy}>Sign in</button>
      <p class="hint">A test account: this environment does not ask for a password.</p>
    </form>`;

  const github = () => html`
    <a class="button wide" href="${api.BASE}/auth/github?redirect=/" @click=${() => sessionStorage.setItem(PENDING, "1")}>
      Sign in with GitHub</a>`;

  comeBack().catch((problem) => ((error = problem), redraw()));
  return {
    title: "Sign in",
    stop: asking.stop,
    view: () => html`
      <section class="card sign-in" aria-labelledby="sign-in">
        <img src="favicon.svg" alt="" width="40" height="40">
        <h1 id="sign-in" tabindex="-1">Sign in to Miyabi</h1>
        ${session.notice ? html`<p class="notice" role="status">${session.notice}</p>` : nothing}
        ${error && !Array.isArray(error.details) ? html`
          <p class="problem" role="alert">${icon("warning")} ${error.message}</p>` : nothing}
        <div class="ways">
          ${!ways ? html`<div class="skeleton form" role="status" aria-label="Loading"><i></i><i></i><i></i></div>` : nothing}
          ${ways?.github ? github() : nothing}
          ${ways?.github && ways.mock ? html`<p class="or"><span>or</span></p>` : nothing}
          ${ways?.mock ? mock() : nothing}
          ${ways && !ways.mock && !ways.github ? html`<p>This backend offers no way to sign in from here.</p>` : nothing}
        </div>
      </section>`,
  };
}
