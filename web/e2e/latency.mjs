// SPDX-License-Identifier: MIT
// How long an event takes from the journal to the page's script in Chromium, and what an idle office costs:
//   node e2e/latency.mjs [SECONDS]
// An event's stamp is the engine's wall clock when it was journalled; the page's is read when its message arrives.

import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';

import { launch, open } from './browser.mjs';
import { firstSignIn } from './journey.mjs';
import { Perigee } from './perigee.mjs';

const seconds = Number(process.argv[2] ?? 120);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Seconds of processor time of a process. */
async function cpu(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function share(pid, ms) {
  const [before, begun] = [await cpu(pid), Date.now()];
  await wait(ms);
  return ((await cpu(pid)) - before) / ((Date.now() - begun) / 1000);
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

const perigee = await new Perigee({ seed: 1, speed: '60' }).start();
const browser = await launch();
try {
  const page = await open(browser, perigee.address);
  await page.addInitScript(() => {
    globalThis.delays = [];
    const Native = globalThis.WebSocket;
    globalThis.WebSocket = class extends Native {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', ({ data }) => {
          const now = globalThis.performance.timeOrigin + globalThis.performance.now();
          const { seq, wall_us: wall } = JSON.parse(data);
          if (seq && wall) globalThis.delays.push(now - wall / 1000);
        });
      }
    };
  });
  await firstSignIn(page, perigee);
  await wait(seconds * 1000);
  const delays = (await page.evaluate(() => globalThis.delays)).sort((a, b) => a - b);
  console.log(`machine: ${cpus().length} x ${cpus()[0].model}`);
  console.log(`journal to browser: ${delays.length} events, median ${at(delays, 0.5).toFixed(1)} ms, `
    + `p99 ${at(delays, 0.99).toFixed(1)} ms, most ${delays.at(-1).toFixed(1)} ms`);
  await browser.close();
} finally {
  await browser.close();
  await perigee.stop();
  await perigee.remove();
}

const quiet = await new Perigee({ seed: 1, speed: '1' }).start();
try {
  await wait(5000);
  const office = await quiet.pid('office');
  console.log(`idle office (market at speed 1, no page open): ${(100 * await share(office, 20_000)).toFixed(2)} % of a core`);
} finally {
  await quiet.stop();
  await quiet.remove();
}
