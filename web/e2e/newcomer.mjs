// SPDX-License-Identifier: MIT
// The way of a newcomer: signs in with the one-time password, sees twelve accounts, watches a signal fill on all of them,
// edits a stop, closes one and then all, finds the trades in History and exports them.

import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { api, firstSignIn, positionsOn } from './journey.mjs';
import { Perigee, root, until } from './perigee.mjs';
import { done, equal, test, truthy } from './tap.mjs';

// Wide exits and a long holding, so that the market closes nothing under the newcomer's hands.
const folder = await mkdtemp(join(tmpdir(), 'perigee-newcomer-'));
await writeFile(join(folder, 'perigee.lua'), `return { strategies = { {
  file = "${root}/strategies/volume_spike_scalper.lua",
  params = { stop_percent = 2, target_percent = 4, holding_seconds = 3600 } } } }
`);
const perigee = await new Perigee({ seed: 1, speed: '20', folder, fresh: true }).start();
const browser = await launch();

const price = (text) => Number(text.replace(/[^\d.]/g, ''));

try {
  const page = await open(browser, perigee.address);
  const rows = page.getByRole('table', { name: 'Open positions' }).locator('tbody tr[data-key]');
  let all;

  await test('signs in with the one-time password and sets one of its own', async () => {
    await firstSignIn(page, perigee);
  }, { needed: true });

  await test('sees twelve accounts of ten users', async () => {
    await page.getByText('12 of 12 accounts').waitFor();
    await page.getByRole('link', { name: 'Users' }).click();
    const table = page.getByRole('table', { name: 'Users' });
    await until(async () => await table.locator('tbody tr[data-key]').count() === 10, 'ten users in the table');
    const text = await table.innerText();
    equal(new Set(text.match(/\b3651\d\d\b/g)).size, 12, 'accounts in the table');
  });

  await test('watches a signal fill on every account', async () => {
    await page.getByRole('link', { name: 'Trading' }).click();
    await until(async () => await rows.count() === 12, 'twelve positions in the table', 300_000);
    all = await positionsOn(page, 12);
    await page.getByText('12 accepted').first().waitFor();
  }, { needed: true });

  await test('edits a stop: the broker accepts it and the row shows it', async () => {
    const first = all.find((p) => p.account_id === '365101');
    const further = Number(first.stop_loss) + (first.side === 'LONG' ? -50 : 50);
    const row = page.locator('tr', { has: page.locator('td', { hasText: '365101' }) }).first();
    await row.getByRole('button', { name: 'Edit stop and target' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Stop loss').fill(further.toFixed(1));
    await dialog.getByRole('button', { name: 'Send to the broker' }).click();
    await dialog.getByText('The broker accepted').waitFor();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await until(async () => (await row.innerText()).split(/\s{2,}|\t|\n/).some((cell) => price(cell) === further),
      'the new stop in the row');
    const { items } = await api(page, '/trading/positions?limit=500');
    equal(Number(items.find((p) => p.id === first.id).stop_loss), further, 'stop loss of the API');
  });

  await test('closes one', async () => {
    const row = page.locator('tr', { has: page.locator('td', { hasText: '365102' }) }).first();
    await row.getByRole('button', { name: 'Close', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: /^Close .* lots$/ }).click();
    await until(async () => await rows.count() === 11, 'eleven positions in the table');
  });

  await test('closes all, told before what it means', async () => {
    await page.getByRole('button', { name: 'Close all' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/Close 11 positions on 11 accounts, about .* USD at current prices/).waitFor();
    await dialog.getByRole('button', { name: 'Close 11 positions' }).click();
    await page.getByText('No open positions.').waitFor({ timeout: 30_000 });
  });

  await test('finds the twelve trades in History, with their sum', async () => {
    await page.getByRole('link', { name: 'History' }).click();
    const trades = page.getByRole('table', { name: 'Trades' }).locator('tbody tr[data-key]');
    await until(async () => await trades.count() === 12, 'twelve trades in the table');
    const { items } = await api(page, '/dashboard/trades?limit=500');
    equal(items.length, 12, 'trades of the API');
    truthy(items.every((t) => t.reason === 'manual'), 'every trade was closed by hand');
  });

  await test('exports them as CSV', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export CSV' }).click(),
    ]);
    const lines = (await readFile(await download.path(), 'utf8')).trim().split(/\r?\n/);
    equal(lines.length, 13, 'lines of the file');
    const { items } = await api(page, '/dashboard/trades?limit=500');
    truthy(items.every((t) => lines.some((line) => line.includes(t.uid) && line.includes(t.net))),
      'every trade is in the file with its net result');
  });

  await test('nothing left the origin, nothing broke', async () => {
    equal(page.strays.join(' '), '', 'requests to other origins');
    equal(page.faults.join(' '), '', 'faults of the page');
  });
} finally {
  await browser.close();
  const { code } = await perigee.stop();
  await test('it ends in order', async () => equal(code, 0, 'exit code'));
  await perigee.remove();
}
done();
