// npm's socket.io-client. Usage: node socketio_client.mjs STORY
import { randomBytes } from 'node:crypto';
import { io } from 'socket.io-client';
import { agent, cookie, expect, port, run, tls } from './client.mjs';

function connect(transports, more = {}) {
  const origin = `https://live.example.com:${port}`;
  return io(origin, { transports, agent, ca: tls.ca, forceNew: true, reconnection: false,
    extraHeaders: { Cookie: `${cookie}; theme=dark`, Origin: origin }, ...more });
}

async function talk(socket) {
  const [{ user, cookie: seen }] = await new Promise((resolve, reject) => {
    socket.on('welcome', (...said) => resolve(said));
    socket.on('connect_error', (error) => reject(new Error(`${error.message} ${error.description ?? ''}`)));
  });
  expect('the user and the cookie', [user, seen], ['ana', 'theme=dark']);
  expect('an answer', await socket.emitWithAck('echo', { list: [1, 'ü'] }), { list: [1, 'ü'] });
  const bytes = randomBytes(1 << 20);
  expect('bytes', bytes.equals(Buffer.from(await socket.emitWithAck('echo', bytes))), true);
}

await run({
  async upgrade() {
    const socket = connect(['polling', 'websocket']);
    const upgraded = new Promise((resolve) => {
      socket.io.engine.once('open', () => { // before it looks for a better transport
        expect('the first transport', socket.io.engine.transport.name, 'polling');
        socket.io.engine.once('upgrade', (transport) => resolve(transport.name));
      });
    });
    await Promise.all([talk(socket), upgraded.then((name) => expect('the transport after it', name, 'websocket'))]);
    expect('an answer by web socket', await socket.emitWithAck('echo', 'more'), 'more');
  },
  async polling() {
    const [ana, other] = [connect(['polling']), connect(['polling'])];
    await Promise.all([talk(ana), talk(other)]);
    const heard = new Promise((resolve) => { other.once('said', resolve); });
    ana.emit('say', 'hello');
    expect('what the other hears', await heard, 'hello');
    other.disconnect();
  },
  async websocket() {
    await talk(connect(['websocket']));
  },
  async refused() {
    const socket = connect(['polling'], { extraHeaders: {} });
    const error = await new Promise((resolve) => { socket.on('connect_error', resolve); });
    expect('the status', error.description, 401);
  },
});
