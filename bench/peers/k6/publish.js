import http from 'k6/http';
import { message, target } from './options.js';

const body = JSON.stringify({ message });
const params = { headers: { 'Content-Type': 'application/json' } };

export function publish() {
  http.post(`http://${target}/websocket/broadcast`, body, params);
}
