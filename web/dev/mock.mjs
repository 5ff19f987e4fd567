// SPDX-License-Identifier: MIT
// A pretended office for work on the pages without the real one: `node dev/mock.mjs [PORT]` serves dist, the API's
// shapes and the WebSockets with made-up rows that move. Nothing of it is part of the program.
//   user name admin, password "one-time" (asks for a new one) or anything else but "wrong"
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { csv, fitting, market, preview, report } from "./mock-trading.mjs";

const port = Number(process.argv[2] ?? 7373);
const options = new Set(process.argv.slice(3)); // empty, big, away, lost
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const iso = (ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
const start = Date.now();
const SPEED = 20;
const marketNow = () => Date.UTC(2026, 10, 25, 14, 0, 0) + (Date.now() - start) * SPEED;

let seed = 7;
const random = () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const count = options.has("empty") ? 0 : options.has("big") ? 300 : 12;

const names = ["김민준", "Lee Seo-yeon", "박지훈", "Anna Berg", null, "최유진", "Daniel Ortiz", null, "정하은", "Tom Fischer", "윤서준", "Maria Rossi"];
const users = [];
const accounts = [];
const positions = new Map();
const orders = [];
const signals = [];
const trades = [];
let seq = 100;
let price = 50123.4;
let stopped = false;
const rates = { EUR: "1.0834", GBP: "1.2711" };

for (let i = 1; i <= count; i += 1) {
  const currency = i % 5 === 0 ? "EUR" : "USD";
  const status = i === 4 ? "failed" : i === 9 ? "closed" : i === 11 ? "inactive" : "open";
  const id = `${880100 + i}`;
  users.push({
    id: i, broker: "paper", email: `demo${String(i).padStart(2, "0")}@example.com`, name: names[(i - 1) % names.length], is_active: status !== "inactive",
    status, error: status === "failed" ? "The broker refused the login: wrong password." : null, account_ids: [id], currency,
    balance: null, equity: null, profit: null, open_positions: 0,
    logged_in_at: status === "open" ? iso(marketNow() - 1000 * 60 * 7) : null, expires_at: status === "open" ? iso(marketNow() + 1000 * 60 * 8) : null,
  });
  const balance = (4000 + random() * 36000).toFixed(2);
  accounts.push({
    id, uuid: null, user_id: i, email: users[i - 1].email, broker: "paper", currency, leverage: 100, group: "demo", balance, equity: balance, margin: "0.00",
    free_margin: balance, profit: "0.00", realised: (random() * 400 - 80).toFixed(2), balance_first: (Number(balance) - 120 + random() * 200).toFixed(2),
    open_positions: 0, trades: 40, is_paused: false, is_active: status === "open", updated_at: iso(marketNow()),
  });
}

function newSignal() {
  const long = random() > 0.45;
  const id = signals.length + 1;
  const s = {
    id, strategy: "volume_spike_scalper", hash: "a1b2c3", symbol: "BTCUSD", signal_type: long ? "LONG" : "SHORT", price: price.toFixed(2),
    stop_loss: (price * (long ? 0.9975 : 1.0025)).toFixed(2), take_profit: (price * (long ? 1.004 : 0.996)).toFixed(2), strength: 0.3 + random() * 0.6,
    confidence: 0.4 + random() * 0.5, volume_ratio: 3.5, orderbook_imbalance: 0.66,
    reason: "Volume spike 3.6x, book imbalance 0.66, break of the 5-minute average",
    conditions: [
      { name: "volume_ratio", value: 3.6, threshold: 3, source: "bars", pass: true },
      { name: "imbalance", value: 0.66, threshold: 0.6, source: "book", pass: true },
      { name: "ma_break", value: 12.4, threshold: 0, source: "bars", pass: true },
      { name: "rsi", value: 64.2, threshold: 70, source: "bars", pass: true },
    ],
    created_at: iso(marketNow()),
    outcome: { traded: true, refused_rule: null, refused_reason: null, legs: count, accepted: Math.max(0, count - 3), rejected: 0, unknown: 0, not_sent: 0, volume: "1.20", elapsed_ms: 4.2 },
  };
  signals.unshift(s);
  return s;
}

function open(account, signal) {
  const volume = (0.05 + Math.floor(random() * 40) / 100).toFixed(2);
  const id = `P${100000 + seq + positions.size}`;
  const p = {
    id, account_id: account.id, user_id: account.user_id, email: account.email, symbol: signal.symbol, side: signal.signal_type, quantity: volume,
    entry_price: (price + random() * 4).toFixed(2), current_price: price.toFixed(2), stop_loss: signal.stop_loss, take_profit: signal.take_profit,
    profit_loss: "0.00", profit_loss_percent: "0.0000", currency: account.currency, opened_at: iso(marketNow() - Math.floor(random() * 90_000)), holding_seconds: 300,
    order_id: orders.length + 1, signal_id: signal.id, is_ours: true, is_closing: false, closing_quantity: null, close_reason: null,
  };
  positions.set(`${p.account_id}/${id}`, p);
  orders.unshift({
    id: orders.length + 1, signal_id: signal.id, account_id: account.id, user_id: account.user_id, email: account.email, operation: "open", symbol: p.symbol,
    side: p.side, order_type: "MARKET", quantity: volume, entry_price: p.entry_price, stop_loss: p.stop_loss, take_profit: p.take_profit, status: "OPEN",
    state: random() > 0.95 ? "unknown" : random() > 0.9 ? "sent" : "accepted", reason: null, position_id: id, is_ambiguous: false, is_closing: false, close_reason: null, attempt: 1, created_at: p.opened_at, executed_at: p.opened_at, closed_at: null,
  });
  return p;
}

function trade(p, at = marketNow()) {
  const t = {
    id: trades.length + 1, uid: `C${trades.length + 1}`, order_id: p.order_id, signal_id: p.signal_id, strategy: "volume_spike_scalper", user_id: p.user_id,
    email: p.email, account_id: p.account_id, position_id: p.id, symbol: p.symbol, side: p.side, quantity: p.quantity, entry_price: p.entry_price,
    exit_price: p.current_price, profit_loss: p.profit_loss, commission: "-0.35", swap: "0.00", net: (Number(p.profit_loss) - 0.35).toFixed(2),
    currency: p.currency, profit_loss_percent: p.profit_loss_percent, duration_seconds: 40 + Math.floor(random() * 250),
    reason: pick(["target", "stop", "time", "opposite", "manual"]), is_partial: false, executed_at: iso(at - 180_000), closed_at: iso(at),
  };
  trades.unshift(t);
  return t;
}

if (count > 0) {
  const first = newSignal();
  for (let i = 0; i < 160; i += 1) {
    const p = open(pick(accounts), first);
    const move = random() * 160 - 70;
    p.current_price = (Number(p.entry_price) + move).toFixed(2);
    p.profit_loss = (move * Number(p.quantity) * (p.side === "LONG" ? 1 : -1)).toFixed(2);
    p.profit_loss_percent = ((move / price) * 100 * (p.side === "LONG" ? 1 : -1)).toFixed(4);
    trade(p, marketNow() - (160 - i) * 500_000);
  }
  positions.clear();
  for (const a of accounts) if (a.is_active) open(a, first);
  if (options.has("big")) for (const a of accounts) open(a, first);
}

const bars = market(marketNow(), price, random, iso);

function mark() {
  price += (random() - 0.49) * 8;
  for (const p of positions.values()) {
    const move = (price - Number(p.entry_price)) * (p.side === "LONG" ? 1 : -1);
    p.current_price = price.toFixed(2);
    p.profit_loss = (move * Number(p.quantity)).toFixed(2);
    p.profit_loss_percent = ((move / Number(p.entry_price)) * 100).toFixed(4);
  }
  for (const a of accounts) {
    const own = [...positions.values()].filter((p) => p.account_id === a.id);
    a.profit = own.reduce((sum, p) => sum + Number(p.profit_loss), 0).toFixed(2);
    a.equity = (Number(a.balance) + Number(a.profit)).toFixed(2);
    a.open_positions = own.length;
    const u = users[a.user_id - 1];
    Object.assign(u, { balance: a.balance, equity: a.equity, profit: a.profit, open_positions: own.length });
  }
}
mark();

const system = () => ({
  mode: options.has("live") ? "live" : "paper", engine: { state: options.has("away") ? "away" : "connected", since: iso(start - 90_000), version: "0.1.0", pid: 4242 },
  database: { state: "connected", since: iso(start), applied_seq: seq, lag: 0 },
  feed: { state: options.has("feedlost") ? "lost" : "connected", source: "paper", age_ms: 120 }, broker: { state: "ok", age_ms: 800 }, market_time: iso(marketNow()), symbol: "BTCUSD",
  clock: "scaled", speed: "20", entries_stopped: stopped, trading_enabled: true, orders_in_flight: 0, sessions_open: users.filter((u) => u.status === "open").length,
  accounts_active: accounts.filter((a) => a.is_active).length,
  strategies: [{ instance: "volume_spike_scalper#1", version: "1", hash: "a1b2c3", symbol: "BTCUSD", running: true }],
});
const usd = (field) => accounts.reduce((sum, a) => sum + Number(a[field]) * (a.currency === "USD" ? 1 : Number(rates[a.currency])), 0).toFixed(2);
const overview = () => ({
  as_of: iso(marketNow()), currency: "USD", complete: true, users_total: users.length, users_active: users.filter((u) => u.is_active).length,
  sessions_active: users.filter((u) => u.status === "open").length, accounts_total: accounts.length, accounts_active: accounts.filter((a) => a.is_active).length,
  balance: usd("balance"), equity: usd("equity"), floating: usd("profit"), profit_total: (Number(usd("balance")) - Number(usd("balance_first"))).toFixed(2),
  profit_day: (312.4 + Number(usd("profit"))).toFixed(2), trades_day: trades.length, open_positions: positions.size, latest_signal: signals[0] ?? null, system: system(),
});
const instruments = () => [{ symbol: "BTCUSD", broker_symbol: "BTCUSD.p", price_digits: 2, volume_digits: 2, volume_min: "0.01", volume_max: "50", volume_step: "0.01",
  contract_size: "1", stops_level: 10, bid: (price - 0.5).toFixed(2), ask: (price + 0.5).toFixed(2) }];
const performance = (period) => {
  const ms = { "1h": 3.6e6, "24h": 8.64e7, "7d": 6.048e8, "30d": 2.592e9, all: 2.592e9 }[period];
  const points = [];
  let net = 0;
  for (let i = 0; i <= 96; i += 1) {
    if (i > 0) net += Math.sin(i / 7) * 6 + Math.cos(i * 1.7) * 5 + 1;
    points.push({ time: iso(marketNow() - ms + (ms * i) / 96), net: net.toFixed(2), equity: null, trades: 2 });
  }
  return { period, currency: "USD", from: iso(marketNow() - ms), to: iso(marketNow()), complete: true, points: count ? points : [] };
};

let signedIn = options.has("in") ? { id: 1, username: "admin", role: options.has("viewer") ? "viewer" : "admin", must_change_password: false, csrf_token: "t", expires_at: iso(Date.now() + 8.64e7) } : null;
const problem = (status, code, title, detail, errors) => ({ status, body: { type: `urn:perigee:problem:${code}`, title, status, code, detail, instance: "req-4f2a91", ...(errors && { errors }) } });
const page = (items) => ({ items, next_cursor: null });
const userOf = (path) => users.find((u) => u.id === Number(path.split("/")[2]));
const session = (u) => ({ id: 1, user_id: u.id, email: u.email, broker: u.broker, status: u.status === "open" ? "open" : "closed", is_active: u.status === "open", account_ids: u.account_ids,
  login_at: iso(marketNow()), expires_at: null, last_refresh_at: null, error: null });

function setStatus(u, status) {
  u.status = status;
  u.error = null;
  u.logged_in_at = status === "open" ? iso(marketNow()) : null;
  for (const a of accounts) if (a.user_id === u.id) a.is_active = status === "open";
  tell("user_update", { op: "changed", user: u });
}

function api(method, path, query, body) {
  if (path === "/auth/login") {
    if (body.password === "wrong") return problem(401, "invalid_credentials", "User name or password is wrong", "The user name or the password is wrong.");
    signedIn = { id: 1, username: body.username, role: "admin", must_change_password: body.password === "one-time", csrf_token: "t", expires_at: iso(Date.now() + 8.64e7) };
    return { status: 200, body: signedIn };
  }
  if (!signedIn) return problem(401, "sign_in_required", "Sign in first", "Sign in first.");
  if (path === "/auth/me") return { status: 200, body: signedIn };
  if (path === "/auth/logout") { signedIn = null; return { status: 204 }; }
  if (path === "/auth/password") { signedIn = { ...signedIn, must_change_password: false }; return { status: 200, body: signedIn }; }
  if (options.has("fail")) return problem(500, "internal", "An error of the office", "The office failed; its log tells why.");
  if (path === "/dashboard/overview") return { status: 200, body: overview() };
  if (path === "/dashboard/performance") return { status: 200, body: performance(query.get("period") ?? "24h") };
  if (options.has("nohistory") && path.startsWith("/dashboard/trades")) return problem(503, "history_unavailable", "The database is away", "The database is away.");
  if (path === "/dashboard/trades") return filtered(fitting(trades, query), query);
  if (path === "/dashboard/trades/statistics") return { status: 200, body: statistics(fitting(trades, query)) };
  if (path === "/dashboard/trades/export") return { status: 200, text: csv(fitting(trades, query)) };
  if (path === "/trading/candles") return { status: 200, body: bars.candles(query) };
  if (path === "/trading/preview") return { status: 200, body: preview(body, accounts, price) };
  if (path === "/trading/signal") {
    if (stopped && body.direction !== "CLOSE") return problem(422, "risk_refused", "Risk refused it", "entries_stopped: new entries are stopped.");
    const signal = newSignal();
    Object.assign(signal, { strategy: "manual", signal_type: body.direction, reason: body.reason ?? "by hand, admin", conditions: [] });
    tell("trade_signal", { signal });
    if (body.direction === "CLOSE") closeThese([...positions.values()]);
    return { status: 200, body: report(body, preview(body, accounts, price).legs, (id) => users[id - 1].email) };
  }
  if (path === "/system/state") return { status: 200, body: system() };
  if (path === "/trading/positions" && method === "GET") return { status: 200, body: page([...positions.values()]) };
  if (path === "/trading/orders") return { status: 200, body: page(orders.slice(0, 50)) };
  if (path === "/trading/signals") return { status: 200, body: page(signals) };
  if (path === "/trading/instruments") return { status: 200, body: page(instruments()) };
  if (path === "/trading/entries") { stopped = body.stopped; tell("system_update", { entries_stopped: stopped }); return { status: 200, body: { stopped } }; }
  if (path === "/accounts/sync") return { status: 200, body: { account_count: accounts.length, failed: [] } };
  if (path === "/trading/close-all") return { status: 202, body: closeThese([...positions.values()].filter((p) => !body?.symbol || p.symbol === body.symbol)) };
  const one = /^\/trading\/positions\/([^/]+)\/([^/]+)(\/close)?$/.exec(path);
  if (one) {
    const p = positions.get(`${one[1]}/${one[2]}`);
    if (!p) return problem(404, "not_found", "There is no such thing", "The position is not open.");
    if (one[3]) return { status: 202, body: closeThese([p]) };
    if (body.stop_loss === "1") return problem(422, "broker_refused", "The broker refused it", "The broker refused the stop: too far from the price.");
    Object.assign(p, body);
    tell("position_update", { op: "changed", position: p });
    return { status: 200, body: { status: "accepted", reason: null, position: p } };
  }
  if (path === "/users" && method === "GET") return { status: 200, body: page(users) };
  if (path === "/users" && method === "POST") {
    if (users.some((u) => u.email === body.email)) return problem(409, "conflict", "Not possible in the present state", "There is a user with this e-mail at this broker.");
    if (/bad/.test(body.email)) return problem(422, "invalid_parameters", "The request does not fit its schema", "The request does not fit its schema.", [{ pointer: "/email", detail: "is not an e-mail address" }]);
    const u = { id: users.length + 1, broker: body.broker ?? "paper", email: body.email, name: body.name ?? null, is_active: body.is_active ?? true, status: "logging_in", error: null, account_ids: [],
      currency: "USD", balance: null, equity: null, profit: null, open_positions: 0, logged_in_at: null, expires_at: null };
    users.push(u);
    tell("user_update", { op: "added", user: u });
    setTimeout(() => setStatus(u, "open"), 1500);
    return { status: 201, body: u };
  }
  if (path === "/users/login-all") {
    const waiting = users.filter((u) => u.is_active && u.status !== "open");
    for (const u of waiting) setStatus(u, "open");
    return { status: 200, body: { ok_count: waiting.length, failed_count: 0, results: waiting.map((u) => ({ user_id: u.id, email: u.email, ok: true, error: null })) } };
  }
  if (path.startsWith("/users/")) {
    const u = userOf(path);
    if (!u) return problem(404, "not_found", "There is no such thing", "There is no such user.");
    if (path.endsWith("/login")) { setStatus(u, "open"); return { status: 200, body: session(u) }; }
    if (path.endsWith("/logout")) { setStatus(u, "closed"); return { status: 200, body: session(u) }; }
    if (method === "PUT") { Object.assign(u, { name: body.name ?? u.name, is_active: body.is_active ?? u.is_active }); tell("user_update", { op: "changed", user: u }); return { status: 200, body: u }; }
    if (method === "DELETE") {
      if (u.open_positions > 0) return problem(409, "conflict", "Not possible in the present state", "The user has open positions: close them first.");
      users.splice(users.indexOf(u), 1);
      tell("user_update", { op: "removed", user: u });
      return { status: 204 };
    }
    return { status: 200, body: u };
  }
  return problem(404, "not_found", "There is no such thing", `There is no ${path}.`);
}

function filtered(list, query) {
  const has = (name, value) => { const given = query.get(name); return !given || given.split(",").includes(String(value)); };
  const fit = list.filter((t) => has("symbols", t.symbol) && has("user_ids", t.user_id) && has("side", t.side));
  const at = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  return { status: 200, body: { items: fit.slice(at, at + limit), next_cursor: at + limit < fit.length ? String(at + limit) : null } };
}

function statistics(list) {
  const sorted = [...list].sort((a, b) => Number(b.net) - Number(a.net));
  const wins = list.filter((t) => Number(t.net) > 0).length;
  const net = list.reduce((s, t) => s + Number(t.net), 0);
  return { trades: list.length, wins, losses: list.length - wins, win_rate: list.length ? wins / list.length : null, currency: "USD", net: list.length ? net.toFixed(2) : null,
    average: list.length ? (net / list.length).toFixed(2) : null, best: sorted[0] ?? null, worst: sorted.at(-1) ?? null, average_duration_seconds: list.length ? 131.5 : null,
    by_currency: [{ currency: "USD", trades: list.length, net: net.toFixed(2) }] };
}

function closeThese(list) {
  for (const p of list) {
    p.is_closing = true;
    p.close_reason = "manual";
    tell("position_update", { op: "closing", position: p });
    setTimeout(() => {
      positions.delete(`${p.account_id}/${p.id}`);
      tell("position_update", { op: "closed", position: p, trade: trade(p) });
    }, 600);
  }
  return { closing_count: list.length, positions: list.map((p) => ({ account_id: p.account_id, id: p.id })) };
}

// ---- HTTP and WebSocket ---------------------------------------------------------------------------

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const policy = "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  let text = "";
  request.on("data", (chunk) => { text += chunk; });
  request.on("end", () => {
    if (url.pathname.startsWith("/api/v1")) {
      const answer = api(request.method, url.pathname.slice(7), url.searchParams, text ? JSON.parse(text) : undefined);
      setTimeout(() => {
        response.writeHead(answer.status, { "Content-Type": answer.status >= 400 ? "application/problem+json" : "application/json" });
        response.end(answer.text ?? (answer.body === undefined ? "" : JSON.stringify(answer.body)));
      }, options.has("slow") ? 600 : 15);
      return;
    }
    let path = join(dist, url.pathname);
    if (!path.startsWith(dist) || !existsSync(path) || url.pathname === "/" || !extname(path)) path = join(dist, "index.html");
    response.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream", "Content-Security-Policy": policy });
    response.end(readFileSync(path));
  });
});

