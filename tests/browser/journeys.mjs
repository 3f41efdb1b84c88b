// Journeys of users through the portal. Each is run with scripts on a desktop and without on a phone (browser.mjs), by
// node journeys.mjs SETUP [PART OF A NAME]; it prints [{name, mode, error}].
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as account from './journeys_account.mjs';
import { Portal, travel } from './browser.mjs';
import * as login from './journeys_login.mjs';
import * as mail from './journeys_mail.mjs';
import * as register from './journeys_register.mjs';
import * as signin from './journeys_signin.mjs';

const [setup, only] = process.argv.slice(2);
const journeys = { ...register.journeys, ...login.journeys, ...account.journeys, ...mail.journeys, ...signin.journeys };
assert.equal(Object.keys(journeys).length, [register, login, account, mail, signin].reduce((sum, part) => sum + Object.keys(part.journeys).length, 0));
console.log(JSON.stringify(await travel(journeys, new Portal(JSON.parse(fs.readFileSync(setup, 'utf8'))), only)));
