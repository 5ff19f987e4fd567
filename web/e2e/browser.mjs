// SPDX-License-Identifier: MIT
// Chromium with a fresh profile, and a guard: no request may leave the dashboard's own origin.

import { chromium } from 'playwright-core';

const path = process.env.PERIGEE_CHROMIUM ?? '/usr/bin/chromium';

export const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

export async function launch() {
  return chromium.launch({
    executablePath: path,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--no-first-run'],
  });
}

/**
 * A page in a context of its own. `strays` collects requests to other origins, `faults` what the page complained of,
 * `told` counts what its live lines have brought.
 */
export async function open(browser, address, { size = 'desk', language = 'en', theme = 'dark', state } = {}) {
  const context = await browser.newContext({ viewport: sizes[size], baseURL: address, storageState: state,
    locale: language === 'ko' ? 'ko-KR' : 'en-GB', colorScheme: theme, timezoneId: 'UTC', acceptDownloads: true,
    hasTouch: size === 'phone' });
  const page = await context.newPage();
  page.strays = [];
  page.faults = [];
  page.told = 0;
  const own = new URL(address).host;
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!['data:', 'blob:'].includes(url.protocol) && url.host !== own) page.strays.push(request.url());
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== own) page.strays.push(socket.url());
    socket.on('framereceived', () => { page.told += 1; });
  });
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    // A refused request is logged by the browser itself; the page shows it.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
      page.faults.push(message.text());
    }
  });
  return page;
}
