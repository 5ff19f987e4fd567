// SPDX-License-Identifier: MIT
// The WebSockets of a running office from outside, byte by byte: handshakes that must be refused, snapshots, resuming,
// broken frames, the end of a sign-in, and how long a change takes.
//   node tests/e2e/sockets.mjs HOST:PORT USER PASSWORD      prints "ok what" or "not ok what: why" for each check
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";

const [address, username, password] = process.argv.slice(2);
const [host, port] = address.split(":");
const LIMIT_MS = 30_000;

const report = (what, ok, why) => console.log(ok ? `ok ${what}` : `not ok ${what}: ${why ?? ""}`);

function call(method, path, body, session) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    if (session) Object.assign(headers, { Cookie: session.cookie, "X-CSRF-Token": session.csrf });
    const request = http.request({ host, port, method, path: `/api/v1${path}`, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => { text += chunk; });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function signIn() {
  const answer = await call("POST", "/auth/login", { username, password });
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.text}`);
  return { cookie: answer.headers["set-cookie"][0].split(";")[0], csrf: JSON.parse(answer.text).csrf_token };
}

// A client that keeps everything it gets. `status` is the answer to the handshake.
class Client {
  constructor(path, headers) {
    this.messages = [];
    this.closed = null; // code of the close frame; 0: cut
    this.waiting = [];
    this.bytes = Buffer.alloc(0);
    this.socket = net.connect(Number(port), host);
    this.socket.on("error", () => this.end(0));
    this.socket.on("close", () => this.end(0));
    const key = randomBytes(16).toString("base64");
    this.accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const lines = { Host: address, Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key, ...headers };
    this.socket.write(`GET ${path} HTTP/1.1\r\n${Object.entries(lines).filter(([, v]) => v !== null)
      .map(([k, v]) => `${k}: ${v}`).join("\r\n")}\r\n\r\n`);
    this.status = new Promise((resolve) => { this.shaken = resolve; });
    this.socket.on("data", (chunk) => this.take(chunk));
  }

  end(code) {
    if (this.closed === null) this.closed = code;
    this.shaken(0);
    for (const wake of this.waiting.splice(0)) wake();
  }

  take(chunk) {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    if (!this.open) {
      const end = this.bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.bytes.subarray(0, end).toString();
      this.bytes = this.bytes.subarray(end + 4);
      this.open = head.includes(this.accept);
      this.shaken(Number(head.split(" ")[1]));
      if (!this.open) return;
    }
    while (this.frame()) { /* whole frames only */ }
    for (const wake of this.waiting.splice(0)) wake();
  }

  frame() {
    const b = this.bytes;
    if (b.length < 2) return false;
    let length = b[1] & 127, at = 2;
    if (length === 126) { if (b.length < 4) return false; length = b.readUInt16BE(2); at = 4; }
    else if (length === 127) { if (b.length < 10) return false; length = Number(b.readBigUInt64BE(2)); at = 10; }
    if (b.length < at + length) return false;
    const payload = b.subarray(at, at + length), opcode = b[0] & 15;
    this.bytes = b.subarray(at + length);
    if (opcode === 8) this.closed = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    else if (opcode === 1) this.messages.push({ ...JSON.parse(payload.toString()), got: Date.now() });
    return true;
  }

  send(payload, { opcode = 1, fin = true, mask = true, rsv = 0, length } = {}) {
    const data = Buffer.from(payload), key = randomBytes(4), n = length ?? data.length;
    const head = [(fin ? 128 : 0) | rsv | opcode];
    if (n < 126) head.push((mask ? 128 : 0) | n);
    else { head.push((mask ? 128 : 0) | 126, n >> 8, n & 255); }
    const body = mask ? Buffer.concat([key, data.map((byte, i) => byte ^ key[i % 4])]) : data;
    this.socket.write(Buffer.concat([Buffer.from(head), body]));
  }

  // The first message that fits, of those that are there or come.
  async until(fits) {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const found = this.messages.find(fits);
      if (found || this.closed !== null || Date.now() > deadline) return found;
      await new Promise((resolve) => { this.waiting.push(resolve); setTimeout(resolve, 1000); });
    }
  }

  async end_of() {
    const deadline = Date.now() + LIMIT_MS;
    while (this.closed === null && Date.now() < deadline) {
      await new Promise((resolve) => { this.waiting.push(resolve); setTimeout(resolve, 1000); });
    }
    return this.closed;
  }

  leave() { this.socket.destroy(); }
}

const of = (type) => (m) => m.type === type;

async function refusals(session) {
  const cases = [
    ["without a sign-in", "/ws/dashboard", {}, 401],
    ["with a wrong cookie", "/ws/dashboard", { Cookie: "perigee_session=nonsense" }, 401],
    ["from another origin", "/ws/dashboard", { Cookie: session.cookie, Origin: "http://evil.example" }, 403],
    ["with another Host", "/ws/dashboard", { Cookie: session.cookie, Host: "evil.example" }, 403],
    ["on an unknown path", "/ws/nothing", { Cookie: session.cookie }, 404],
    ["of another version", "/ws/dashboard", { Cookie: session.cookie, "Sec-WebSocket-Version": "8" }, 426],
    ["with a short key", "/ws/dashboard", { Cookie: session.cookie, "Sec-WebSocket-Key": "eA==" }, 400],
  ];
  for (const [what, path, headers, wanted] of cases) {
    const client = new Client(path, headers);
    const status = await client.status;
    report(`a handshake ${what} gets ${wanted}`, status === wanted, status);
    client.leave();
  }
}

const WHOLE = ["users", "sessions", "accounts", "positions", "orders", "signals", "instruments", "rates", "system"];

async function channels(session) {
  const headers = { Cookie: session.cookie, Origin: `http://${address}` };
  for (const [channel, keys] of [["dashboard", WHOLE], ["positions", ["positions", "accounts", "rates", "system"]],
    ["trading", ["orders", "signals", "positions", "accounts", "instruments", "rates", "system"]]]) {
    const client = new Client(`/ws/${channel}`, headers);
    const first = await client.until(() => true);
    report(`/ws/${channel} begins with a snapshot`, first?.type === "snapshot" && Number.isInteger(first.seq)
      && Object.keys(first.data).sort().join() === [...keys].sort().join(), JSON.stringify(Object.keys(first?.data ?? {})));
    client.send('{"type":"ping"}');
    report(`/ws/${channel} answers a ping`, await client.until(of("pong")));
    client.leave();
  }
}

