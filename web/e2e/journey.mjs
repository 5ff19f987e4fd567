// SPDX-License-Identifier: MIT
// Steps that several tests take: the first sign-in, the sign-in, waiting for positions.

import { until } from './perigee.mjs';

export const OWN_PASSWORD = 'an orbit that is low enough';

/** From the sign-in page with the one-time password to the first page, with a password of one's own. */
export async function firstSignIn(page, perigee) {
  await page.goto('/');
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(perigee.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Set a password of your own' }).waitFor();
  const oneTime = page.getByLabel('One-time password');
  if (await oneTime.count() > 0 && await oneTime.inputValue() === '') await oneTime.fill(perigee.password);
  await page.getByLabel('New password', { exact: true }).fill(OWN_PASSWORD);
  await page.getByLabel('New password again').fill(OWN_PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('navigation').first().waitFor();
}

/** Rows of a list of the API, with the page's own cookie. */
export async function api(page, path) {
  const answer = await page.request.get(`/api/v1${path}`);
  if (!answer.ok()) throw new Error(`${path}: ${answer.status()} ${await answer.text()}`);
  return answer.json();
}

/** Waits until positions are open on `count` accounts. */
export async function positionsOn(page, count, limit = 240_000) {
  return until(async () => {
    const { items } = await api(page, '/trading/positions?limit=500');
    const open = items.filter((p) => !p.is_closing);
    return new Set(open.map((p) => p.account_id)).size >= count ? open : null;
  }, `positions on ${count} accounts`, limit);
}
