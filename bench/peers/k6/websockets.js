// The work on k6/websockets, which v1.4 has under its experimental name: a
// virtual user has CONNS/VUS connections on its event loop. What comes is
// compared; k6 itself counts it.
import { Counter } from 'k6/metrics';
import { WebSocket } from 'k6/experimental/websockets';
import { conns, life, message, period, ramp, url, vus, work } from './options.js';

export { options } from './options.js';
export { publish } from './publish.js';

const wrong = new Counter('wrong');

export function connect() {
  for (let i = 0; i < conns / vus; i++) open();
}

function open() {
  const ws = new WebSocket(url);
  let sending = 0;
  ws.onopen = () => {
    if (work === 'echo') {
      const first = ramp * 1000 + Math.random() * period; // spread over the first period
      setTimeout(() => {
        sending = setInterval(() => ws.send(message), period);
      }, first);
    }
    setTimeout(() => {
      if (sending) clearInterval(sending);
      ws.close();
    }, life);
  };
  ws.onmessage = (event) => {
    if (event.data !== message) wrong.add(1);
  };
}