async function broken(session) {
  const headers = { Cookie: session.cookie };
  const cases = [
    ["no JSON", (c) => c.send("nonsense"), [1008]],
    ["an unknown message", (c) => c.send('{"type":"order"}'), [1008]],
    ["a list", (c) => c.send("[]"), [1008]],
    ["a frame over 4 KiB", (c) => c.send(`"${"x".repeat(5000)}"`), [1009]],
    ["a frame over 8 KiB", (c) => c.send(`"${"x".repeat(20000)}"`), [0, 1009]],
    ["text that is not UTF-8", (c) => c.send(Buffer.from([0xff, 0xfe])), [0, 1007]],
    ["reserved bits", (c) => c.send("{}", { rsv: 0x40 }), [0, 1002]],
    ["an unknown opcode", (c) => c.send("{}", { opcode: 3 }), [0, 1002]],
    ["a continuation of nothing", (c) => c.send("{}", { opcode: 0 }), [0, 1002]],
  ];
  for (const [what, act, wanted] of cases) {
    const client = new Client("/ws/dashboard", headers);
    await client.until(of("snapshot"));
    act(client);
    const code = await client.end_of();
    report(`${what} ends the socket`, wanted.includes(code), `${code}`);
    client.leave();
  }
  const answer = await call("GET", "/health");
  report("the office lives on", answer.status === 200, answer.status);
}

