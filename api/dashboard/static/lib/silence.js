// How long nothing was heard of a device, beside what is expected. Pure.

import { silence } from "./moments.js";
import { t } from "./texts.js";

/** Of an online device: `share` of the silence that puts it offline, `level` ("fine", "late" or
 * "over") and a sentence. `now` is in Unix milliseconds; `interval` is what the server asks phones
 * for and `limit` the silence after which they are offline, in seconds. */
export function silenceOf(device, now, interval, limit) {
  const seconds = Math.max(0, (now - Date.parse(device.last_active)) / 1000);
  const level = seconds > limit ? "over" : device.state === "foreground" && seconds > interval ? "late" : "fine";
  return { share: Math.min(1, seconds / limit), level, text: textOf(silence(seconds), device, level, { interval: silence(interval), limit: silence(limit) }) };
}

function textOf(duration, device, level, lengths) {
  const told = { duration, ...lengths };
  if (level === "over") {
    return t("Silent for {duration}, more than {limit}: an outage of ours or its grace keeps the device online, or what is read is behind.", told);
  }
  if (device.state === "background") return t("Silent for {duration}; in the background no heartbeat is expected, and at {limit} the device is offline.", told);
  if (level === "late") return t("Silent for {duration}: longer than the {interval} that the server asks for; at {limit} the device is offline.", told);
  return t("Silent for {duration}; a heartbeat is expected every {interval}, and at {limit} the device is offline.", told);
}
