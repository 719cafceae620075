// The life of a socket through ws: its own pings, an acknowledged frame, a logout, another socket.

import { once } from 'node:events';
import { createRequire } from 'node:module';

const { WebSocket } = createRequire(process.env.NODE_PACKAGES)('ws');
const [url, token] = process.argv.slice(2);

async function open(bearer) {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${bearer}` } });
  const frames = [];
  const waiting = [];
  socket.on('message', (data) => {
    const frame = JSON.parse(data);
    if (waiting.length > 0) waiting.shift()(frame);
    else frames.push(frame);
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const next = () =>
    frames.length > 0 ? frames.shift() : new Promise((resolve) => waiting.push(resolve));
  return { socket, closed, next };
}

const seen = {};
const first = await open(token);
seen.welcome = (await first.next()).type;
first.socket.ping('here');
[seen.pong] = (await once(first.socket, 'pong')).map(String);
first.socket.send(JSON.stringify({ id: 1, device_id: 'phone', screen: 'Home' }));
seen.ack = await first.next();
first.socket.send(JSON.stringify({ type: 'logout', id: 2 }));
seen.logout = await first.next();
seen.end = await first.closed;

const second = await open(token);
seen.again = (await second.next()).type;
second.socket.send(Buffer.from([0, 1]));
seen.binary = await second.closed;

const refused = await open('nobody');
refused.socket.on('error', () => {});
const [, response] = await once(refused.socket, 'unexpected-response');
seen.refused = response.statusCode;
response.destroy();
console.log(JSON.stringify(seen));
process.exit(0);
