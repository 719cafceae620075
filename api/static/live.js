// Who is online now, in numbers; before anybody ever was, how to begin.

import { Away, LoggedOut, now, read } from "./api.js";
import { showConnection } from "./connection.js";
import { element, setText } from "./dom.js";
import * as words from "./words.js";

const REFRESH_MS = 2000;
let timer;
let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  clearTimeout(timer);
  try {
    const count = await read("/api/online-users-count");
    const someoneIsKnown = count.count > 0 || (await read("/api/v1/users?limit=1")).items.length > 0;
    showCount(count);
    element("waiting").hidden = someoneIsKnown;
    showConnection(count.stale ? "stale" : "live", count.stale ? "Stale" : "Live");
  } catch (error) {
    if (error instanceof LoggedOut) return;
    showConnection("lost", `${error instanceof Away ? error.message : "Server error"}, retrying`);
  } finally {
    busy = false;
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

function showCount(answer) {
  const { foreground, background } = answer.by_state;
  setText(element("count"), words.count(answer.count));
  setText(element("foreground"), words.count(foreground));
  setText(element("background"), words.count(background));
  element("foreground-bar").style.flexGrow = foreground;
  element("background-bar").style.flexGrow = background;
  const quality = element("quality");
  setText(quality, words.quality(answer, now()));
  quality.classList.toggle("problem", answer.stale);
  document.title = `${words.count(answer.count)} online · Rollcall`;
}

setText(
  element("curl"),
  `TOKEN=$(.venv/bin/rollcall token --user ada)
curl -X POST ${location.origin}/api/update-online-status \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{"screen": "Home", "app_version": "1.0.0"}'`,
);
setText(
  element("dart"),
  `const baseUrl = '${location.origin}/api';

await http.post(
  Uri.parse('$baseUrl/update-online-status'),
  headers: {
    'Authorization': 'Bearer $token',
    'Content-Type': 'application/json',
  },
  body: jsonEncode({'screen': 'Home', 'app_version': '1.0.0'}),
);`,
);
document.addEventListener("visibilitychange", refresh);
refresh();
