// SPDX-License-Identifier: MIT
// Parts of the dashboard that come when they are needed. While the office is away they wait for it; a part that does
// not come although the office answers belongs to another version: that breaks the page, which offers to load it again.
import { call } from "@/api/client";

const FIRST_MS = 250;
const MOST_MS = 3000;
const TRIES = 3; // while the office answers

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function officeAnswers(): Promise<boolean> {
  try {
    await call("get", "/version", {});
    return true;
  } catch {
    return false;
  }
}

/** Loads a part; what `load` throws comes through only when the office is there. */
export async function loadPart<T>(load: () => Promise<T>, answers: () => Promise<boolean> = officeAnswers, wait = pause): Promise<T> {
  let answered = 0;
  for (let ms = FIRST_MS; ; ms = Math.min(ms * 2, MOST_MS)) {
    try {
      return await load();
    } catch (error) {
      if (answered >= TRIES) throw error;
    }
    await wait(ms);
    if (await answers()) answered += 1;
  }
}
