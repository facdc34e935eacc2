// The one door to the API: tokens, errors that say what to do, and answers that are not sent twice (ETag).

import * as session from "./session.js";

export const BASE = window.API_BASE.replace(/\/+$/, "");
const CACHED = 80;
const TIMEOUT_MS = 20_000;
const cache = new Map();
const listeners = new Set();
/** Since when the API has not answered, and when it last did. */
export const link = { downSince: null, upAt: null };

/** An answer that is no success. `status` is 0 if there was none; `details` are the API's. */
export class ApiError extends Error {
  constructor(status, body, retryAfter) {
    super(body?.message ?? `The API answered ${status} and does not say why.`);
    this.status = status;
    this.details = body?.details;
    this.retryAfterMs = Number(retryAfter) * 1000 || 0;
  }

  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Be told when the API goes away or comes back. */
export const onLink = (listener) => listeners.add(listener);

/** What a GET answered last, without asking: `{data, next, …}` or undefined. */
export const remembered = (path) => cache.get(path);

export function forget() {
  cache.clear();
}

/** GET as JSON: `{data, next, status}`; `next` is the cursor of the page after it. */
export async function get(path, { signal } = {}) {
  const known = cache.get(path);
  const response = await authorized(path, { signal, headers: known ? { "If-None-Match": known.tag } : {} });
  const data = response.status === 304 ? known.data : await response.json();
  const answer = { data, tag: response.headers.get("ETag"), ...page(response) };
  cache.delete(path);
  if (answer.tag) cache.set(path, answer);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value);
  return answer;
}

/** The organizations of which one is an active member. */
export async function organizations(options) {
  const found = (await get("/organizations?limit=100", options)).data.organizations;
  return found.filter(({ status }) => status === "active");
}

/** The repositories where one may have agents work: those one has registered, and those of one's organizations. */
export async function repositories(options) {
  const theirs = (await organizations(options)).map(({ organization_id: id }) => `?organization_id=${id}`);
  const lists = await Promise.all(["", ...theirs].map(async (where) => (await get(`/repositories${where}`, options)).data));
  return [...new Map(lists.flat().map((one) => [one.id, one])).values()];
}

/** What the repository of a row is called; one that is not seen any more has no name. */
export const repositoryOf = async ({ repository_id: id }, get) =>
  id ? (await get(`/repositories/${id}`).catch(() => ({ full_name: "a repository" }))).full_name : null;

const page = ({ headers }) => ({ next: headers.get("X-Next-Cursor"), status: headers.get("X-Execution-Status") });

export async function post(path, body, headers = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const options = { method: "POST", headers: { ...json, ...headers }, body: body && JSON.stringify(body) };
  return (await authorized(path, options)).json();
}

export async function remove(path) {
  return (await authorized(path, { method: "DELETE" })).json();
}

/** A request in the name of who is signed in. A token that is refused is renewed once; then the session is over. */
export async function authorized(path, options) {
  for (const fresh of [false, true]) {
    try {
      const token = await session.token(renew, { fresh });
      const headers = token ? { ...options.headers, Authorization: `Bearer ${token}` } : options.headers;
      return await send(path, { ...options, headers });
    } catch (error) {
      if (error.status !== 401 || !session.user) throw error;
      if (fresh || error.isRenewal) {
        session.end("Your session has ended. Please sign in again.");
        throw error;
      }
    }
  }
}

/** New tokens, and whose they are. */
export async function renew(refreshToken) {
  try {
    const body = JSON.stringify({ refresh_token: refreshToken ?? "" });
    const headers = { "Content-Type": "application/json" };
    return await (await send("/auth/refresh", { method: "POST", headers, body })).json();
  } catch (error) {
    throw Object.assign(error, { isRenewal: true });
  }
}

/** End the session here and in the backend; here also if the backend cannot be told. */
export function signOut() {
  const body = JSON.stringify({ refresh_token: session.refreshToken() });
  const headers = { "Content-Type": "application/json" };
  send("/auth/logout", { method: "POST", headers, body, keepalive: true }).catch(() => null);
  session.end();
}

async function send(path, { signal, patience = TIMEOUT_MS, ...options }) {
  const late = AbortSignal.timeout(patience);
  let response;
  try {
    response = await fetch(BASE + path, { ...options, signal: signal ? AbortSignal.any([signal, late]) : late });
  } catch (error) {
    if (signal?.aborted) throw error;
    reach(false);
    throw new ApiError(0, { message: "The API does not answer." });
  }
  reach(response.status < 502 || response.status > 504);
  if (response.ok || response.status === 304) return response;
  throw new ApiError(response.status, await response.json().catch(() => null), response.headers.get("Retry-After"));
}

function reach(isUp) {
  const wasUp = link.downSince === null;
  if (isUp) link.upAt = Date.now();
  link.downSince = isUp ? null : (link.downSince ?? Date.now());
  if (isUp !== wasUp) listeners.forEach((listener) => listener());
}
