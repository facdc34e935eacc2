// Who is signed in. The access token is in memory alone; the refresh token is in this tab's storage, or in the
// browser's if the person asked to stay signed in. Only `authorized` in api.js sends either anywhere.

const KEY = "miyabi.session";
const EARLY_MS = 60_000; // an access token lives for minutes; it is renewed before it ends
const listeners = new Set();
let access = { token: null, until: 0 };
let refreshing = null;
export let user = null;
export let notice = "";

const stored = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY));
  } catch {
    return null;
  }
};

user = stored()?.user ?? null;
addEventListener("storage", (event) => {
  if (event.key === KEY && !event.newValue && user && !sessionStorage.getItem(KEY)) end("You signed out in another tab.");
});

/** Be told when somebody signs in or out. */
export const onChange = (listener) => listeners.add(listener);

/** Take what the API gave at sign-in or refresh. */
export function begin(tokens, { stay = Boolean(localStorage.getItem(KEY)) } = {}) {
  access = { token: tokens.access_token, until: Date.now() + Math.max(tokens.expires_in * 1000 - EARLY_MS, tokens.expires_in * 500) };
  const isNew = !user;
  [user, notice] = [tokens.user, ""];
  const [kept, other] = stay ? [localStorage, sessionStorage] : [sessionStorage, localStorage];
  other.removeItem(KEY);
  kept.setItem(KEY, JSON.stringify({ refresh_token: tokens.refresh_token, user }));
  if (isNew) listeners.forEach((listener) => listener());
}

/** Forget everything. `why` is told on the sign-in page. */
export function end(why = "") {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  access = { token: null, until: 0 };
  [user, notice] = [null, why];
  listeners.forEach((listener) => listener());
}

/** The access token. `renew(refreshToken)` asks for another when it is used up; many callers, one request. */
export async function token(renew, { fresh = false } = {}) {
  if (!user || (access.token && !fresh && Date.now() < access.until)) return access.token;
  refreshing ??= alone(() => renewed(renew)).finally(() => (refreshing = null));
  await refreshing;
  return access.token;
}

/** Who signs out meanwhile stays out: the new tokens are of a session that is over. */
async function renewed(renew) {
  const who = user;
  const tokens = await renew(refreshToken());
  if (user === who) begin(tokens);
}

export const refreshToken = () => stored()?.refresh_token;

/** One tab at a time: a refresh token is good once, and the next tab reads the one that this tab was given. */
const alone = (work) => (navigator.locks ? navigator.locks.request(KEY, work) : work());
