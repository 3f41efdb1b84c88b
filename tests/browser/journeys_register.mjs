// Registration, open and by invitation.
import assert from 'node:assert/strict';
import { errorOf, expectAccount, expectLogin, logIn, newUser, PASSWORD, readSecret, register, send, sendCode } from './steps.mjs';

export const journeys = {
  async 'register'({ portal, page }) {
    await page.goto(`${portal.url}/`);
    await expectLogin(portal, page);
    await page.click('a[href$="/register"]');
    await page.waitForURL(/\/register$/);
    const user = await register(portal, page, { look: true, displayName: 'Ana <b>Torres</b>' });
    await expectAccount(portal, page, user);
    assert.match(await page.innerText('body'), /Ana <b>Torres<\/b>/);
  },

  async 'register, with mistakes'({ portal, open, page }) {
    const taken = await newUser(portal);
    const name = portal.newName();
    await page.goto(`${portal.url}/register`);
    await page.fill('#username', name);
    await page.fill('#password', 'short');
    await send(page, '#password');
    assert.match(await errorOf(page), /at least \d+ characters/);
    assert.equal(await page.inputValue('#username'), name);
    assert.equal(await page.inputValue('#password'), '');
    await portal.look(page, 'register-error');
    await page.fill('#username', taken.name);
    await page.fill('#password', PASSWORD);
    await send(page, '#password');
    assert.equal(await errorOf(page), 'This user name is not available. Choose another one.');
    await page.fill('#username', name);
    await page.fill('#password', PASSWORD);
    await send(page, '#password');
    const app = await readSecret(page);
    await sendCode(page, app.wrong());
    assert.match(await errorOf(page), /^This code is wrong/);
    await portal.look(page, 'register-totp-error');
    assert.equal((await readSecret(page)).secret, app.secret);
    await page.reload();
    // Nobody exists until the code is confirmed.
    await assert.rejects(portal.command(['user', 'show', name]));
    await page.goto(`${portal.url}/register/totp`);
    await sendCode(page, await app.code());
    await page.locator('#codes').waitFor();
    await portal.command(['user', 'show', name]);
  },

  async 'register by invitation'({ portal, open, page }) {
    const name = portal.newName();
    const link = (await portal.command(['user', 'invite', name, '--group', 'staff'])).match(/http\S+\/_auth\/\S+/)[0];
    // A mail scanner follows the link first.
    const scanner = await (await open()).newPage();
    await scanner.goto(link);
    await page.goto(link);
    await page.waitForURL(/\/register$/);
    assert.ok(!(await page.content()).includes(new URL(link).searchParams.get('token')));
    assert.equal(await page.inputValue('#username'), name);
    await portal.look(page, 'register-invited');
    const user = await register(portal, page, { name });
    await expectAccount(portal, page, user);
    assert.match(await portal.command(['user', 'show', name]), /staff/);
    // The link has been used.
    const late = await (await open()).newPage();
    await late.goto(link);
    assert.equal(await errorOf(late), 'The invitation is not valid. It may have been used, or it has expired.');
    await portal.look(late, 'invitation-used');
    await late.goto(`${portal.url}/login`);
    await logIn(late, user);
    await expectAccount(portal, late, user);
  },

  async 'recovery codes as a file'({ portal, page }) {
    await page.goto(`${portal.url}/register`);
    await page.fill('#username', portal.newName());
    await page.fill('#password', PASSWORD);
    await send(page, '#password');
    await sendCode(page, await (await readSecret(page)).code());
    const shown = await page.locator('#codes code').allInnerTexts();
    const [download] = await Promise.all([page.waitForEvent('download'), send(page, 'input[name=recovery_codes]')]);
    let text = '';
    for await (const chunk of await download.createReadStream()) text += chunk;
    assert.match(download.suggestedFilename(), /\.txt$/);
    for (const code of shown) assert.ok(text.includes(code));
  },
};