// Journal to here: both clocks are this machine's.
async function latency(session, client) {
  const wanted = 60;
  for (let i = 0; i < wanted; i += 1) {
    await call("POST", "/trading/entries", { stopped: i % 2 === 0 }, session);
  }
  await call("POST", "/trading/signal", { symbol: "BTCUSD", direction: "LONG" }, session);
  await client.until(of("signal_outcome"));
  await call("POST", "/trading/close-all", undefined, session);
  await client.until((m) => m.type === "position_update" && m.data.op === "closed");
  const delays = client.messages.filter((m) => m.seq && m.type !== "snapshot")
    .map((m) => m.got - m.wall_us / 1000).sort((a, b) => a - b);
  const median = delays[Math.floor(delays.length / 2)];
  console.log(`# journal to socket: median ${median.toFixed(1)} ms, worst ${delays.at(-1).toFixed(1)} ms, ${delays.length} messages`);
  const numbers = client.messages.filter((m) => m.seq && m.type !== "snapshot").map((m) => m.seq);
  report("numbers rise", numbers.every((n, i) => i === 0 || n >= numbers[i - 1]));
  const trades = client.messages.filter((m) => m.data?.trade).length;
  const closed = client.messages.filter((m) => m.type === "position_update" && m.data.op === "closed").length;
  report("each closed position brings its trade", closed > 0 && trades >= closed, `${closed} ${trades}`);
}

async function resuming(session, client) {
  const headers = { Cookie: session.cookie };
  const numbered = client.messages.filter((m) => m.seq && m.type !== "snapshot");
  const since = numbered[Math.floor(numbered.length / 2)].seq;
  const again = new Client(`/ws/dashboard?since=${since}`, headers);
  const first = await again.until(() => true);
  report("a client that comes back resumes", first?.type === "resumed", JSON.stringify(first));
  // Of several changes of one thing the newest is enough; closings with their trades are told one by one.
  const missed = numbered.filter((m) => m.seq > since);
  const about = (m) => (m.data.trade ? `trade ${m.data.trade.id}` : JSON.stringify([m.data.order?.id,
    m.data.position?.account_id, m.data.position?.id, m.data.accounts?.[0]?.id, m.data.signal?.id, m.data.user?.id,
    m.data.session?.id]));
  const newest = new Map(missed.map((m) => [about(m), m.seq]));
  // A newer change of a thing may be told after the last that was missed.
  const lacking = () => {
    const got = new Map(again.messages.filter((m) => m.data && m.seq).map((m) => [about(m), m.seq]));
    return [...newest].filter(([what, seq]) => !(got.get(what) >= seq));
  };
  await again.until(() => lacking().length === 0);
  report("and is told all that it missed", newest.size > 5 && lacking().length === 0, lacking().join("; "));
  again.leave();
  const lost = new Client("/ws/dashboard?since=999999999", headers);
  report("a number that never was brings a snapshot", (await lost.until(() => true))?.type === "snapshot");
  lost.leave();
}

async function limits(session) {
  const clients = [];
  let refused = 0;
  for (let i = 0; i < 30; i += 1) {
    const client = new Client("/ws/positions", { Cookie: session.cookie });
    const status = await client.status;
    if (status === 429) refused += 1;
    clients.push(client);
  }
  report("an operator gets some twenty sockets", refused > 0 && refused <= 11, refused);
  for (const client of clients) client.leave();
}

async function ending(session, client) {
  await call("POST", "/auth/logout", undefined, session);
  report("signing out ends the sockets with 4401", (await client.end_of()) === 4401, client.closed);
  const refusedNow = new Client("/ws/dashboard", { Cookie: session.cookie });
  report("and no new one opens", (await refusedNow.status) === 401);
  refusedNow.leave();
}

const session = await signIn();
await refusals(session);
await channels(session);
await broken(session);
const client = new Client("/ws/dashboard", { Cookie: session.cookie, Origin: `http://${address}` });
await client.until(of("snapshot"));
await latency(session, client);
await resuming(session, client);
await limits(session);
report("silence is broken by heartbeats or health", await client.until((m) => m.type === "heartbeat" || m.type === "health"));
await ending(session, client);
process.exit(0);
