// The work on k6/ws, the older module: one connection blocks one virtual user.
import { Counter } from 'k6/metrics';
import ws from 'k6/ws';
import { life, message, period, ramp, url, work } from './options.js';

export { options } from './options.js';
export { publish } from './publish.js';

const wrong = new Counter('wrong');

export function connect() {
  ws.connect(url, null, (socket) => {
    socket.on('open', () => {
      if (work === 'echo') {
        const first = ramp * 1000 + Math.random() * period; // spread over the first period
        socket.setTimeout(() => socket.setInterval(() => socket.send(message), period), first);
      }
      socket.setTimeout(() => socket.close(), life);
    });
    socket.on('message', (data) => {
      if (data !== message) wrong.add(1);
    });
  });
}
