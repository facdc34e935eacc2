// What happens, as the API tells it where it holds a WebSocket (`/health` says so): pages then ask at once, not in turn.
// Where it holds none (Lambda), and while it is away, they go on asking every few seconds.

import * as api from "./api.js";
import * as session from "./session.js";

const FIRST_MS = 1000, LONGEST_MS = 60_000, APART_MS = 500, TRIES = 5;
let socket = null, timer = null, failures = 0, isTelling = false, hasNone = false;

/** Listen while somebody is signed in and looks. */
export function listen() {
  session.onChange(settle);
  api.onLink(settle);
  document.addEventListener("visibilitychange", settle);
  settle();
}

function settle() {
  const isWanted = session.user && !document.hidden && api.link.downSince === null && !hasNone;
  clearTimeout(timer);
  if (isWanted && !socket) timer = setTimeout(connect, failures ? Math.min(LONGEST_MS, FIRST_MS * 2 ** failures) : 0);
  if (!isWanted && socket?.readyState === WebSocket.OPEN) socket.close(); // one that opens still is closed then
}

async function connect() {
  try {
    const { data } = await api.get("/health");
    hasNone = !data.live?.includes("websocket");
    if (hasNone || !session.user) return;
    open(await session.token(api.renew));
  } catch {
    failed(); // what asks for the page's own data says so
  }
}

function open(token) {
  const url = new URL(`${api.BASE}/ws`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url, ["miyabi", token]);
  socket.onopen = () => ((failures = 0), settle());
  socket.onmessage = tell;
  socket.onclose = () => ((socket = null), failed());
}

function failed() {
  failures++;
  if (failures > TRIES) hasNone = true; // a proxy that lets none through
  settle();
}

/** Many things at once are told once. */
function tell({ data }) {
  if (isTelling || JSON.parse(data).type === "heartbeat") return;
  isTelling = true;
  setTimeout(() => ((isTelling = false), dispatchEvent(new Event("happened"))), APART_MS);
}
