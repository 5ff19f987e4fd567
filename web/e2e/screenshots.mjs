// SPDX-License-Identifier: MIT
// Pictures for README and docs: docs/images/<page>-<size>[-<language>].png, from a paper run of seed 1.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { api, firstSignIn, positionsOn } from './journey.mjs';
import { Perigee, root, until } from './perigee.mjs';

const images = join(root, 'docs/images');
const shots = [
  ['overview', '/', 'desk', 'en', 'dark'],
  ['users', '/users', 'desk', 'en', 'dark'],
  ['trading', '/trading', 'desk', 'en', 'dark'],
  ['history', '/history', 'desk', 'en', 'dark'],
  ['overview', '/', 'phone', 'en', 'dark'],
  ['users', '/users', 'phone', 'en', 'dark'],
  ['trading', '/trading', 'phone', 'en', 'dark'],
  ['history', '/history', 'phone', 'en', 'dark'],
  ['trading', '/trading', 'desk', 'ko', 'light'],
  ['overview', '/', 'phone', 'ko', 'light'],
];

await mkdir(images, { recursive: true });
const perigee = await new Perigee({ seed: 1, speed: '20' }).start();
const browser = await launch();
try {
  const page = await open(browser, perigee.address);
  await firstSignIn(page, perigee);
  console.log('waiting for closed trades and open positions');
  await until(async () => (await api(page, '/dashboard/trades?limit=100')).items.length >= 24, 'two closed signals', 400_000);
  await positionsOn(page, 12, 400_000);
  const state = await page.context().storageState();
  for (const [name, path, size, language, theme] of shots) {
    const shown = await open(browser, perigee.address, { size, language, theme, state });
    await shown.addInitScript(([chosen, look]) => {
      localStorage.setItem('perigee.preferences', JSON.stringify({ language: chosen, theme: look }));
    }, [language, theme]);
    await shown.goto(path);
    await until(async () => await shown.locator('[aria-busy="true"]').count() === 0, 'the end of loading');
    await shown.waitForTimeout(1500); // charts draw themselves
    const file = `${name}-${size}${language === 'en' ? '' : `-${language}`}.png`;
    await shown.screenshot({ path: join(images, file) });
    console.log(`docs/images/${file}`);
    await shown.context().close();
  }
} finally {
  await browser.close();
  await perigee.stop();
  await perigee.remove();
}
