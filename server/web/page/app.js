// The console of carillon: one WebSocket, a message editor and a log.
//
// Three rules hold everywhere below:
//   - what came from the wire reaches the document as text, never as markup;
//   - one socket at a time, and only the current one is listened to;
//   - what is sent is exactly what the editor shows.

const HEARTBEAT = '{"type":"HEARTBEAT"}';
const HEARTBEAT_ACK = '{"type":"HEARTBEAT_ACK"}';

const FIRST_DELAY_MS = 1_000;
const LAST_DELAY_MS = 30_000;
// A heartbeat that is not acknowledged for so long is worth a warning.
const ACK_PATIENCE_MS = 10_000;

const LOG_LIMIT = 1_000;
// Text beyond this length is folded, so that a 64 KiB message costs one line.
const FOLD_LENGTH = 1_000;

const config = document.documentElement.dataset;
const element = (id) => document.getElementById(id);
const encoder = new TextEncoder();
const byteLength = (text) => encoder.encode(text).length;
const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

/* ------------------------------------------------------------------ log -- */

// Entries wait here for the next animation frame: a flood of pushes costs one
// layout per frame, and a page that is not in view keeps the newest ones only.
let pending = [];
let painting = false;
let paused = false;

const list = element("log");
const latest = element("latest");
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

const MARKS = { in: "↓", out: "↑", info: "·", warn: "!" };
const SPOKEN = { in: "received", out: "sent", info: "note", warn: "warning" };

// log adds an entry: kind is in, out, info or warn; bytes is the size of a frame.
function log(kind, text, { bytes = null, heartbeat = false } = {}) {
  pending.push({ kind, text, bytes, heartbeat, time: new Date() });
  if (pending.length > LOG_LIMIT) pending.shift();
  if (paused) {
    showPause();
  } else {
    schedulePaint();
  }
}

function schedulePaint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(paint);
}

function paint() {
  painting = false;
  if (paused || pending.length === 0) return;
  const follow = atEnd();
  const rows = document.createDocumentFragment();
  for (const entry of pending) rows.append(row(entry));
  pending = [];
  list.append(rows);
  while (list.childElementCount > LOG_LIMIT) list.firstElementChild.remove();
  if (follow) {
    toEnd();
  } else {
    latest.hidden = false;
  }
}

function row({ kind, text, bytes, heartbeat, time }) {
  const item = document.createElement("li");
  item.dataset.kind = kind;
  if (heartbeat) item.dataset.heartbeat = "";

  const when = document.createElement("time");
  when.dateTime = time.toISOString();
  when.textContent = clock.format(time);

  const mark = document.createElement("span");
  mark.className = "mark";
  mark.textContent = MARKS[kind];
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", SPOKEN[kind]);

  const body = document.createElement("span");
  body.className = "body";
  if (text.length > FOLD_LENGTH) {
    fold(body, text);
  } else {
    body.textContent = text;
  }

  const size = document.createElement("span");
  size.className = "size";
  size.textContent = bytes === null ? "" : `${bytes.toLocaleString()} B`;

  item.append(when, mark, body, size);
  return item;
}

function fold(body, text) {
  const start = document.createElement("span");
  start.textContent = text.slice(0, FOLD_LENGTH);
  const more = document.createElement("button");
  more.type = "button";
  more.textContent = `… ${(text.length - FOLD_LENGTH).toLocaleString()} more characters`;
  more.addEventListener("click", () => {
    body.textContent = text;
  });
  body.append(start, more);
}

const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 40;

function toEnd() {
  list.scrollTop = list.scrollHeight;
  latest.hidden = true;
}

function showPause() {
  const button = element("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? `Resume (${pending.length} new)` : "Pause";
}

list.addEventListener("scroll", () => {
  if (atEnd()) latest.hidden = true;
}, { passive: true });
latest.addEventListener("click", toEnd);
element("pause").addEventListener("click", () => {
  paused = !paused;
  showPause();
  if (!paused) schedulePaint();
});
element("clear").addEventListener("click", () => {
  pending = [];
  list.replaceChildren();
  latest.hidden = true;
  resetCounters();
  showPause();
});
element("hide-heartbeats").addEventListener("change", (event) => {
  const follow = atEnd();
  list.classList.toggle("no-heartbeats", event.target.checked);
  if (follow) toEnd();
});

/* ------------------------------------------------------------- counters -- */

let counters;

function resetCounters() {
  counters = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, trips: 0, tripTotal: 0 };
  showCounters();
  element("round-trip").textContent = "–";
}

