// Shows the pages in FOLDER to Chromium and prints what it finds as JSON, a list of {page, scheme, width, what}:
// node pages.mjs FOLDER [SCREENSHOTS]
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [folder, screenshots] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SITE = 'https://auth.example.com';
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
// As the portal sends it (the section "Headers").
const CSP = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f5fb4"/></svg>';
const found = [];

// Whatever else a page asks for is a finding.
function answer(route, report) {
  const name = new URL(route.request().url()).pathname;
  const headers = { 'content-security-policy': CSP };
  if (name.endsWith('.html')) return route.fulfill({ path: path.join(folder, name), contentType: 'text/html; charset=utf-8', headers });
  if (name === '/_auth/styles.css') return route.fulfill({ path: path.join(folder, 'styles.css'), contentType: 'text/css' });
  if (name === '/_auth/logo.svg') return route.fulfill({ body: LOGO, contentType: 'image/svg+xml' });
  report(`asks for ${route.request().url()}`);
  return route.abort();
}

// Runs in the page.
function measure(width) {
  const problems = [];
  if (document.documentElement.scrollWidth > width) problems.push(`is ${document.documentElement.scrollWidth} px wide`);
  for (const target of document.querySelectorAll('button, a.button, input:not([type=hidden], [type=checkbox])')) {
    const box = target.getBoundingClientRect();
    if (box.height < 44) problems.push(`${target.outerHTML.slice(0, 60)} is ${box.height} px high`);
    if (box.left < 0 || box.right > width) problems.push(`${target.outerHTML.slice(0, 60)} is cut off`);
  }
  return { problems, elements: document.querySelectorAll('*').length, pwned: window.pwned };
}

async function look(page, name, scheme, width, withAxe) {
  const report = (what) => found.push({ page: name, scheme, width, what });
  await page.setViewportSize({ width, height: 800 });
  const seen = await page.evaluate(measure, width);
  seen.problems.forEach(report);
  if (seen.pwned !== undefined) report('ran a script of a field');
  if (withAxe) {
    const result = await page.evaluate((tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] }), TAGS);
    for (const { id, nodes } of result.violations)
      report(`axe: ${id}: ${nodes.map((node) => node.html.slice(0, 100) + ' ' + node.failureSummary).join(' | ')}`);
  }
  if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}.${scheme}.${width}.png`), fullPage: true });
  return seen.elements;
}

async function lookAtAll(browser, scheme) {
  const context = await browser.newContext({ colorScheme: scheme });
  const elements = {};
  let report = () => {};
  await context.route('**/*', (route) => answer(route, report));
  const page = await context.newPage();
  page.on('console', (message) => report(`says in the console: ${message.text()}`));
  page.on('dialog', (dialog) => { report('opened a dialog'); dialog.dismiss(); });
  const names = fs.readdirSync(folder).filter((file) => file.endsWith('.html')).map((file) => file.slice(0, -5)).sort();
  // The schemes differ in colours alone, and so do not in another language; axe looks at the English pages of both.
  const english = names.filter((name) => /\.en(\.|$)/.test(name));
  for (const name of scheme === 'dark' ? english : names) {
    report = (what) => found.push({ page: name, scheme, width: 0, what });
    await page.goto(`${SITE}/${name}.html`);
    if (english.includes(name)) await page.evaluate(axe);
    // What axe measures does not depend on the width, but for the size of targets, where the narrow page is harder.
    elements[name] = await look(page, name, scheme, 320, english.includes(name));
    await look(page, name, scheme, 1280, false);
  }
  for (const name of Object.keys(elements).filter((name) => name.endsWith('.evil'))) {
    const plain = elements[name.replace(/evil$/, 'en')];
    if (elements[name] !== plain) found.push({ page: name, scheme, width: 0, what: `has ${elements[name]} elements, not ${plain}` });
  }
  await context.close();
  return Object.keys(elements);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const [pages] = await Promise.all([lookAtAll(browser, 'light'), lookAtAll(browser, 'dark')]);
await browser.close();
console.log(JSON.stringify({ pages, found }));
