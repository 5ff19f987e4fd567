// SPDX-License-Identifier: MIT
// Starts `perigee run` in a folder of its own and ends it; knows where the dashboard is and the one-time password.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const program = process.env.PERIGEE_PROGRAM ?? join(root, 'build/release/perigee');

/** Waits until `probe` gives something truthy; throws `what` after `limit` ms. */
export async function until(probe, what, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${limit / 1000} s`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/**
 * A running Perigee. `lines` are what it has printed so far, `address` and `password` what it said of the dashboard.
 */
export class Perigee {
  constructor({ seed = 1, speed = '20', accounts = 12, folder = null, fresh = folder === null, args = [] } = {}) {
    this.options = { seed, speed, accounts, args };
    this.folder = folder;
    this.fresh = fresh; // its first start tells a one-time password
    this.lines = [];
    this.address = null;
    this.password = null;
    this.exit = null;
  }

  async start() {
    this.folder ??= await mkdtemp(join(tmpdir(), 'perigee-web-'));
    const { seed, speed, accounts, args } = this.options;
    const all = ['run', '--data-dir', join(this.folder, 'var'), '--listen', '127.0.0.1:0', '--seed', String(seed),
      '--speed', String(speed), '--accounts', String(accounts), ...args];
    this.child = spawn(program, all, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exit = new Promise((done) => this.child.on('exit', (code, signal) => done({ code, signal })));
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#read(line));
    createInterface({ input: this.child.stderr }).on('line', (line) => this.lines.push(`! ${line}`));
    let ended = null;
    this.exit.then((how) => { ended = how; });
    await until(() => {
      if (ended) throw new Error(`perigee ended early:\n${this.lines.join('\n')}`);
      return this.address && (this.password || !this.fresh);
    }, 'the address of the dashboard');
    return this;
  }

  #read(line) {
    this.lines.push(line);
    this.address = line.match(/^dashboard\s+(http:\/\/127\.0\.0\.1:\d+)/)?.[1] ?? this.address;
    this.password = line.match(/^first sign-in\s+admin \/ (\S+)/)?.[1] ?? this.password;
  }

  /** Pid of a child by its verb, from the process table. */
  async pid(verb) {
    const { readdir } = await import('node:fs/promises');
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      const words = line.split('\0');
      if (words[1] === verb && words.includes(join(this.folder, 'var'))) return Number(name);
    }
    return null;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGINT');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 40_000);
    const how = await this.exit;
    clearTimeout(timer);
    return how;
  }

  /** Its folder, and its cluster, which for root lies elsewhere. */
  async remove() {
    const made = this.lines.map((line) => line.match(/^database\s+made in (\/var\/lib\/perigee\/[0-9a-f]+)\//)?.[1]);
    for (const cluster of made.filter(Boolean)) await rm(cluster, { recursive: true, force: true });
    await rm(this.folder, { recursive: true, force: true });
  }
}
