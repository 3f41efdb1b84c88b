// Where a client of npm finds the gate: GATE_PORT, its authority in GATE_CA, and the cookie of a user in GATE_COOKIE.
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';

const address = { address: '127.0.0.1', family: 4 };
export const port = process.env.GATE_PORT;
export const cookie = process.env.GATE_COOKIE;
export const tls = {
  ca: readFileSync(process.env.GATE_CA),
  lookup: (host, options, done) => (options.all ? done(null, [address]) : done(null, address.address, address.family)),
};
export const agent = new Agent(tls);

// Says what a test expects, and fails loudly where it does not come.
export function expect(what, seen, wanted) {
  const [left, right] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left}, not ${right}`);
}

// Runs one of the stories that argv names.
export async function run(stories) {
  const timer = setTimeout(() => { console.error('nothing happens'); process.exit(1); }, 25000);
  await stories[process.argv[2]]();
  clearTimeout(timer);
  process.exit(0);
}