function showCounters() {
  element("sent").textContent = `${counters.sent.toLocaleString()} · ${bytesText(counters.sentBytes)}`;
  element("received").textContent = `${counters.received.toLocaleString()} · ${bytesText(counters.receivedBytes)}`;
}

function bytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function countTrip(ms) {
  counters.trips++;
  counters.tripTotal += ms;
  const mean = counters.tripTotal / counters.trips;
  element("round-trip").textContent = `${ms.toFixed(1)} ms · mean\u00a0${mean.toFixed(1)}`;
}

/* --------------------------------------------------------------- status -- */

// setStatus shows a state: idle, connecting, open, closing, closed or waiting.
function setStatus(state, text) {
  element("state").dataset.state = state;
  element("status").textContent = text;
  element("countdown").textContent = "";
  element("connect").textContent = state === "waiting" ? "Connect now" : "Connect";
  element("connect").disabled = state === "connecting" || state === "open";
  element("close").disabled = !["connecting", "open", "waiting"].includes(state);
  element("send").disabled = state !== "open";
}

// The gateway's table of close codes: {code, name, reason, meaning, advice}.
const closeTable = JSON.parse(config.closeCodes);
const TOKEN_EXPIRED = 4401;
const NO_CLOSE_FRAME = 1006;

// closeInfo is the row for a close: that of the reason, else that of the code.
function closeInfo(code, reason) {
  const rows = closeTable.filter((row) => row.code === code);
  return rows.find((row) => row.reason === reason) ?? rows[0];
}

function closeText(code, reason) {
  if (code === NO_CLOSE_FRAME) return `Connection lost (${code})`;
  const name = reason || closeInfo(code, reason)?.name;
  return name ? `Closed: ${code}, ${name}` : `Closed: ${code}`;
}

/* ----------------------------------------------------------- connection -- */

let socket = null;
let manual = false;
let answered = 0; // the last status that explained a refusal, 0 for none
let delay = FIRST_DELAY_MS;
let retry = null; // {timer, ticker, over} while waiting; over aborts what ends with the wait

class InputError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

// target reads the form: where to connect, with what.
function target() {
  const page = new URL(location.href);
  page.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  let url;
  try {
    url = new URL(element("address").value.trim(), page);
  } catch {
    throw new InputError("address", "The address is not a URL.");
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new InputError("address", "The address must start with ws:// or wss://.");
  }
  url.hash = "";

  const token = element("token").value;
  const protocols = element("protocols").value.split(/[\s,]+/).filter(Boolean);
  if (token !== "" && element("carrier").value === "protocol") {
    protocols.push("bearer", "base64url." + base64url(token));
  } else if (token !== "") {
    url.searchParams.set("token", token);
  }
  return { url, protocols, token };
}

