// Node's own HTTP with trailers: the server says which of the request it saw.
// Usage: node trailers.mjs serve PORT | ask (with the environment that client.mjs names)
import { createServer } from 'node:http';
import { request } from 'node:https';

function serve() {
  createServer((incoming, response) => {
    const pieces = [];
    incoming.on('data', (piece) => pieces.push(piece));
    incoming.on('end', () => {
      response.writeHead(200, { Trailer: 'X-Checksum, X-Seen', 'Content-Type': 'text/plain' });
      response.write(Buffer.concat(pieces));
      response.addTrailers({ 'X-Checksum': 'of the response', 'X-Seen': incoming.trailers['x-checksum'] ?? 'nothing' });
      response.end();
    });
  }).listen(Number(process.argv[3]), '127.0.0.1');
}

async function ask() {
  const { agent, cookie, expect, port } = await import('./client.mjs');
  const headers = { Cookie: cookie, Trailer: 'X-Checksum' };
  const outgoing = request({ host: 'trailers.example.com', port, agent, method: 'POST', headers }, (response) => {
    let body = '';
    response.on('data', (piece) => { body += piece; });
    response.on('end', () => {
      expect('the body', body, 'one,two');
      expect('the trailers', response.trailers, { 'x-checksum': 'of the response', 'x-seen': 'of the request' });
      process.exit(0);
    });
  });
  outgoing.write('one,');
  outgoing.write('two');
  outgoing.addTrailers({ 'X-Checksum': 'of the request' });
  outgoing.end();
}

await { serve, ask }[process.argv[2]]();
