// What users do with the e-mails that they get.
import assert from 'node:assert/strict';
import { errorOf, expectAccount, expectLogin, logIn, newUser, register, send, sendPassword } from './steps.mjs';

const NEW_PASSWORD = 'another horse battery';

function linkIn(mail) {
  const links = mail.text.match(/^http:\/\/localhost:\d+\/_auth\/\S+\?token=\S+$/gm);
  assert.equal(links?.length, 1, mail.text);
  return links[0];
}

export const journeys = {
  async 'reset by mail'({ portal, open, page }) {
    const user = await newUser(portal, { hasMail: true });
    await page.goto(`${portal.url}/login`);
    await portal.look(page, 'login-with-reset');
    await page.getByRole('link', { name: 'Forgot your password?' }).click();
    await page.waitForURL(`${portal.url}/forgot`);
    await portal.look(page, 'forgot');
    await page.fill('#username', user.name);
    await send(page, '#username');
    await page.getByRole('status').waitFor();
    assert.match(await page.getByRole('status').innerText(), /a link is on its way/);
    await portal.look(page, 'forgot-sent');
    const mail = await portal.mail(user.email, 'choose a new password');
    const link = linkIn(mail);

    const other = await (await open()).newPage(); // in the browser that shows the e-mail
    await other.goto(link);
    await other.waitForURL(`${portal.url}/reset`);
    assert.equal(await other.locator('input[autocomplete="username"]').inputValue(), user.name);
    await portal.look(other, 'reset');
    await other.fill('#new_password', 'short');
    await send(other, '#new_password');
    assert.equal(await errorOf(other), 'The password needs at least 8 characters.');
    await portal.look(other, 'reset-error');
    await other.fill('#new_password', NEW_PASSWORD);
    await send(other, '#new_password');
    await expectLogin(portal, other);
    assert.equal(await other.getByRole('status').innerText(), 'Your password is changed.');
    await sendPassword(other, user); // the old one
    assert.equal(await errorOf(other), 'The user name or the password is wrong.');
    await logIn(other, { ...user, password: NEW_PASSWORD }); // the second factor is asked for
    await expectAccount(portal, other, user);
    await portal.mail(user.email, 'your password was changed');

    await page.goto(link); // it has been used
    assert.equal(await errorOf(page), 'This link is not valid. It may have been used, or it has expired.');
    await portal.look(page, 'reset-used');
  },

  async 'an invitation by mail'({ portal, page }) {
    const name = portal.newName();
    assert.equal(await portal.command(['user', 'invite', name, '--email', `${name}@example.com`]), '');
    await page.goto(linkIn(await portal.mail(`${name}@example.com`, 'Your invitation to Example Ltd')));
    await page.waitForURL(`${portal.url}/register`);
    const user = await register(portal, page, { name });
    await expectAccount(portal, page, user);
    const shown = JSON.parse(await portal.command(['user', 'show', name, '--json']));
    assert.deepEqual([shown.email, shown.email_verified], [`${name}@example.com`, true]);
  },
};
