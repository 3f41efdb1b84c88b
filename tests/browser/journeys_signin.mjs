// Logging in with an account at another provider (examples/fake-providers).
import assert from 'node:assert/strict';
import { errorOf, expectAccount, logIn, newUser } from './steps.mjs';

const BUTTON = { name: 'Log in with GitHub' };
const AGREED = /\/_auth\/(?!signin)/;

// On the provider's page.
async function answer(page, login, button = 'Authorize') {
  await page.waitForURL(/\/github\/login\/oauth\/authorize/);
  if (login) await page.locator(`input[name=user][value="${login}"]`).check();
  await page.getByRole('button', { name: button }).click();
}

// Somebody at the provider who has no account here.
async function newAccount(portal) {
  const login = portal.newName();
  const set = { login, id: 1000 + portal.names, name: null, email: null, orgs: [], teams: [], emails: [], about: 'made by a journey' };
  const body = JSON.stringify({ user: { provider: 'github', login, set } });
  const made = await fetch(`${portal.fakes}/control`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  assert.equal(made.status, 200);
  return login;
}

function isClean(page) {
  assert.doesNotMatch(page.url(), /code=|state=/);
}

export const journeys = {
  async 'log in with a provider, and use the callback again'({ portal, page }) {
    let callback;
    page.on('request', (request) => { if (request.url().includes('/callback?')) callback ??= request.url(); });
    await page.goto(`${portal.url}/login?return_to=${encodeURIComponent('/_auth/tokens')}`);
    await portal.look(page, 'login-provider');
    await page.getByRole('link', BUTTON).click();
    await answer(page, 'octocat');
    await page.waitForURL(/\/_auth\/tokens$/);
    await page.goto(`${portal.url}/`);
    assert.equal(await page.innerText('#me'), 'github:octocat');
    await portal.look(page, 'account-provider');
    const response = await page.goto(callback);
    assert.equal(response.status(), 400);
    assert.match(await errorOf(page), /completed already/);
    isClean(page);
    await portal.look(page, 'signin-used');
    await page.getByRole('link', { name: 'Continue' }).click();
    await page.locator('#me').waitFor();
  },

  async 'refuse at the provider'({ portal, page }) {
    await page.goto(`${portal.url}/login`);
    await page.getByRole('link', BUTTON).click();
    await answer(page, null, 'Cancel');
    await page.waitForURL(/\/signin\/github\/denied$/);
    assert.match(await errorOf(page), /refused this login/);
    await portal.look(page, 'signin-denied');
    await page.getByRole('link', { name: 'Log in another way' }).click();
    await page.waitForURL(/\/_auth\/login$/);
    await page.getByRole('link', BUTTON).click();
    await answer(page, 'newcomer');
    await page.waitForURL(/\/signin\/github\/not-allowed$/);
    assert.match(await page.innerText('main'), /At GitHub you are logged in as newcomer/);
    await portal.look(page, 'signin-not-allowed');
    await page.getByRole('link', { name: 'Try again' }).click();
    await answer(page, 'octocat');
    await page.waitForURL(AGREED);
    assert.equal(await page.innerText('#me'), 'github:octocat');
  },

  async 'connect an account, log in with it, and disconnect it'({ portal, open, page }) {
    const login = await newAccount(portal);
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login`);
    await logIn(page, user);
    await expectAccount(portal, page, user);
    await portal.look(page, 'account-unconnected');
    await page.getByRole('button', { name: 'Connect GitHub' }).click();
    await answer(page, login);
    await page.waitForURL(/\/_auth\/\?done=connected$/);
    assert.match(await page.getByRole('status').innerText(), /The account is connected/);
    assert.match(await page.innerText('#accounts'), new RegExp(login));
    await portal.look(page, 'account-connected');
    const other = await (await open()).newPage();
    await other.goto(`${portal.url}/login`);
    await other.getByRole('link', BUTTON).click();
    await answer(other, login);
    await expectAccount(portal, other, user);
    await page.getByRole('button', { name: `Disconnect ${login} at GitHub` }).click();
    await page.waitForURL(/done=disconnected$/);
    assert.equal(await page.locator('#accounts').count(), 0);
  },

  async 'the only way in stays connected'({ portal, page }) {
    await page.goto(`${portal.url}/login`);
    await page.getByRole('link', BUTTON).click();
    await answer(page, 'octocat');
    await page.waitForURL(AGREED);
    await page.getByRole('button', { name: 'Disconnect octocat at GitHub' }).click();
    await page.waitForURL(/\/account\/unlink$/);
    assert.match(await errorOf(page), /no other way to log in/);
    await portal.look(page, 'last-account');
  },
};
