// The account page, and what it leads to.
import assert from 'node:assert/strict';
import { errorOf, expectAccount, expectLogin, logIn, newUser, readRecoveryCodes, readSecret, send, sendCode } from './steps.mjs';

const NEW_PASSWORD = 'another horse battery';

async function enter({ portal, page }) {
  const user = await newUser(portal, { displayName: 'Ana Torres' });
  await page.goto(`${portal.url}/login`);
  await logIn(page, user);
  await expectAccount(portal, page, user);
  return user;
}

export const journeys = {
  async 'end a session'({ portal, open, page }) {
    const user = await enter({ portal, page });
    const other = await (await open()).newPage();
    await other.goto(`${portal.url}/login`);
    await logIn(other, user);
    await expectAccount(portal, other, user);
    await page.reload();
    await portal.look(page, 'account');
    const sessions = page.locator('#sessions > li');
    assert.equal(await sessions.count(), 2);
    await page.locator('form[action$="/sessions/end"]').getByRole('button').click();
    await page.getByRole('status').waitFor();
    assert.equal(await page.getByRole('status').innerText(), 'The session is ended.');
    assert.equal(await sessions.count(), 1);
    await other.reload();
    await expectLogin(portal, other);
  },

  async 'change the password'({ portal, open, page }) {
    const user = await enter({ portal, page });
    await page.click('a[href$="/password"]');
    await page.waitForURL(/\/password$/);
    await portal.look(page, 'password');
    await page.fill('#current_password', 'wrong password');
    await page.fill('#new_password', NEW_PASSWORD);
    await send(page, '#new_password');
    assert.equal(await errorOf(page), 'Your current password is wrong.');
    await portal.look(page, 'password-error');
    await page.fill('#current_password', user.password);
    await page.fill('#new_password', NEW_PASSWORD);
    await send(page, '#new_password');
    await expectAccount(portal, page, user);
    assert.equal(await page.getByRole('status').innerText(), 'Your password is changed.');
    const other = await (await open()).newPage();
    await other.goto(`${portal.url}/login`);
    await logIn(other, { ...user, password: NEW_PASSWORD });
    await expectAccount(portal, other, user);
  },

  async 'replace the authenticator'({ portal, open, page }) {
    const user = await enter({ portal, page });
    await page.click('a[href$="/totp/replace"]');
    await page.waitForURL(/\/(totp\/replace|step-up)/);
    await portal.look(page, 'totp-replace');
    await page.locator('#code').waitFor();
    await sendCode(page, await user.app.code()); // the old one
    const app = await readSecret(page);
    await sendCode(page, await app.code());
    if (await page.locator('#codes').count()) await page.click('a.button');
    await expectAccount(portal, page, user);
    const other = await (await open()).newPage();
    await other.goto(`${portal.url}/login`);
    await logIn(other, { ...user, app });
    await expectAccount(portal, other, user);
  },

  async 'new recovery codes'({ portal, page }) {
    const user = await enter({ portal, page });
    const codes = [];
    for (let i = 0; i < 2; i++) {
      await page.locator('form[action$="/recovery-codes/new"]').getByRole('button').click();
      codes.push(...await readRecoveryCodes(page));
      await page.click('a.button');
      await expectAccount(portal, page, user);
      assert.match(await page.innerText('main'), /10 recovery codes are left/);
    }
    assert.equal(new Set(codes).size, 20);
  },

  async 'this was not me'({ portal, open, page }) {
    const user = await enter({ portal, page });
    await page.locator('form[action$="/not-me"]').getByRole('button').click();
    await expectLogin(portal, page);
    await portal.look(page, 'not-me');
    await logIn(page, user);
    await page.waitForURL(`${portal.url}/password`);
    await page.fill('#current_password', user.password);
    await page.fill('#new_password', NEW_PASSWORD);
    await send(page, '#new_password');
    await expectAccount(portal, page, user);
    assert.equal(await page.locator('#sessions > li').count(), 1);
  },
};