const sockets = new Set();
function frame(value) {
  const body = Buffer.from(JSON.stringify(value));
  const head = body.length < 126 ? Buffer.from([0x81, body.length])
    : body.length < 65536 ? Buffer.from([0x81, 126, body.length >> 8, body.length & 255])
      : Buffer.concat([Buffer.from([0x81, 127, 0, 0, 0, 0]), Buffer.from([(body.length >> 24) & 255, (body.length >> 16) & 255, (body.length >> 8) & 255, body.length & 255])]);
  return Buffer.concat([head, body]);
}
const send = (value) => { for (const socket of sockets) socket.write(frame(value)); };
function tell(type, data) {
  seq += 1;
  send({ type, seq, time: iso(marketNow()), wall_us: Date.now() * 1000, data });
}

server.on("upgrade", (request, socket) => {
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  sockets.add(socket);
  const gone = () => sockets.delete(socket);
  socket.on("close", gone);
  socket.on("error", gone);
  socket.on("data", (data) => { if ((data[0] & 15) === 8) socket.end(); });
  socket.write(frame({ type: "snapshot", seq, time: iso(marketNow()), data: {
    users, sessions: [], accounts, positions: [...positions.values()], orders: orders.slice(0, 50), signals: signals.slice(0, 20), instruments: instruments(), rates, quotes: [], system: system(),
  } }));
});

setInterval(() => {
  mark();
  send({ type: "bar", data: { symbol: "BTCUSD", timeframe: "1m", candle: bars.tick(marketNow(), price) } });
  send({ type: "marks", data: { positions: [...positions.values()].map((p) => ({ account_id: p.account_id, id: p.id, mark: p.current_price, profit: p.profit_loss })),
    accounts: accounts.map(({ id, equity, margin, free_margin, profit }) => ({ id, equity, margin, free_margin, profit })), rates } });
}, 500);
setInterval(() => {
  const brief = system();
  for (const name of ["engine", "database", "mode"]) delete brief[name];
  send({ type: "health", data: brief });
}, 1000);
if (count > 0 && !options.has("still")) {
  setInterval(() => {
    const signal = newSignal();
    tell("trade_signal", { signal });
    for (const a of accounts) {
      if (!a.is_active || random() > 0.4) continue;
      const p = open(a, signal);
      tell("order_executed", { order: orders[0] });
      tell("position_update", { op: "opened", position: p });
    }
    closeThese([...positions.values()].slice(0, 3));
  }, 9000);
}
server.listen(port, "127.0.0.1", () => console.log(`pretended office on http://127.0.0.1:${port}`));
