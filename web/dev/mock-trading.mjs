// SPDX-License-Identifier: MIT
// The pretended office's part for Trading and History: bars, previews, reports, exports. See mock.mjs.

const MINUTE = 60_000;
const seconds = { "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE };

/** Bars of a made-up past that ends at the price of now; `tick` feeds the forming minute. */
export function market(now, price, random, iso) {
  const minutes = [];
  let p = price - 180;
  const first = now - (now % MINUTE) - 3000 * MINUTE;
  for (let i = 0; i < 3000; i += 1) {
    const open = p;
    p += (random() - 0.5) * 36 + (price - p) / (3000 - i + 20);
    const high = Math.max(open, p) + random() * 14;
    const low = Math.min(open, p) - random() * 14;
    minutes.push({ at: first + i * MINUTE, open, high, low, close: p, volume: 4 + random() * 30 + (random() > 0.95 ? 90 : 0) });
  }
  const candle = (b) => ({ time: iso(b.at), open: b.open, high: b.high, low: b.low, close: b.close, volume: b.volume, buy_volume: b.volume / 2, sell_volume: b.volume / 2 });
  return {
    tick(at, to) {
      const start = at - (at % MINUTE);
      let last = minutes.at(-1);
      if (last.at !== start) {
        last = { at: start, open: last.close, high: last.close, low: last.close, close: last.close, volume: 0 };
        minutes.push(last);
      }
      Object.assign(last, { high: Math.max(last.high, to), low: Math.min(last.low, to), close: to, volume: last.volume + random() * 2 });
      return candle(last);
    },
    candles(query) {
      const timeframe = query.get("timeframe") ?? "1m";
      const span = seconds[timeframe];
      const before = query.get("before") ? Date.parse(query.get("before")) : Infinity;
      const bars = new Map();
      for (const m of minutes) {
        const at = m.at - (m.at % span);
        if (at >= before) break;
        const b = bars.get(at);
        if (!b) bars.set(at, { ...m, at });
        else Object.assign(b, { high: Math.max(b.high, m.high), low: Math.min(b.low, m.low), close: m.close, volume: b.volume + m.volume });
      }
      const list = [...bars.values()].slice(-Number(query.get("limit") ?? 300)).map(candle);
      const forming = before === Infinity ? (list.pop() ?? null) : null;
      return { symbol: query.get("symbol"), timeframe, source: "engine", candles: list, forming };
    },
  };
}

export function preview(body, accounts, price) {
  const way = body.direction === "LONG" ? 1 : -1;
  return { symbol: body.symbol, direction: body.direction, legs: accounts.map((a, i) => {
    const refused = !a.is_active ? ["session", "the account is not logged in"] : i === 6 ? ["max_positions", "2 positions are open, the limit is 2"] : null;
    const lots = (0.08 + i * 0.01).toFixed(2);
    return { account_id: a.id, user_id: a.user_id, quantity: refused ? null : lots, price: price.toFixed(2), stop_loss: (price * (1 - way * body.stop_percent / 100)).toFixed(2),
      take_profit: (price * (1 + way * body.target_percent / 100)).toFixed(2), risk_money: refused ? null : (price * lots * body.stop_percent / 100).toFixed(2),
      margin: refused ? null : (price * lots / 100).toFixed(2), currency: a.currency, rule: refused?.[0] ?? null, reason: refused?.[1] ?? null };
  }) };
}

export function report(body, legs, emailOf) {
  const results = legs.map((l, i) => ({ user_id: l.user_id, email: emailOf(l.user_id), account_id: l.account_id, order_id: l.rule ? null : 900 + i,
    status: l.rule ? "refused" : i === 2 ? "rejected" : i === 5 ? "unknown" : "accepted", rule: l.rule, reason: l.reason ?? (i === 2 ? "insufficient margin" : i === 5 ? "no answer within 2 s" : null),
    quantity: l.quantity, executed_price: l.rule || i === 2 || i === 5 ? null : l.price }));
  const done = results.filter((r) => r.status === "accepted");
  return { signal_id: 99, symbol: body.symbol, executed_count: done.length, failed_count: results.length - done.length,
    total_volume: done.reduce((s, r) => s + Number(r.quantity), 0).toFixed(2), execution_time_ms: 4.62, results };
}

/** The trades that fit a query of the list, the statistics or the export. */
export function fitting(trades, query) {
  const has = (name, value) => { const given = query.get(name); return !given || given.split(",").includes(String(value)); };
  const from = query.get("from") ? Date.parse(query.get("from")) : -Infinity;
  const to = query.get("to") ? Date.parse(query.get("to")) : Infinity;
  return trades.filter((t) => has("symbols", t.symbol) && has("user_ids", t.user_id) && has("side", t.side) &&
    Date.parse(t.closed_at) >= from && Date.parse(t.closed_at) < to &&
    (query.get("result") !== "win" || Number(t.net) > 0) && (query.get("result") !== "loss" || Number(t.net) < 0));
}

export function csv(trades) {
  const columns = ["closed_at", "email", "account_id", "symbol", "side", "quantity", "entry_price", "exit_price", "net", "currency", "reason"];
  return [columns.join(","), ...trades.map((t) => columns.map((c) => t[c]).join(","))].join("\r\n") + "\r\n";
}
