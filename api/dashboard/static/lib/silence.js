// How long nothing was heard of a device, beside what is expected. Pure.

import { silence } from "./moments.js";

/** Of an online device: `share` of the silence that puts it offline, `level` ("fine", "late" or
 * "over") and a sentence. `now` is in Unix milliseconds; `interval` is what the server asks phones
 * for and `limit` the silence after which they are offline, in seconds. */
export function silenceOf(device, now, interval, limit) {
  const seconds = Math.max(0, (now - Date.parse(device.last_active)) / 1000);
  const level = seconds > limit ? "over" : device.state === "foreground" && seconds > interval ? "late" : "fine";
  return { share: Math.min(1, seconds / limit), level, text: `Silent for ${silence(seconds)}${rest(device, level, interval, limit)}` };
}

function rest(device, level, interval, limit) {
  const offline = `at ${silence(limit)} the device is offline`;
  if (level === "over") {
    return `, more than ${silence(limit)}: an outage of ours or its grace keeps the device online, or what is read is behind.`;
  }
  if (device.state === "background") return `; in the background no heartbeat is expected, and ${offline}.`;
  if (level === "late") return `: longer than the ${silence(interval)} that the server asks for; ${offline}.`;
  return `; a heartbeat is expected every ${silence(interval)}, and ${offline}.`;
}
