// The story of the demo: node demo.mjs SETUP; it prints [{name, mode, error}]. `url` of the setup is what the demo says to open.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Portal, travel } from './browser.mjs';
import { expectLogin, logIn, register } from './steps.mjs';

const setup = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const site = setup.url;

const journeys = {
  async 'register, see the site, log out, and come back'({ portal, page }) {
    await page.goto(`${site}?from=a%20bookmark`);
    await expectLogin(portal, page);
    await page.click('a[href$="/register"]');
    const user = await register(portal, page, { displayName: 'Ana <b>Torres</b>' });
    await page.waitForURL(`${site}?from=a%20bookmark`);
    await portal.look(page, 'demo-site');
    assert.equal(await page.innerText('h1'), 'Hello, Ana <b>Torres</b>');
    assert.equal(await page.innerText('#Remote-User'), user.name);
    assert.match(await page.innerText('#Cookie'), /^(\(empty\)|cardea-filtered=1)$/);
    await page.click('a[href="/_auth/logout"]');
    await page.locator('form[action$="/logout"]').getByRole('button').click();
    await expectLogin(portal, page);
    await page.goto(site);
    await expectLogin(portal, page);
    await logIn(page, user);
    await page.waitForURL(site);
    assert.equal(await page.innerText('#Remote-User'), user.name);
  },
};

console.log(JSON.stringify(await travel(journeys, new Portal({ ...setup, url: `${site}_auth` }))));
