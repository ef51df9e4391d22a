// A WebSocket client on the package ws. It is told what to do by JSON lines on
// standard input and reports what happens as JSON lines on standard output.
'use strict';
const readline = require('node:readline');
const WebSocket = require('ws');

const [, , url, compression] = process.argv;
const report = (event) => process.stdout.write(JSON.stringify(event) + '\n');

const socket = new WebSocket(url, { perMessageDeflate: compression === 'on' ? { threshold: 0 } : false });
socket.on('open', () => report({ event: 'open', deflate: socket.extensions.includes('permessage-deflate') }));
socket.on('message', (data, binary) => report({ event: binary ? 'binary' : 'text', text: data.toString() }));
socket.on('pong', (data) => report({ event: 'pong', text: data.toString() }));
socket.on('error', (err) => report({ event: 'error', text: err.message }));
socket.on('close', (code, reason) => {
  report({ event: 'close', code, text: reason.toString() });
  process.exit(0);
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  switch (command.do) {
    case 'send':
      command.parts.forEach((part, i) => socket.send(part, { fin: i === command.parts.length - 1 }));
      break;
    case 'ping':
      socket.ping(command.parts[0]);
      break;
    case 'close':
      socket.close(command.code, command.parts[0]);
      break;
  }
});
