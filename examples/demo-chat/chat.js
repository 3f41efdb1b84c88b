// The web socket is beside this page, under whatever path and scheme the browser sees it.
const address = new URL('socket', location.href);
address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
const socket = new WebSocket(address);
const find = (id) => document.getElementById(id);

function show(text, user) {
  const item = document.createElement('li');
  if (user) item.append(Object.assign(document.createElement('b'), { textContent: user }), ' ');
  item.append(text);
  find('messages').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

socket.addEventListener('open', () => { find('state').textContent = 'Connected'; });
socket.addEventListener('close', () => {
  find('state').textContent = 'Not connected. The server has ended the connection: are you still logged in?';
});
socket.addEventListener('message', ({ data }) => {
  const message = JSON.parse(data);
  if (message.you) find('you').textContent = message.you;
  else if (message.event) show(`${message.user} has ${message.event}`);
  else show(message.text, message.user);
});
document.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault();
  socket.send(find('text').value);
  find('text').value = '';
});
