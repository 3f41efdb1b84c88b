// npm's socket.io. Usage: node socketio_server.mjs PORT
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const server = new Server(http, { maxHttpBufferSize: 8 << 20 });
server.on('connection', (socket) => {
  const { headers } = socket.handshake;
  socket.emit('welcome', { user: headers['remote-user'], cookie: headers.cookie });
  socket.on('echo', (data, done) => done(data));
  socket.on('say', (text) => server.emit('said', text));
});
http.listen(Number(process.argv[2]), '127.0.0.1');
