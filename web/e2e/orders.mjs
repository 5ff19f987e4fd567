// SPDX-License-Identifier: MIT
// Single orders on the Trading page, against the real processes: one that rests is cancelled, one that cannot be told
// apart is assigned, one that waits for a try is given up. The broker's bad moments come from its control port.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { api, firstSignIn } from './journey.mjs';
import { Perigee, until } from './perigee.mjs';
import { done, equal, test, truthy } from './tap.mjs';

const ACCOUNT = '365101';
const perigee = await new Perigee({ seed: 3, speed: '20', accounts: 6, args: ['--control', '127.0.0.1:0'] }).start();
const browser = await launch();

/** Says something to the paper broker. */
async function broker(verb, args) {
  const port = JSON.parse(await readFile(join(perigee.folder, 'var/sim/control'), 'utf8'));
  const answer = await fetch(`http://${port.address}/${verb}`, {
    method: 'POST', headers: { Authorization: `Bearer ${port.token}` }, body: JSON.stringify(args),
  });
  if (!answer.ok) throw new Error(`${verb}: ${answer.status} ${await answer.text()}`);
}

async function post(page, path, data) {
  const { csrf_token: token } = await api(page, '/auth/me');
  const answer = await page.request.post(`/api/v1${path}`, { data, headers: { 'X-CSRF-Token': token } });
  if (!answer.ok()) throw new Error(`${path}: ${answer.status()} ${await answer.text()}`);
  return answer.json();
}

/** Levels around the price of now. */
async function around(page, ...shares) {
  const [instrument] = (await api(page, '/trading/instruments')).items;
  return shares.map((share) => (Number(instrument.bid) * share).toFixed(1));
}

const entry = async (page, quantity) => {
  const [stop, target] = await around(page, 0.98, 1.04);
  return post(page, '/trading/execute-all',
    { symbol: 'BTCUSD', side: 'LONG', quantity, stop_loss: stop, take_profit: target, account_ids: [ACCOUNT] });
};

try {
  const page = await open(browser, perigee.address);
  const orders = page.getByRole('region', { name: 'Orders' });
  await test('a first sign-in', async () => {
    await firstSignIn(page, perigee);
    await page.goto('/trading');
    await orders.waitFor();
    await until(async () => (await api(page, '/trading/instruments')).items[0]?.bid, 'a price');
  }, { needed: true });

  await test('an order that rests is among the active ones, and is cancelled', async () => {
    const [price, stop, target] = await around(page, 0.9, 0.895, 0.95);
    const made = await post(page, '/trading/pending-orders', { account_id: ACCOUNT, symbol: 'BTCUSD', side: 'LONG',
      order_type: 'LIMIT', quantity: '0.02', price, stop_loss: stop, take_profit: target });
    equal(made.status, 'accepted', 'the order');
    await orders.getByText('Resting', { exact: true }).waitFor();
    await orders.getByRole('button', { name: 'Cancel order' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(ACCOUNT).waitFor();
    await dialog.getByRole('button', { name: 'Cancel order' }).click();
    await page.getByText('The order is being cancelled.').waitFor();
    await orders.getByText('Resting', { exact: true }).waitFor({ state: 'detached' });
    equal((await api(page, '/trading/pending-orders')).items.length, 0, 'pending orders');
  });

  await test('an order that cannot be told apart is shown, and the operator says which it is', async () => {
    await broker('fail', { kind: 'reset', at: 'before', path: '/position/open', account: ACCOUNT, times: 1 });
    equal((await entry(page, '0.03')).unknown_count, 1, 'orders without an answer');
    await broker('open', { account: ACCOUNT, side: 'BUY', volume: '0.03' });
    await orders.getByRole('button', { name: 'Say which' }).waitFor({ timeout: 30_000 });
    truthy(await orders.getByText('Which one?').count() > 0, 'a badge says so');
    await orders.getByRole('button', { name: 'Say which' }).click();
    const dialog = page.getByRole('dialog');
    equal(await dialog.getByRole('button', { name: 'That is it' }).count(), 0, 'an answer before the choice');
    await dialog.getByRole('radio').first().check();
    await dialog.getByRole('button', { name: 'That is it' }).click();
    await page.getByText('with the broker’s next list'.replace('’', "'")).waitFor();
    await orders.getByText('Which one?').first().waitFor({ state: 'detached' });
    const [position] = (await api(page, '/trading/positions')).items;
    equal(position.is_ours, true, 'the position is ours');
    await post(page, '/trading/close-all', {});
  });

  await test('an order that waits for a try is shown, and given up', async () => {
    await until(async () => (await api(page, '/trading/positions')).items.length === 0, 'the end of the position');
    await broker('fail', { kind: '429', path: '/position/open', account: ACCOUNT, times: 1, retry_after: 60 });
    await entry(page, '0.03');
    const card = page.getByRole('region', { name: 'Tried again' });
    await card.getByRole('button', { name: 'Give up' }).click({ timeout: 15_000 });
    await page.getByText('It is not tried again.').waitFor();
    await card.waitFor({ state: 'detached' });
    equal((await api(page, '/trading/retries')).items.length, 0, 'orders that wait');
  });

  await test('and nothing broke', async () => {
    equal(page.faults.join(' '), '', 'faults of the page');
    equal(page.strays.join(' '), '', 'requests to other origins');
  });
} finally {
  await browser.close();
  const { code } = await perigee.stop();
  await test('it ends in order', async () => equal(code, 0, 'exit code'));
  await perigee.remove();
}
done();