function base64url(text) {
  const binary = String.fromCharCode(...encoder.encode(text));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// startAfresh forgets the attempts so far: the next failure is a first one.
function startAfresh() {
  answered = 0;
  delay = FIRST_DELAY_MS;
}

function connect() {
  if (socket && socket.readyState <= WebSocket.OPEN) {
    log("info", socket.readyState === WebSocket.OPEN ? "Already connected." : "Already connecting.");
    return;
  }
  cancelRetry();
  manual = false;
  showHint(null);

  let to;
  let candidate;
  try {
    to = target();
    candidate = new WebSocket(to.url, to.protocols);
  } catch (error) {
    fail(error);
    return;
  }
  // A socket that is still closing loses its voice here.
  socket = candidate;
  candidate.binaryType = "arraybuffer";
  setStatus("connecting", "Connecting…");
  log("info", `Connecting to ${to.url.origin}${to.url.pathname}`);

  let opened = false;
  const current = (handler) => (event) => {
    if (socket === candidate) handler(event);
  };
  candidate.addEventListener("open", current(() => {
    opened = true;
    startAfresh();
    const protocol = candidate.protocol ? ` (${candidate.protocol})` : "";
    setStatus("open", "Connected");
    log("info", `Connected${protocol}`);
    startHeartbeat();
  }));
  candidate.addEventListener("message", current((event) => receive(event.data)));
  candidate.addEventListener("close", current((event) => {
    socket = null;
    stopHeartbeat();
    closed(event, opened, to);
  }));
}

// fail reports a form that cannot be used; nothing was sent.
function fail(error) {
  const message = error instanceof InputError ? error.message : `The browser refuses: ${error.message}`;
  showHint(message, error instanceof InputError ? error.field : "protocols");
  setStatus("closed", "Not connected");
  log("warn", message);
}

function showHint(message, field) {
  element("connection-hint").textContent = message ?? "";
  for (const id of ["address", "protocols"]) {
    element(id).setAttribute("aria-invalid", String(id === field));
  }
}

function closed(event, opened, to) {
  const what = opened ? closeText(event.code, event.reason) : "The handshake failed";
  if (manual) {
    setStatus("closed", `Closed by you (${event.code})`);
    log("info", opened ? `${what}. Closed by you.` : "Given up by you.");
    return;
  }
  const info = opened ? closeInfo(event.code, event.reason) : undefined;
  // With the same token, an expired one is refused again and again.
  if (info?.advice === "never" || event.code === TOKEN_EXPIRED) {
    stop(what, info.meaning);
    return;
  }
  log("warn", what);
  scheduleRetry(what);
  // Each time: an overload may end in a token that has run out meanwhile.
  if (!opened) explainRefusal(to, retry.over.signal);
}

// stop ends the attempts for good, with the reason.
function stop(status, why) {
  cancelRetry();
  setStatus("closed", status);
  log("warn", `${status}. Not reconnecting: ${why}`);
}

function scheduleRetry(what) {
  const wait = delay;
  delay = Math.min(delay * 2, LAST_DELAY_MS);
  const due = performance.now() + wait;
  setStatus("waiting", what);
  log("info", `Reconnecting in ${wait / 1000} s`);
  const show = () => {
    const left = Math.max(1, Math.ceil((due - performance.now()) / 1000));
    element("countdown").textContent = `Reconnecting in ${left} s`;
  };
  show();
  retry = { timer: setTimeout(connect, wait), ticker: setInterval(show, 250), over: new AbortController() };
}

function cancelRetry() {
  if (!retry) return;
  clearTimeout(retry.timer);
  clearInterval(retry.ticker);
  retry.over.abort();
  retry = null;
}

// explainRefusal asks the endpoint by plain HTTP, with the same token, because
// a browser does not tell a page with which status a handshake was refused.
// The endpoint looks at the token before it misses the Upgrade header, so the
// answer is the one that the handshake got. An answer that comes after the wait
// is dropped: by then another token may be on its way.
async function explainRefusal({ url, protocols, token }, signal) {
  const plain = new URL(url);
  plain.protocol = plain.protocol === "wss:" ? "https:" : "http:";
  if (plain.origin !== location.origin) return;
  const headers = protocols.includes("bearer") ? { Authorization: `Bearer ${token}` } : {};
  let status = 0;
  try {
    ({ status } = await fetch(plain, { headers, cache: "no-store", redirect: "manual", signal }));
  } catch {
    // Nobody answers: the retries say so.
  }
  if (signal.aborted) return;
  const known = status === answered;
  answered = status;
  const why = {
    401: "the gateway does not accept this token.",
    403: "the gateway does not accept this page's origin or this user.",
    404: "there is no WebSocket endpoint at this address.",
  }[status];
  if (why) {
    stop(`Refused with ${status}`, why);
  } else if (!known && (status >= 500 || status === 429)) {
    log("warn", `The gateway answers ${status}.`);
  }
}

function closeByUser() {
  manual = true;
  cancelRetry();
  stopHeartbeat();
  if (!socket) {
    setStatus("closed", "Closed by you");
    log("info", "Not reconnecting: closed by you.");
    return;
  }
  setStatus("closing", "Closing…");
  socket.close(1000, "closed by user");
}

/* ------------------------------------------------------------- messages -- */

function transmit(text, heartbeat = false) {
  const bytes = byteLength(text);
  socket.send(text);
  counters.sent++;
  counters.sentBytes += bytes;
  showCounters();
  log("out", text, { bytes, heartbeat });
}

function receive(data) {
  counters.received++;
  if (typeof data !== "string") {
    counters.receivedBytes += data.byteLength;
    showCounters();
    log("in", `binary: ${hex(new Uint8Array(data, 0, Math.min(32, data.byteLength)))}`, { bytes: data.byteLength });
    return;
  }
  const bytes = byteLength(data);
  counters.receivedBytes += bytes;
  showCounters();
  const ack = data === HEARTBEAT_ACK;
  if (ack && beats.length > 0) {
    countTrip(performance.now() - beats.shift());
    overdue = false;
  }
  log("in", data, { bytes, heartbeat: ack });
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/* ------------------------------------------------------------ heartbeat -- */

let beats = []; // when each heartbeat without an acknowledgement was sent
let overdue = false;

const ticker = new Worker(tickerURL());
ticker.addEventListener("message", beat);

// tickerURL passes the one script URL of this page through the Trusted Types
// policy that the page's Content-Security-Policy asks for.
function tickerURL() {
  if (!window.trustedTypes) return config.ticker;
  const policy = trustedTypes.createPolicy("carillon-ticker", { createScriptURL: () => config.ticker });
  return policy.createScriptURL("");
}

// interval is the time between heartbeats in milliseconds, 0 for none.
function interval() {
  const field = element("interval");
  const seconds = field.valueAsNumber;
  const valid = seconds >= Number(field.min) && seconds <= Number(field.max);
  field.setAttribute("aria-invalid", String(!valid));
  if (!element("heartbeat").checked) return 0;
  if (!valid) log("warn", `No heartbeat: the interval must be ${field.min} to ${field.max} s.`);
  return valid ? seconds * 1000 : 0;
}

// startHeartbeat takes up the settings of the form, and returns the interval.
function startHeartbeat() {
  const pace = interval();
  beats = [];
  overdue = false;
  ticker.postMessage(pace);
  return pace;
}

function stopHeartbeat() {
  beats = [];
  ticker.postMessage(0);
}

function beat() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const now = performance.now();
  if (!overdue && beats.length > 0 && now - beats[0] > ACK_PATIENCE_MS) {
    overdue = true;
    log("warn", `No acknowledgement of a heartbeat for ${ACK_PATIENCE_MS / 1000} s.`);
  }
  beats.push(now);
  transmit(HEARTBEAT, true);
}

function changeHeartbeat() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const pace = startHeartbeat();
  log("info", pace > 0 ? `Heartbeat every ${pace / 1000} s` : "Heartbeat off");
}

