// npm's ws as the client. Usage: node ws_client.mjs STORY
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { cookie, expect, port, run, tls } from './client.mjs';

const HOST = `chat.example.com:${port}`;

function connect(more = {}, protocols = []) {
  const { headers = {}, ...options } = more;
  return new WebSocket(`wss://${HOST}/room?name=x`, protocols,
    { origin: `https://${HOST}`, maxPayload: 64 << 20, ...tls, ...options,
      headers: { Cookie: `theme=dark; ${cookie}`, ...headers } });
}

async function opened(more, protocols) {
  const socket = connect(more, protocols);
  await once(socket, 'open');
  return socket;
}

async function ask(socket, message) {
  socket.send(message);
  const [data, isBinary] = await once(socket, 'message');
  return isBinary ? data : data.toString();
}

// The status of an upgrade that is refused.
async function refused(more) {
  const socket = connect(more);
  socket.on('error', () => {});
  const [, response] = await once(socket, 'unexpected-response');
  return response.statusCode;
}

await run({
  async echo() {
    const socket = await opened();
    expect('a text', await ask(socket, 'Grüße €'), 'Grüße €');
    expect('an empty message', await ask(socket, ''), '');
    const headers = JSON.parse(await ask(socket, 'headers'));
    expect('the cookie', headers.cookie, 'theme=dark');
    expect('the user', headers['remote-user'], 'ana');
    await new Promise((resolve) => {
      let count = 0;
      socket.on('message', (data) => {
        expect('the order', data.toString(), String(count));
        count += 1;
        if (count === 2000) resolve();
      });
      for (let i = 0; i < 2000; i += 1) socket.send(String(i));
    });
  },
  async large() {
    for (const perMessageDeflate of [false, true]) {
      const socket = await opened({ perMessageDeflate });
      expect('the extension', socket.extensions.includes('permessage-deflate'), perMessageDeflate);
      for (const size of [125, 126, 65535, 65536, 1 << 20, (16 << 20) + 7]) {
        const sent = randomBytes(size);
        expect(`${size} bytes`, sent.equals(await ask(socket, sent)), true);
      }
      socket.terminate();
    }
  },
  async close() {
    for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
      const socket = await opened();
      socket.send(`close ${code}`);
      const [seen, reason] = await once(socket, 'close');
      expect('the close', [seen, reason.toString()], [code, `closed with ${code}`]);
    }
    const mine = await opened();
    mine.close(4001, 'enough');
    expect('the close of the client', (await once(mine, 'close'))[0], 4001);
    const cut = await opened();
    cut.send('terminate now');
    expect('a connection that the application drops', (await once(cut, 'close'))[0], 1006);
    (await opened()).terminate();
  },
  async ping() {
    const socket = await opened();
    socket.ping('of the client');
    expect('the pong', (await once(socket, 'pong'))[0].toString(), 'of the client');
    expect('a ping of the server', await ask(socket, 'ping x1'), 'pong x1');
  },
  async protocols() {
    const socket = await opened({}, ['chat.v1', 'chat.v2']);
    expect('the subprotocol', socket.protocol, 'chat.v2');
  },
  async refused() {
    expect('without a session', await refused({ headers: { Cookie: '' } }), 401);
    expect('with the origin of another site', await refused({ origin: 'https://evil.example.com' }), 403);
    expect('with the origin of another port', await refused({ origin: 'https://chat.example.com:1' }), 403);
    expect('a user who may not', await refused({ headers: { Cookie: process.env.OTHER_COOKIE } }), 403);
  },
  // Opens one, says so, and what closes it.
  async stay() {
    const socket = await opened();
    expect('a text', await ask(socket, 'x'), 'x');
    console.log('open');
    const [code] = await once(socket, 'close');
    console.log(`closed ${code}`);
  },
});
