// SPDX-License-Identifier: MIT
// Fails when the first load is above its limit: the page, its style, its entry with static imports, and the largest
// page that is loaded on top with everything that it imports, all as gzip.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LIMIT = 250 * 1024;
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const size = (name) => statSync(join(dist, name + ".gz")).size;
const html = readFileSync(join(dist, "index.html"), "utf8");
const first = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((m) => m[1]));
const rest = readdirSync(join(dist, "assets")).filter((n) => /\.(js|css)$/.test(n)).map((n) => "assets/" + n)
  .filter((n) => !first.has(n));
const sum = (names) => [...names].reduce((total, name) => total + size(name), size("index.html"));
const start = sum(first);
const all = sum([...first, ...rest]);
const kib = (n) => (n / 1024).toFixed(1) + " KiB";
const fine = all <= LIMIT;
console.log(`${fine ? "ok" : "not ok"} - first load ${kib(start)}, every page and the charts ${kib(all)}, limit ${kib(LIMIT)} (gzip)`);
process.exit(fine ? 0 : 1);
