// An echo server with npm's ws. Usage: node ws_server.mjs PORT
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const http = createServer((request, response) => response.end('a page'));
const server = new WebSocketServer({
  server: http,
  maxPayload: 64 << 20,
  perMessageDeflate: { threshold: 1024 },
  handleProtocols: (protocols) => (protocols.has('chat.v2') ? 'chat.v2' : false),
});
server.on('connection', (socket, request) => {
  socket.on('message', (data, isBinary) => {
    const text = isBinary || data.length > 100 ? '' : data.toString();
    const [command, value] = text.split(' ');
    if (command === 'close') socket.close(Number(value), `closed with ${value}`);
    else if (command === 'terminate') socket.terminate();
    else if (command === 'ping') socket.ping(value);
    else if (command === 'headers') socket.send(JSON.stringify(request.headers));
    else socket.send(data, { binary: isBinary });
  });
  socket.on('pong', (data) => socket.send(`pong ${data}`));
  socket.on('close', (code, reason) => console.log(`close ${code} ${reason}`));
  socket.on('error', (error) => console.log(`error ${error.message}`));
});
http.listen(Number(process.argv[2]), '127.0.0.1');
