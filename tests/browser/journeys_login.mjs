// Logging in and out.
import assert from 'node:assert/strict';
import {
  errorOf, expectAccount, expectEnded, expectLogin, logIn, newUser, readRecoveryCodes, readSecret, register, send, sendCode, sendPassword,
} from './steps.mjs';

async function logOut(page) {
  await page.locator('form[action$="/logout"]').getByRole('button').click();
}

export const journeys = {
  async 'log in, and log out'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/`);
    await expectLogin(portal, page);
    await portal.look(page, 'login');
    await sendPassword(page, user, 'wrong password');
    assert.equal(await errorOf(page), 'The user name or the password is wrong.');
    assert.equal(await page.inputValue('#username'), user.name);
    assert.equal(await page.inputValue('#password'), '');
    await portal.look(page, 'login-error');
    await logIn(page, user);
    await expectAccount(portal, page, user);
    await page.goto(`${portal.url}/login`); // no second login
    await expectAccount(portal, page, user);
    await page.goto(`${portal.url}/logout`); // a GET asks first
    await portal.look(page, 'logout');
    await page.goto(`${portal.url}/`);
    await expectAccount(portal, page, user);
    await logOut(page);
    await expectLogin(portal, page);
    assert.equal(await page.getByRole('status').innerText(), 'You are logged out.');
    await portal.look(page, 'logged-out');
    await page.goto(`${portal.url}/`);
    await expectLogin(portal, page);
  },

  async 'a wrong code, a code once more, and the right one'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login`);
    await sendPassword(page, user);
    await page.waitForURL(/\/totp$/);
    await portal.look(page, 'totp');
    for (const code of [user.app.wrong(), user.app.spent(), '12345']) {
      await sendCode(page, code);
      assert.equal(await errorOf(page), 'This code is wrong or was used already. Enter the next one that your app shows.');
      assert.equal(await page.inputValue('#code'), '');
    }
    await portal.look(page, 'totp-error');
    await sendCode(page, ` ${(await user.app.code()).replace(/^.../, '$& ')} `); // as apps show it
    await expectAccount(portal, page, user);
  },

  async 'a recovery code, and the way back to an authenticator'({ portal, open, page }) {
    const first = await (await open()).newPage();
    await first.goto(`${portal.url}/register`);
    const user = await register(portal, first);
    await page.goto(`${portal.url}/login`);
    await sendPassword(page, user);
    await page.waitForURL(/\/totp$/);
    await page.click('a[href$="/recovery"]');
    await page.waitForURL(/\/recovery$/);
    await portal.look(page, 'recovery');
    await page.fill('#recovery_code', 'aaaa-bbbb-cccc');
    await send(page, '#recovery_code');
    assert.equal(await errorOf(page), 'This recovery code is wrong or was used already.');
    await portal.look(page, 'recovery-error');
    await page.fill('#recovery_code', user.recoveryCodes[3].toUpperCase());
    await send(page, '#recovery_code');
    const app = await readSecret(page);
    await portal.look(page, 'recovered');
    assert.notEqual(app.secret, user.app.secret);
    await sendCode(page, await app.code());
    const codes = await readRecoveryCodes(page);
    assert.ok(!codes.some((code) => user.recoveryCodes.includes(code)));
    await page.click('a.button');
    await expectAccount(portal, page, user);
    const other = await (await open()).newPage();
    await other.goto(`${portal.url}/login`);
    await logIn(other, { ...user, app });
    await expectAccount(portal, other, user);
  },

  async 'after logging out, the back button shows nothing private'({ portal, open, page }) {
    const user = await newUser(portal, { displayName: 'Ana Torres' });
    await page.goto(`${portal.url}/login`);
    await logIn(page, user);
    await expectAccount(portal, page, user);
    await page.goto(`${portal.url}/password`);
    await page.goto(`${portal.url}/`);
    await logOut(page);
    await expectLogin(portal, page);
    for (let i = 0; i < 2; i++) {
      await page.goBack();
      assert.ok(!(await page.content()).includes(user.name), page.url());
      assert.ok(!(await page.content()).includes('Ana Torres'), page.url());
    }
  },

  async 'two tabs'({ portal, open, page }) {
    const user = await newUser(portal);
    const other = await page.context().newPage();
    await page.goto(`${portal.url}/login`);
    await other.goto(`${portal.url}/login?return_to=%2F_auth%2Fpassword`);
    await sendPassword(page, user);
    await page.waitForURL(/\/totp$/);
    // The second tab begins anew; both end logged in.
    await sendPassword(other, user);
    await other.waitForURL(/\/totp$/);
    await sendCode(other, await user.app.code());
    await other.waitForURL(/\/password$/);
    await page.reload();
    await expectAccount(portal, page, user);
    await logOut(page);
    await expectLogin(portal, page);
    await other.fill('#current_password', user.password);
    await other.fill('#new_password', 'another horse battery');
    await send(other, '#new_password');
    await expectEnded(portal, other);
    await logIn(page, user); // in the tab that showed the form before
    await expectAccount(portal, page, user);
  },

  async 'a session that ends while a form is filled in'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login`);
    await logIn(page, user);
    await expectAccount(portal, page, user);
    await page.goto(`${portal.url}/password`);
    await page.fill('#current_password', user.password);
    await page.fill('#new_password', 'another horse battery');
    await portal.command(['session', 'end', '--user', user.name]);
    await send(page, '#new_password');
    await expectEnded(portal, page);
    await logIn(page, user); // whose password is the old one
    await expectAccount(portal, page, user);
  },

  async 'where a login returns to'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login?return_to=https%3A%2F%2Fevil.example%2F`);
    await logIn(page, user);
    await expectAccount(portal, page, user);
    await page.goto(`${portal.url}/logout?return_to=%2F%2Fevil.example%2F`);
    await logOut(page);
    assert.equal(new URL(page.url()).origin, new URL(portal.url).origin);
    await page.goto(`${portal.url}/password`);
    await expectLogin(portal, page);
    await logIn(page, user);
    await page.waitForURL(`${portal.url}/password`);
  },

  async 'the keyboard alone'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login`);
    // The field to begin with has the focus; Enter sends the form.
    await page.locator('#username:focus').waitFor();
    await page.keyboard.type(user.name);
    await page.keyboard.press('Tab');
    await page.keyboard.type(user.password);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/totp$/);
    await page.locator('#code:focus').waitFor();
    await page.keyboard.type(await user.app.code());
    await page.keyboard.press('Enter');
    await expectAccount(portal, page, user);
    // Everything that can be clicked is reached, and shows that it is.
    const targets = await page.locator('a[href], button').count();
    const reached = new Set();
    for (let i = 0; i < targets; i++) {
      await page.keyboard.press('Tab');
      const { at, outline } = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return { at: [...document.querySelectorAll('a[href], button')].indexOf(document.activeElement), outline: `${style.outlineStyle} ${style.outlineWidth}` };
      });
      assert.doesNotMatch(outline, /none|^\S+ 0px/);
      reached.add(at);
    }
    assert.equal(reached.size, targets);
  },

  async 'another language'({ portal, open, page }) {
    const user = await newUser(portal);
    await page.goto(`${portal.url}/login?return_to=%2F_auth%2Fpassword`);
    await page.getByRole('link', { name: 'Deutsch' }).click();
    await page.locator('html[lang=de]').waitFor();
    await portal.look(page, 'login-de');
    await sendPassword(page, user, 'falsch');
    assert.equal(await errorOf(page), 'Der Benutzername oder das Passwort ist falsch.');
    await logIn(page, user);
    await page.waitForURL(/\/password$/); // the page to return to was not lost
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    await page.getByRole('link', { name: 'English' }).click();
    await page.locator('html[lang=en]').waitFor();
    await page.goto(`${portal.url}/`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  },
};
