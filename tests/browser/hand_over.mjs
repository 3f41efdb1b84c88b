// Sites of two root domains behind nginx: node hand_over.mjs SETUP; it prints [{name, mode, error}]. `wiki` and `shop` of the setup are the
// addresses of the sites, `wiki` below the domain of the portal.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Portal, travel } from './browser.mjs';
import { expectAccount, expectLogin, newUser, send, sendPassword } from './steps.mjs';

const setup = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const page = `${setup.shop}/a%20b?x=1&y=%26`;

// What the application behind the proxy has received.
async function received(tab) {
  const { headers } = JSON.parse(await tab.innerText('body'));
  return Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
}

async function expectSite(tab, url, user) {
  await tab.waitForURL(url);
  const headers = await received(tab);
  assert.equal(headers['remote-user'], user.name);
  assert.doesNotMatch(headers.cookie ?? '', /cardea_/);
}

const journeys = {
  async 'one login opens the sites of both domains, and one logout shuts them'({ portal, page: tab }) {
    const user = await newUser(portal, { groups: ['staff'] });
    await tab.goto(page);
    await expectLogin(portal, tab);
    assert.match(await tab.innerText('main'), /shop\.b\.example/);
    await sendPassword(tab, user);
    await expectSite(tab, page, user);
    const cookies = await tab.context().cookies(setup.shop);
    const session = cookies.find(({ name }) => name === '__Host-cardea_session');
    assert.deepEqual([session.domain, session.httpOnly, session.secure, session.sameSite], ['shop.b.example', true, true, 'Lax']);
    await tab.goto(`${setup.wiki}/x`);
    await expectSite(tab, `${setup.wiki}/x`, user);
    await tab.goto(`${setup.shop}/_auth/`); // the account page is the portal's
    await expectAccount(portal, tab, user);
    await tab.goto(`${setup.shop}/_auth/logout`);
    await tab.waitForURL(`${portal.url}/logout`);
    await send(tab, '[name=csrf]');
    await expectLogin(portal, tab);
    for (const url of [page, `${setup.wiki}/x`]) {
      await tab.goto(url);
      await expectLogin(portal, tab);
    }
    await sendPassword(tab, user);
    await expectSite(tab, `${setup.wiki}/x`, user);
    await tab.goto(page); // over the cookie that has ended
    await expectSite(tab, page, user);
  },

  async 'two windows and the back button'({ portal, page: tab }) {
    const user = await newUser(portal, { groups: ['staff'] });
    const other = await tab.context().newPage();
    await tab.goto(page);
    await other.goto(`${setup.shop}/other`);
    await sendPassword(other, user);
    await expectSite(other, `${setup.shop}/other`, user);
    await sendPassword(tab, user);
    await expectSite(tab, page, user);
    await tab.goBack();
    await tab.goto(page);
    await expectSite(tab, page, user);
  },

  async 'a code that is opened elsewhere logs nobody in'({ portal, page: tab }) {
    await tab.goto(`${setup.shop}/_auth/finish?code=${'A'.repeat(43)}`);
    assert.match(await tab.innerText('main'), /__Host-cardea_start/);
    await portal.look(tab, 'hand-over-without-nonce');
    await tab.goto(page); // this browser has a nonce of its own now
    await expectLogin(portal, tab);
    await tab.goto(`${setup.shop}/_auth/finish?code=${'A'.repeat(43)}`);
    assert.match(await tab.innerText('main'), /This link is not valid/);
    await portal.look(tab, 'hand-over-invalid');
    assert.equal((await tab.context().cookies(setup.shop)).filter(({ name }) => name.endsWith('session')).length, 0);
  },
};

console.log(JSON.stringify(await travel(journeys, new Portal(setup))));
