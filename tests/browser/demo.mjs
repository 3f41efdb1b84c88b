// The story of the demo: node demo.mjs SETUP; it prints [{name, mode, error}]. `urls` of the setup are what the demo says to open: over
// HTTP/1.1, and over HTTP/2.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Portal, travel } from './browser.mjs';
import { expectLogin, logIn, register } from './steps.mjs';

const setup = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

async function writeNote(page, text) {
  await page.fill('#text', text);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.locator('#notes .text', { hasText: text }).waitFor();
}

// Two tabs of one user; the second says something to the first. They stay open.
async function chat(site, page, user) {
  const tabs = [await page.context().newPage(), await page.context().newPage()];
  for (const tab of tabs) {
    await tab.goto(`${site}chat/`);
    await tab.getByText('Connected', { exact: true }).waitFor();
    assert.equal(await tab.innerText('#you'), user.name);
  }
  await tabs[1].fill('#text', 'Is <b>anybody</b> there?');
  await tabs[1].getByRole('button').click();
  for (const tab of tabs) await tab.getByText(`${user.name} Is <b>anybody</b> there?`).waitFor();
  return tabs;
}

// A note that is sent without a login is not lost: the user logs in beside it, and reloads the page.
async function sendLate(portal, page, user, shown) {
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('heading', { name: 'Log in, then send it again' }).waitFor();
  await portal.look(page, `demo-lost-post-${shown}`);
  const opened = page.context().waitForEvent('page');
  await page.getByRole('link', { name: 'Log in in a new tab' }).click();
  const login = await opened;
  await expectLogin(portal, login);
  await logIn(login, user);
  await login.locator('#REMOTE_USER', { hasText: user.name }).waitFor();
  await page.reload();
  await page.locator('#notes .text', { hasText: `A late note of ${user.name}` }).waitFor();
}

const story = (site, protocol) => async ({ portal, page, mode }) => {
  const shown = protocol.replace('/', '-');
  await page.goto(`${site}?from=a%20bookmark`);
  await expectLogin(portal, page);
  await page.click('a[href$="/register"]');
  const user = await register(portal, page);
  await page.waitForURL(`${site}?from=a%20bookmark`);
  await portal.look(page, `demo-flask-${shown}`);
  assert.equal(await page.innerText('h1'), `Hello, ${user.name}`);
  assert.equal(await page.innerText('#REMOTE_USER'), user.name);
  assert.equal(await page.innerText('#Cookie'), '(empty)');
  assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), protocol);
  await writeNote(page, `A note of ${user.name} & others`);

  const late = await page.context().newPage(); // where the user still writes while the session ends
  await late.goto(site);
  await late.fill('#text', `A late note of ${user.name}`);
  const tabs = mode === 'scripts' ? await chat(site, page, user) : [];
  if (tabs.length) await portal.look(tabs[0], `demo-chat-${shown}`);
  await page.click('a[href="/_auth/logout"]');
  await page.locator('form[action$="/logout"]').getByRole('button').click();
  await expectLogin(portal, page);
  for (const tab of tabs) await tab.getByText('Not connected.').waitFor(); // its web socket was closed
  for (const path of ['', 'chat/']) {
    await page.goto(site + path);
    await expectLogin(portal, page);
  }
  await sendLate(portal, late, user, shown);
  await page.goto(site);
  assert.equal(await page.innerText('#REMOTE_USER'), user.name);
  await page.locator('#notes .text', { hasText: `A note of ${user.name} & others` }).waitFor();
};

const results = [];
for (const [number, [site, protocol]] of [[setup.urls[0], 'http/1.1'], [setup.urls[1], 'h2']].entries()) {
  // Users of both are in one store.
  const portal = Object.assign(new Portal({ ...setup, url: `${site}_auth` }), { names: 100 * number });
  results.push(...(await travel({ [`register, write, talk, log out, and come back over ${protocol.replace('/', '-')}`]: story(site, protocol) }, portal)));
}
console.log(JSON.stringify(results));
