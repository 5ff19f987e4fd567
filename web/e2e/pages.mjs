// SPDX-License-Identifier: MIT
// The pages against the real processes: at both sizes, in both languages and themes, nothing breaks, nothing leaves the
// origin, nothing sticks out sideways, axe finds nothing serious, and what they show is what the API says.

import { serious } from './axe.mjs';
import { launch, open } from './browser.mjs';
import { api, firstSignIn, positionsOn } from './journey.mjs';
import { Perigee, until } from './perigee.mjs';
import { done, equal, test, truthy } from './tap.mjs';

const paths = { '/': { en: 'Dashboard', ko: '대시보드' }, '/users': { en: 'Users', ko: '유저 관리' },
  '/trading': { en: 'Trading', ko: '거래 현황' }, '/history': { en: 'History', ko: '거래 내역' } };

const perigee = await new Perigee({ seed: 1, speed: '60' }).start();
const browser = await launch();
try {
  let state;
  await test('a first sign-in', async () => {
    const page = await open(browser, perigee.address);
    await firstSignIn(page, perigee);
    state = await page.context().storageState();
    await positionsOn(page, 12);
    equal(page.strays.join(' '), '', 'requests to other origins');
    equal(page.faults.join(' '), '', 'faults of the page');
    await page.context().close();
  }, { needed: true });

  for (const size of ['desk', 'phone']) {
    for (const [language, theme] of [['en', 'dark'], ['ko', 'light']]) {
      const page = await open(browser, perigee.address, { size, language, theme, state });
      await page.addInitScript(([chosen, look]) => {
        const known = JSON.parse(localStorage.getItem('perigee.preferences') ?? '{}');
        localStorage.setItem('perigee.preferences', JSON.stringify({ ...known, language: chosen, theme: look }));
      }, [language, theme]);
      for (const [path, names] of Object.entries(paths)) {
        await test(`${path} at ${size}, ${language}, ${theme}`, async () => {
          await page.goto(path);
          await page.getByRole('heading', { name: names[language], level: 1 }).waitFor({ state: 'attached' });
          await until(async () => await page.locator(`[aria-busy="true"]`).count() === 0, `the end of loading`, 20_000);
          const found = await serious(page);
          equal(found.join('\n'), '', 'what axe finds');
          const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          truthy(over <= 0, `the page is ${over} pixels wider than the window`);
          equal(await page.evaluate(() => document.documentElement.lang), language, 'language of the document');
          equal(page.strays.join(' '), '', 'requests to other origins');
          equal(page.faults.join(' '), '', 'faults of the page');
        });
      }
      await page.context().close();
    }
  }

  await test('a part of a page that does not come while the office is away comes later', async () => {
    const cut = await open(browser, perigee.address, { state });
    let lost = 0;
    await cut.route(/\/assets\/chart[^/]*\.js$/, (request) => {
      lost += 1;
      return lost <= 2 ? request.abort() : request.continue();
    });
    await cut.goto('/');
    await cut.locator('main canvas').first().waitFor({ timeout: 20_000 });
    truthy(lost > 2, `the part was asked for ${lost} times`);
    equal(await cut.getByText('This page broke').count(), 0, 'pages that broke');
    await cut.context().close();
  });

  const page = await open(browser, perigee.address, { state });
  await test('a connection that is lost is shown, and comes back by itself', async () => {
    await page.goto('/');
    await page.getByRole('heading', { name: 'Dashboard', level: 1 }).waitFor({ state: 'attached' });
    // A page that was never told anything says something else: that there is no connection yet.
    await until(() => page.told > 0, 'the first word of the live line');
    process.kill(await perigee.pid('office'), 'SIGKILL');
    await page.getByText('Connection lost').waitFor({ timeout: 30_000 });
    await page.getByText('Connection lost').waitFor({ state: 'detached', timeout: 60_000 });
    const { users_total: total } = await api(page, '/dashboard/overview');
    await until(async () => (await page.getByText('Total users').locator('xpath=ancestor::*[2]').innerText()).includes(String(total)),
      'the number of users on the page');
  });
  await test('an engine that is away is told apart from a lost connection', async () => {
    process.kill(await perigee.pid('engine'), 'SIGKILL');
    await page.getByText('The engine is away').first().waitFor({ timeout: 30_000 });
    await page.getByText('The engine is away').first().waitFor({ state: 'detached', timeout: 60_000 });
  });
} finally {
  await browser.close();
  const { code } = await perigee.stop();
  await test('it ends in order', async () => equal(code, 0, 'exit code'));
  await perigee.remove();
}
done();
