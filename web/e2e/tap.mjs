// SPDX-License-Identifier: MIT
// Tests in order, told in TAP. One that throws is not ok; those after it still run, unless it was needed: then its error
// goes on, and whoever has started something ends it.

let count = 0;
let failed = 0;

export async function test(name, body, { needed = false } = {}) {
  count += 1;
  try {
    await body();
    console.log(`ok ${count} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${count} - ${name}`);
    for (const line of String(error?.stack ?? error).split('\n')) console.log(`# ${line}`);
    if (needed) throw error;
  }
}

export function equal(found, expected, what) {
  if (found !== expected) throw new Error(`${what}: expected ${expected}, got ${found}`);
}

export function truthy(value, what) {
  if (!value) throw new Error(what);
}

export function skip(why) {
  console.log(`1..0 # SKIP ${why}`);
  process.exit(0);
}

export function done() {
  console.log(`1..${count}`);
  process.exit(failed === 0 ? 0 : 1);
}
