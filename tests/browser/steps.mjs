// What users do on the pages, step by step.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Authenticator, BASE32 } from './browser.mjs';

export const PASSWORD = 'correct horse battery';
const PASSWORD_HASH = '$argon2id$v=19$m=64,t=1,p=1$GrQc1apRIKFt13N7Oq3csQ$8+4p6aeUT4TI8pbLVLYeP1tjOO0DtzvWrBldJLIC14w';

// Sends the form that has this field or selector.
export async function send(page, selector) {
  await page.locator('form', { has: page.locator(selector) }).getByRole('button').click();
}

export async function errorOf(page) {
  return page.locator('#error').innerText();
}

// On the page that shows the secret: the app that has read it.
export async function readSecret(page) {
  await page.waitForURL(/\/_auth\/(register\/totp|totp\/replace)/);
  const secret = (await page.locator('#secret').textContent()).replaceAll(' ', '');
  assert.match(secret, /^[A-Z2-7]{32,}$/);
  return new Authenticator(secret);
}

export async function sendCode(page, code) {
  await page.fill('#code', code);
  await send(page, '#code');
}

// The ten codes on the page that shows them once.
export async function readRecoveryCodes(page) {
  await page.locator('#codes').waitFor();
  const codes = await page.locator('#codes code').allInnerTexts();
  assert.equal(new Set(codes).size, 10);
  return codes;
}

// From the empty form to the page that `next` leads to. The user, with what only the user knows.
export async function register(portal, page, { look = false, name = portal.newName(), displayName = '' } = {}) {
  const see = (what) => (look ? portal.look(page, what) : undefined);
  await see('register');
  if (await page.locator('#username').isEditable()) await page.fill('#username', name);
  await page.fill('#display_name', displayName);
  await page.fill('#password', PASSWORD);
  await send(page, '#password');
  const app = await readSecret(page);
  await see('register-totp');
  await sendCode(page, await app.code());
  const recoveryCodes = await readRecoveryCodes(page);
  await see('recovery-codes');
  await page.click('a.button');
  return { name, app, recoveryCodes, password: PASSWORD };
}

// A user with an account and an authenticator, imported by the operator.
export async function newUser(portal, { displayName = '', groups = [], hasMail = false } = {}) {
  const name = portal.newName();
  const app = new Authenticator([...crypto.randomBytes(32)].map((byte) => BASE32[byte % 32]).join(''));
  const totp = `otpauth://totp/${name}?secret=${app.secret}&algorithm=SHA1&digits=6&period=30`;
  await portal.command(['user', 'import', '-'], JSON.stringify({
    name, display_name: displayName, groups, hash: PASSWORD_HASH, totp, ...(hasMail && { email: `${name}@example.com`, email_verified: true }),
  }));
  return { name, app, password: PASSWORD, email: `${name}@example.com` };
}

export async function sendPassword(page, user, password = user.password) {
  await page.fill('#username', user.name);
  await page.fill('#password', password);
  await send(page, '#password');
}

// On the login page: both factors.
export async function logIn(page, user) {
  await sendPassword(page, user);
  await page.waitForURL(/\/_auth\/totp$/);
  await sendCode(page, await user.app.code());
}

export async function expectAccount(portal, page, user) {
  await page.waitForURL((url) => `${url.origin}${url.pathname}` === `${portal.url}/`);
  assert.equal(await page.locator('#me').innerText(), user.name);
}

// What a form is answered whose session has ended: nothing was done, and the way leads back to the login.
export async function expectEnded(portal, page) {
  assert.equal(await errorOf(page), 'Your session has ended. Log in again.');
  await portal.look(page, 'session-ended');
  await page.getByRole('link', { name: 'Start again' }).click();
  await expectLogin(portal, page);
}

export async function expectLogin(portal, page) {
  await page.waitForURL((url) => `${url.origin}${url.pathname}` === `${portal.url}/login`);
  await page.locator('#username').waitFor();
}
