// A heartbeat, one in chunks, and a logout through undici's pool of one connection.

import { createRequire } from 'node:module';

const { Pool } = createRequire(process.env.NODE_PACKAGES)('undici');
const [origin, token] = process.argv.slice(2);
const pool = new Pool(origin, { connections: 1 });
let connections = 0;
pool.on('connect', () => connections++);

async function post(path, body) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answer = await pool.request({ path, method: 'POST', headers, body });
  return [answer.statusCode, await answer.body.text()];
}

async function* chunks() {
  yield '{"device_id": "phone", ';
  yield '"screen": "Cart"}';
}

const answers = [
  await post('/api/update-online-status', '{"device_id": "phone", "screen": "Home"}'),
  await post('/api/update-online-status', chunks()),
  await post('/api/logout-status', '{"device_id": "phone"}'),
];
await pool.close();
console.log(JSON.stringify({ answers, connections }));
