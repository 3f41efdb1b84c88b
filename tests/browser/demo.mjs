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

const story = (site, protocol) => async ({ portal, page, mode }) => {
  await page.goto(`${site}?from=a%20bookmark`);
  await expectLogin(portal, page);
  await page.click('a[href$="/register"]');
  const user = await register(portal, page);
  await page.waitForURL(`${site}?from=a%20bookmark`);
  await portal.look(page, `demo-flask-${protocol}`);
  assert.equal(await page.innerText('h1'), `Hello, ${user.name}`);
  assert.equal(await page.innerText('#REMOTE_USER'), user.name);
  assert.equal(await page.innerText('#Cookie'), '(empty)');
  assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), protocol);
  await writeNote(page, `A note of ${user.name} & others`);

  const tabs = mode === 'scripts' ? await chat(site, page, user) : [];
  if (tabs.length) await portal.look(tabs[0], `demo-chat-${protocol}`);
  await page.click('a[href="/_auth/logout"]');
  await page.locator('form[action$="/logout"]').getByRole('button').click();
  await expectLogin(portal, page);
  for (const tab of tabs) await tab.getByText('Not connected.').waitFor(); // its web socket was closed
  for (const path of ['', 'chat/']) {
    await page.goto(site + path);
    await expectLogin(portal, page);
  }
  await logIn(page, user);
  await page.waitForURL(`${site}chat/`);
  await page.goto(site);
  assert.equal(await page.innerText('#REMOTE_USER'), user.name);
  await page.locator('#notes .text', { hasText: `A note of ${user.name} & others` }).waitFor();
};

const results = [];
for (const [number, [site, protocol]] of [[setup.urls[0], 'http/1.1'], [setup.urls[1], 'h2']].entries()) {
  // Users of both are in one store.
  const portal = Object.assign(new Portal({ ...setup, url: `${site}_auth` }), { names: 100 * number });
  results.push(...(await travel({ [`register, write, talk, log out, and come back over ${protocol}`]: story(site, protocol) }, portal)));
}
console.log(JSON.stringify(results));
