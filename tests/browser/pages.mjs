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

async function runAxe(page, scheme, report) {
  // The schemes differ in colours alone.
  const only = scheme === 'light' ? TAGS : { type: 'rule', values: ['color-contrast'] };
  const result = await page.evaluate((only) => axe.run({ runOnly: only, resultTypes: ['violations'] }), only);
  for (const { id, nodes } of result.violations)
    report(`axe: ${id}: ${nodes.map((node) => node.html.slice(0, 100) + ' ' + node.failureSummary).join(' | ')}`);
}

async function look(page, name, width, withAxe) {
  await page.setViewportSize({ width, height: 800 });
  const seen = await page.evaluate(measure, width);
  for (const scheme of ['light', 'dark']) {
    const report = (what) => found.push({ page: name, scheme, width, what });
    await page.emulateMedia({ colorScheme: scheme });
    if (scheme === 'light') seen.problems.forEach(report);
    if (withAxe) await runAxe(page, scheme, report);
    if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}.${scheme}.${width}.png`), fullPage: true });
  }
  if (seen.pwned !== undefined) found.push({ page: name, scheme: 'light', width, what: 'ran a script of a field' });
  return seen.elements;
}

async function lookAtSome(browser, names) {
  const context = await browser.newContext();
  const elements = {};
  let report = () => {};
  await context.route('**/*', (route) => answer(route, report));
  const page = await context.newPage();
  page.on('console', (message) => report(`says in the console: ${message.text()}`));
  page.on('dialog', (dialog) => { report('opened a dialog'); dialog.dismiss(); });
  for (const name of names) {
    report = (what) => found.push({ page: name, scheme: 'light', width: 0, what });
    await page.goto(`${SITE}/${name}.html`);
    // Another language changes nothing that axe measures. Nor does the width, but for the size of targets: the narrow page is harder.
    const english = /\.en(\.|$)/.test(name);
    if (english) await page.evaluate(axe);
    elements[name] = await look(page, name, 320, english);
    await look(page, name, 1280, false);
  }
  await context.close();
  return elements;
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const names = fs.readdirSync(folder).filter((file) => file.endsWith('.html')).map((file) => file.slice(0, -5)).sort();
const halves = [names.filter((_, i) => i % 2 === 0), names.filter((_, i) => i % 2 === 1)];
const elements = Object.assign({}, ...await Promise.all(halves.map((half) => lookAtSome(browser, half))));
await browser.close();
for (const name of names.filter((name) => name.endsWith('.evil'))) {
  const plain = elements[name.replace(/evil$/, 'en')];
  if (elements[name] !== plain) found.push({ page: name, scheme: 'light', width: 0, what: `has ${elements[name]} elements, not ${plain}` });
}
console.log(JSON.stringify({ pages: names, found }));
