// oauth2-mock-server as an issuer that does what a test says. Each line of standard input is JSON: {claims, answer, status, remove}: what is
// put into ID tokens, what the token endpoint answers in addition, and with which status. Prints "ready PORT", then "ok" for each line.
import readline from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
let wanted = {};

await server.issuer.keys.generate('RS256');
server.service.on('beforeTokenSigning', (token, request) => {
  if (!request.body?.code || token.payload.scope) return; // an access token has a scope
  for (const name of wanted.remove ?? []) delete token.payload[name];
  Object.assign(token.payload, wanted.claims);
});
server.service.on('beforeResponse', (response) => {
  Object.assign(response.body, wanted.answer);
  response.statusCode = wanted.status ?? response.statusCode;
});
server.service.on('beforeUserinfo', (response) => Object.assign(response.body, wanted.userinfo));
await server.start(0, 'localhost');
console.log('ready', server.address().port);
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  wanted = JSON.parse(line);
  console.log('ok');
}).on('close', () => server.stop());
