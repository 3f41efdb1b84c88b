// What the journeys share: the browser, a user with an authenticator, and a look at each page that they reach.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
export const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP = 30; // seconds
const MARGIN = 8; // seconds that a step must still be accepted when its code is given out
const PATIENCE = 20000; // ms; only a journey that fails takes so long

// A browser with scripts on a desktop, and one without on a phone.
export const MODES = {
  scripts: { javaScriptEnabled: true, viewport: { width: 1280, height: 800 } },
  phone: { javaScriptEnabled: false, viewport: { width: 320, height: 640 } },
};

// `addresses`: --host-resolver-rules, for hosts that DNS does not know.
export function launch(addresses) {
  const args = ['--no-sandbox', ...(addresses ? [`--host-resolver-rules=${addresses}`] : [])];
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args });
}

// RFC 6238 with SHA-1, 6 digits and 30 seconds, of a secret in base32.
function totp(secret, step) {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = crypto.createHmac('sha1', key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

// Gives out each code once, beginning with the oldest that is accepted (the previous step's), so that a journey can use three without
// waiting for the next step.
export class Authenticator {
  constructor(secret) {
    this.secret = secret;
    this.last = 0;
  }

  async code() {
    const oldest = Math.floor((Date.now() / 1000 + MARGIN) / STEP) - 1;
    this.last = Math.max(this.last + 1, oldest);
    while (this.last > Math.floor(Date.now() / 1000 / STEP) + 1) await new Promise((done) => setTimeout(done, 100));
    return totp(this.secret, this.last);
  }

  // The code that was given out last, once more.
  spent() {
    return totp(this.secret, this.last);
  }

  // No code that is accepted now or soon.
  wrong() {
    const now = Math.floor(Date.now() / 1000 / STEP);
    const right = new Set([-2, -1, 0, 1, 2, 3].map((offset) => totp(this.secret, now + offset)));
    return ['000000', '111111', '222222', '333333', '444444', '555555', '666666'].find((code) => !right.has(code));
  }
}

// Runs in the page.
function measure() {
  const problems = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.push(`is ${document.documentElement.scrollWidth} px wide, not ${width}`);
  for (const target of document.querySelectorAll('button, a.button, input:not([type=hidden], [type=checkbox], [type=radio])'))
    if (target.getBoundingClientRect().height < 44) problems.push(`${target.outerHTML.slice(0, 60)} is lower than 44 px`);
  return problems;
}

// One portal as the journeys see it. `setup`: {url, cardea, config, mails, screenshots}; `mails` is a folder with a file for each e-mail.
// With `addresses`, its hosts are known to the browser alone, and so are their certificates; `trustsAll` accepts any certificate.
export class Portal {
  constructor(setup) {
    Object.assign(this, setup);
    this.seen = new Set();
    this.names = 0;
  }

  // A command of the operator; its output.
  async command(words, input = '') {
    const running = promisify(execFile)(this.cardea, [...words, '--config', this.config], { timeout: PATIENCE });
    running.child.stdin.on('error', () => {});  // a command that reads no input may have ended by now: EPIPE
    running.child.stdin.end(input);
    return (await running).stdout;
  }

  // The first e-mail to that address whose subject has this in it.
  async mail(to, subject) {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
      const names = fs.readdirSync(this.mails).filter((name) => name.endsWith('.json'));
      const all = names.map((name) => JSON.parse(fs.readFileSync(path.join(this.mails, name), 'utf8')));
      const found = all.find((mail) => mail.to === to && mail.subject.includes(subject));
      if (found) return found;
    }
    return assert.fail(`no e-mail to ${to}`);
  }

  newName() {
    this.names += 1;
    return `user${this.names}`;
  }

  // axe-core and a screenshot in both colour schemes, 320 px wide, the first time that a page is reached in this mode.
  async look(page, name) {
    const mode = page.context().mode;
    if (this.seen.has(`${name}.${mode}`)) return;
    this.seen.add(`${name}.${mode}`);
    const before = page.viewportSize();
    await page.setViewportSize({ width: 320, height: 640 });
    assert.deepEqual(await page.evaluate(measure), [], name);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      if (mode === 'scripts') await this.lookForBarriers(page, name, scheme);
      if (this.screenshots) await page.screenshot({ path: path.join(this.screenshots, `${name}.${mode}.${scheme}.png`), fullPage: true });
    }
    await page.setViewportSize(before);
  }

  async lookForBarriers(page, name, scheme) {
    // The schemes differ in colours alone.
    if (scheme === 'light') await page.evaluate(axe);
    const only = scheme === 'light' ? TAGS : { type: 'rule', values: ['color-contrast'] };
    const { violations } = await page.evaluate((only) => axe.run({ runOnly: only, resultTypes: ['violations'] }), only);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 100)).join(' | ')}`);
    assert.deepEqual(found, [], `axe-core, ${name}, ${scheme}`);
  }
}

// A browser of one user: cookies of its own.
export async function newContext(browser, mode, more = {}) {
  const context = await browser.newContext({ ...MODES[mode], ...more });
  context.setDefaultTimeout(PATIENCE);
  context.mode = mode;
  context.complaints = [];
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) context.complaints.push(message.text());
    });
    page.on('pageerror', (error) => context.complaints.push(error.message));
    page.on('requestfailed', (request) => {
      if (request.failure()?.errorText !== 'net::ERR_ABORTED') context.complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
    });
  });
  return context;
}

// Runs the journeys, two at a time, in each mode: [{name, mode, error}].
export async function travel(journeys, portal, only) {
  const browser = await launch(portal.addresses);
  const waiting = [];
  for (const mode of Object.keys(MODES))
    for (const [name, journey] of Object.entries(journeys)) if (!only || `${name} ${mode}`.includes(only)) waiting.push({ name, mode, journey });
  const results = [];
  const traveller = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results.push(await travelOnce(browser, portal, next));
  };
  await Promise.all([traveller(), traveller()]);
  await browser.close();
  return results;
}

async function travelOnce(browser, portal, { name, mode, journey }) {
  const contexts = [];
  const open = async () => {
    const context = await newContext(browser, mode, { ignoreHTTPSErrors: Boolean(portal.addresses || portal.trustsAll) });
    contexts.push(context);
    return context;
  };
  const begun = Date.now();
  let error = null;
  try {
    await journey({ portal, open, page: await (await open()).newPage(), mode });
    assert.deepEqual(contexts.flatMap((context) => context.complaints), []);
  } catch (failure) {
    error = failure.stack;
    const page = contexts.flatMap((context) => context.pages()).at(-1);
    if (page) error += `\nat ${page.url()}:\n${await page.innerText('body').catch(() => '(no page)')}`;
    if (page && portal.screenshots) await page.screenshot({ path: path.join(portal.screenshots, `FAILED ${name} ${mode}.png`) }).catch(() => {});
  }
  await Promise.all(contexts.map((context) => context.close()));
  return { name, mode, error, ms: Date.now() - begun };
}
