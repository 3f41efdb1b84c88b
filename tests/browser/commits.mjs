// The story of the commits application: node commits.mjs SETUP; it prints [{name, mode, error}]. `urls` of the setup are what the demo says to
// open: the application, and the ledger of the fake GitHub.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Portal, travel } from './browser.mjs';
import { expectLogin } from './steps.mjs';

const setup = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const [application, ledger] = setup.urls;

// From the login page to what comes after GitHub. What the browser was sent to GitHub with.
async function logInAs(portal, page, login, { decision = 'Authorize', look = false } = {}) {
  await page.goto(application);
  await expectLogin(portal, page);
  if (look) await portal.look(page, 'commits-login');
  await page.getByRole('link', { name: 'Log in with GitHub' }).click();
  await page.getByRole('heading', { name: 'Authorize at GitHub' }).waitFor();
  if (look) await portal.look(page, 'fake-github');
  const asked = new URL(page.url()).searchParams;
  await page.getByLabel(login).check();
  await page.getByRole('button', { name: decision }).click();
  return asked;
}

async function received(page) {
  const answer = await page.request.get(ledger, { headers: { Accept: 'application/json' } });
  return answer.json();
}

const field = (pairs, name) => (pairs.find(([key]) => key.toLowerCase() === name.toLowerCase()) ?? [])[1];

// What the ledger has of a login that began with these parameters.
async function expectLedger(portal, page, asked) {
  assert.equal(asked.get('code_challenge_method'), 'S256');
  assert.match(asked.get('state'), /^[\w-]{20,}$/);
  const entries = await received(page);
  const sent = entries.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/authorize') && field(entry.form, 'state') === asked.get('state'));
  assert.equal(sent.length, 1);
  const code = new URL(field(sent[0].answer_headers, 'Location')).searchParams.get('code');
  const [exchange, ...others] = entries.filter((entry) => entry.path.endsWith('/access_token') && field(entry.form, 'code') === code);
  assert.deepEqual(others, []);
  assert.equal(field(exchange.form, 'client_id'), 'cardea-demo');
  assert.match(field(exchange.form, 'code_verifier'), /^[\w-]{43,}$/);
  assert.equal(field(exchange.form, 'redirect_uri'), asked.get('redirect_uri'));
  const token = JSON.parse(exchange.answer_body).access_token;
  const withToken = entries.filter((entry) => field(entry.headers, 'Authorization') === `Bearer ${token}`);
  const agents = new Set(withToken.map((entry) => field(entry.headers, 'User-Agent').split('/')[0]));
  assert.ok(agents.has('cardea-example-commits') && agents.size === 2, [...agents].join()); // Cardea's own is the other
  for (const secret of [token, code, field(exchange.form, 'client_secret')]) assert.ok(!(await page.content()).includes(secret));
  await page.getByRole('link', { name: 'What was sent to GitHub' }).click();
  await page.getByRole('heading', { name: 'What the providers received' }).waitFor();
  await page.locator('summary').first().click();
  await portal.look(page, 'fake-ledger');
  await page.locator(`#request-${exchange.number} summary`).click();
  assert.ok((await page.locator(`#request-${exchange.number}`).innerText()).includes(field(exchange.form, 'client_secret')));
}

async function expectPlots(page) {
  for (const [heading, count] of [['By week', 53], ['By hour of the day', 24]]) {
    await page.getByRole('heading', { name: heading }).waitFor();
    assert.equal(await page.locator(`h2:text-is("${heading}") + svg .bar`).count(), count);
  }
  const heights = await page.locator('svg .bar').evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().height));
  assert.ok(heights.filter((height) => height > 5).length > 20);
  assert.ok((await page.locator('table[aria-labelledby=repositories] tbody tr').allInnerTexts()).some((row) => row.includes('hello-world')));
}

const journeys = {
  async 'log in at GitHub, and see the commits'({ portal, page }) {
    const asked = await logInAs(portal, page, 'octocat', { look: true });
    await page.waitForURL(application);
    assert.equal(await page.innerText('h1'), 'Commits of octocat');
    assert.equal(await page.innerText('#user'), 'github:octocat');
    await expectPlots(page);
    await portal.look(page, 'commits');
    await page.fill('#zone', 'Asia/Tokyo');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.waitForURL(/zone=Asia/);
    await expectPlots(page);
    await expectLedger(portal, page, asked);
    await page.goto(application);
    await page.getByRole('link', { name: 'Log out' }).click();
    await page.locator('form[action$="/logout"]').getByRole('button').click();
    await expectLogin(portal, page);
    await page.goto(application);
    await expectLogin(portal, page);
  },

  async 'no commits'({ portal, page }) {
    await logInAs(portal, page, 'newcomer');
    await page.getByText('GitHub has no commits of newcomer').waitFor();
    await portal.look(page, 'commits-none');
  },

  async 'an account that may not come in, and one that says no'({ portal, page, open }) {
    await logInAs(portal, page, 'mona');
    await page.getByText('This account may not log in here.').waitFor();
    await page.goto(application);
    await expectLogin(portal, page);
    const other = await (await open()).newPage();
    await logInAs(portal, other, 'octocat', { decision: 'Cancel' });
    await other.getByText('You or the provider refused this login.').waitFor();
  },
};

// It ends the tokens of all users, and so comes last.
const last = {
  async 'a token that GitHub has revoked, and a new one'({ portal, page }) {
    await logInAs(portal, page, 'octocat');
    await page.waitForURL(application);
    const answer = await page.request.post(ledger.replace('ledger', 'control'), { data: { expire: 'access_tokens' } });
    assert.equal(answer.status(), 200);
    await page.reload();
    await page.getByRole('heading', { name: 'GitHub does not accept your login any more' }).waitFor();
    await portal.look(page, 'commits-token');
    await page.getByRole('link', { name: 'Log in at GitHub' }).click();
    await page.getByLabel('octocat').check();
    await page.getByRole('button', { name: 'Authorize' }).click();
    await page.waitForURL(application);
    assert.equal(await page.innerText('h1'), 'Commits of octocat');
  },
};

const portal = new Portal({ ...setup, url: application.replace('commits/', '_auth') });
const results = await travel(journeys, portal);
console.log(JSON.stringify([...results, ...(await travel(last, portal, 'scripts'))]));