/* --------------------------------------------------------------- editor -- */

const SAMPLES = {
  CHAT_SEND: () => ({ content: "Hello from the console", time: new Date().toISOString() }),
  NOTICE_ACK: () => ({ noticeId: "1" }),
  ORDER_CREATE: () => ({ orderId: "1", amount: 100 }),
  ORDER_CANCEL: () => ({ orderId: "1" }),
  TASK_PROGRESS: () => ({ taskId: "1", progress: 50 }),
};

const editor = element("message");
let pristine = true; // the editor holds a sample that nobody has touched

const pretty = (envelope) => JSON.stringify(envelope, null, 2);

function loadSample() {
  const code = element("code").value;
  const data = SAMPLES[code]();
  const user = element("target").value.trim();
  if (user) data.toUserId = user;
  editor.value = pretty({ type: "BIZ", code, data });
  pristine = true;
  checkEditor();
}

// retarget writes the target user into the message, when it is an envelope.
function retarget() {
  if (pristine) {
    loadSample();
    return;
  }
  const envelope = parse(editor.value);
  if (envelope?.data === null || typeof envelope?.data !== "object" || Array.isArray(envelope.data)) return;
  const user = element("target").value.trim();
  if (user) {
    envelope.data.toUserId = user;
  } else {
    delete envelope.data.toUserId;
  }
  editor.value = pretty(envelope);
  checkEditor();
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkEditor() {
  const valid = parse(editor.value) !== undefined;
  const size = plural(byteLength(editor.value), "byte");
  const hint = element("message-hint");
  hint.textContent = valid ? size : `${size}, not valid JSON`;
  hint.classList.toggle("bad", !valid);
}

function sendMessage() {
  if (socket?.readyState !== WebSocket.OPEN) {
    log("warn", "Not connected: nothing was sent.");
    return;
  }
  if (pristine) loadSample(); // for the time of now
  transmit(editor.value);
}

editor.addEventListener("input", () => {
  pristine = false;
  checkEditor();
});
editor.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  sendMessage();
});
element("code").addEventListener("change", loadSample);
element("restore").addEventListener("click", loadSample);
element("target").addEventListener("input", retarget);
element("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sendMessage();
});

/* ---------------------------------------------------------------- start -- */

element("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  startAfresh();
  connect();
});
element("close").addEventListener("click", closeByUser);
element("heartbeat").addEventListener("change", changeHeartbeat);
element("interval").addEventListener("change", changeHeartbeat);
element("reveal").addEventListener("click", (event) => {
  const field = element("token");
  const shown = field.type === "password";
  field.type = shown ? "text" : "password";
  event.target.textContent = shown ? "Hide" : "Show";
  event.target.setAttribute("aria-pressed", String(shown));
});

element("address").value = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${config.endpoint}`;
element("token").value = config.token;
element("interval").value = config.heartbeat;
resetCounters();
loadSample();
