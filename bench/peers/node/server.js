// A WebSocket server on ws: /echo sends back what comes, /ws?token=USER answers
// heartbeats and gets what is pushed through HTTP. See ../README.md.
'use strict';

const http = require('node:http');
const { WebSocket, WebSocketServer } = require('ws');

const flag = process.argv.indexOf('--port');
const port = Number(flag > 0 ? process.argv[flag + 1] : process.env.PORT || 9002);
const ack = Buffer.from('{"type":"HEARTBEAT_ACK"}');
const asText = { binary: false };

// No compression and no client set of its own: the lists below are what is used.
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false, maxPayload: 1 << 20 });
const everyone = new Set();
const users = new Map();

function echo(ws) {
  ws.on('message', (data, binary) => ws.send(data, { binary }));
}

function join(ws, user) {
  everyone.add(ws);
  let sessions = users.get(user);
  if (!sessions) users.set(user, (sessions = new Set()));
  sessions.add(ws);
  ws.on('message', (data, binary) => {
    if (!binary && data.toString() === '{"type":"HEARTBEAT"}') ws.send(ack, asText);
  });
  ws.on('close', () => {
    everyone.delete(ws);
    sessions.delete(ws);
    if (sessions.size === 0 && users.get(user) === sessions) users.delete(user);
  });
}

// The bytes are made once for all receivers.
function sendAll(sessions, message) {
  const data = Buffer.from(message);
  for (const ws of sessions) {
    if (ws.readyState === WebSocket.OPEN) ws.send(data, asText);
  }
}

function publish(req, res) {
  const user = /^\/websocket\/send\/user\/([^/?]+)$/.exec(req.url);
  if (req.method !== 'POST' || (req.url !== '/websocket/broadcast' && !user)) {
    res.writeHead(404).end();
    return;
  }
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => {
    try {
      const { message } = JSON.parse(Buffer.concat(parts));
      if (typeof message !== 'string') throw new TypeError('message is not a string');
      sendAll(user ? users.get(decodeURIComponent(user[1])) || [] : everyone, message);
      res.writeHead(200, { 'Content-Length': 0 }).end();
    } catch {
      res.writeHead(400).end();
    }
  });
}

const server = http.createServer(publish);
server.on('upgrade', (req, socket, head) => {
  const url = new URL(req.url, 'http://localhost');
  if (url.pathname !== '/echo' && url.pathname !== '/ws') {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  wss.handleUpgrade(req, socket, head, (ws) => {
    ws.on('error', () => ws.terminate());
    if (url.pathname === '/echo') echo(ws);
    else join(ws, url.searchParams.get('token') || '');
  });
});
server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));
