/**
 * Tells a Rollcall server that its user is there: for browsers and for React Native.
 *
 * Two parts. {@link PresenceMachine} decides: events and times in, commands out, no clock, no
 * network, no timer of its own. {@link Presence} is what an app uses: it does what the machine says
 * with `fetch`, `WebSocket`, `setTimeout` and the events of a page. `../conformance` has the cases
 * that the machine passes; the Flutter client has the same machine in Dart.
 */

// -- how long things take, in milliseconds

/** Between two heartbeats, until the server says otherwise. */
const INTERVAL_MS = 90000;
/** A message that is not answered for so long shows that the connection is dead. */
const ANSWER_MS = 10000;
/** No wait after a failure is longer, a server's own wish apart. */
const LONGEST_BACKOFF_MS = 30000;
/** A resume sooner than this after the background was told waits: an app that flickers. */
const SETTLE_MS = 1000;
/** How long HTTP stands in for a socket that cannot be had, at least. */
const FALLBACK_MS = 300000;
/** A timer that is so late says that the device has slept. */
const SLEPT_MS = 30000;
/** So many sockets in a row that did not come to a welcome are taken as: sockets are blocked. */
const BLOCKED_AFTER = 3;
/** So often an app in the background tries to say so. */
const BACKGROUND_TRIES = 3;
const LOGOUT_TRIES = 4;

/**
 * What a machine asks for. `do` is `token`, `post`, `open`, `send`, `close`, `stopped` or
 * `logged_out`; which other fields there are depends on it: see ../conformance/README.md.
 * @typedef {{do: string, [field: string]: any}} Command
 */

/**
 * What is known of the device from the beginning.
 * @typedef {object} MachineOptions
 * @property {boolean} socket true: a WebSocket, and HTTP where that cannot be had. false: HTTP.
 * @property {string} deviceId
 * @property {string | null} [appVersion]
 * @property {string | null} [deviceInfo]
 * @property {string | null} [platform]
 * @property {() => number} [random] in [0, 1)
 */

/**
 * The decisions of a client. Every method takes the time in milliseconds of a clock that never goes
 * back, and leaves commands that {@link PresenceMachine#take} gives. Call {@link
 * PresenceMachine#wake} when {@link PresenceMachine#deadline} has come.
 *
 * - `phase`: `idle`; `waiting` for the app to be shown; `active`; `stopped`.
 * - `place` of the app: `foreground`, `background`, or `elsewhere` (another tab speaks for it).
 * - `link`, the socket: `closed`, `token` (asked for), `opening`, `greeting` (until the welcome),
 *   `live`, `retry` (waits).
 * - `beat`, the heartbeat over HTTP: `rest`, `token`, `sent`, `retry`.
 */
export class PresenceMachine {
  /** @param {MachineOptions} options */
  constructor(options) {
    this._prefersSocket = options.socket;
    this._deviceId = options.deviceId;
    this._appVersion = options.appVersion ?? null;
    this._deviceInfo = options.deviceInfo ?? null;
    this._platform = options.platform ?? null;
    this._random = options.random ?? Math.random;
    /** @type {Command[]} */
    this._commands = [];
    this._lastCall = 0;
    this._lastSocket = 0;
    this._lastFrame = 0;
    this._online = true;
    this._intervalMs = INTERVAL_MS;
    /** Half of what the server takes of a foreground without a frame; 0: any time. */
    this._stillMs = 0;
    this._phase = 'idle';
    this._place = 'background';
    this._appState = 'resumed';
    /** @type {string | null} */
    this._user = null;
    /** The token last used: a logout bears it. @type {string | null} */
    this._token = null;
    /** @type {string | null} */
    this._screen = null;
    /** What the server was told last on this way; null: nothing that counts. @type {string | null} */
    this._toldPlace = null;
    /** @type {string | null} */
    this._toldScreen = null;
    this._toldAt = 0;
    this._failures = 0;
    /** Tokens that were refused, one after the other. */
    this._refusals = 0;
    this._link = 'closed';
    this._beat = 'rest';
    this._way = 'http';
    /** The call for a token or of a heartbeat that is under way. */
    this._call = 0;
    this._renewal = 0;
    this._refreshed = false;
    /** Sockets in a row that did not come to a welcome. */
    this._blocked = 0;
    /** A heartbeat failed while it stood in for a socket: the network was away, not sockets. */
    this._missed = false;
    this._answered = 0;
    /** What the server asked for before it restarted. @type {number | null} */
    this._comeBackAfterMs = null;
    /** @type {number | null} */
    this._beatAt = null;
    /** @type {number | null} */
    this._linkAt = null;
    /** @type {number | null} */
    this._answerBy = null;
    /** @type {number | null} */
    this._repeatAt = null;
    /** @type {number | null} */
    this._checkAt = null;
    /** @type {number | null} */
    this._settleAt = null;
    /** @type {number | null} */
    this._onlineAt = null;
    /** @type {number | null} */
    this._socketAgainAt = null;
    /** A logout that is under way, or waits for its next try. @type {string | null} */
    this._goodbyeToken = null;
    this._goodbyeCall = 0;
    this._goodbyeTries = 0;
    /** @type {number | null} */
    this._goodbyeAt = null;
  }

  /** The commands since the last call, in order. @returns {Command[]} */
  take() {
    const commands = this._commands;
    this._commands = [];
    return commands;
  }

  /** When `wake` wants to be called; null: not. @returns {number | null} */
  get deadline() {
    let first = this._goodbyeAt;
    first = earlier(first, this._beatAt);
    first = earlier(first, this._linkAt);
    first = earlier(first, this._answerBy);
    first = earlier(first, this._repeatAt);
    first = earlier(first, this._checkAt);
    first = earlier(first, this._settleAt);
    first = earlier(first, this._onlineAt);
    if (this._place === 'foreground' && this._beat === 'rest') {
      first = earlier(first, this._socketAgainAt);
    }
    return first;
  }

  get running() {
    return this._phase === 'waiting' || this._phase === 'active';
  }

  get hasUser() {
    return this._user !== null;
  }

  get _connected() {
    return this._link === 'opening' || this._link === 'greeting' || this._link === 'live';
  }

  // -- what the app does

  /**
   * A user is logged in. `state` is the life-cycle state of the app: nothing is sent before it is
   * `resumed`, because a system may start an app that nobody looks at. Another user than before:
   * the one before is logged out.
   * @param {number} now
   * @param {string} user
   * @param {string | null} state
   */
  start(now, user, state) {
    if (this._user === user && this.running) return;
    if (this._user !== null && this._user !== user && this.running) this._sayGoodbye(now);
    this._reset();
    this._user = user;
    this._token = null;
    this._refusals = 0;
    this._phase = 'waiting';
    this.lifecycle(now, state);
  }

  /**
   * `resumed` and `inactive` are the foreground; `elsewhere` is another tab's turn; every other
   * state is the background.
   * @param {number} now
   * @param {string | null} state
   */
  lifecycle(now, state) {
    if (state === null || !this.running) return;
    if (this._phase === 'waiting') {
      if (state !== 'resumed') return;
      this._phase = 'active';
      this._begin();
    }
    const place = placeOf(state);
    if (place === this._place) return;
    if (this._place === 'elsewhere' && place === 'background') return; // not ours to tell
    this._place = place;
    this._appState = place === 'foreground' ? 'resumed' : state;
    if (place === 'elsewhere') {
      this._quiet();
      return;
    }
    this._settleAt = null;
    if (place === 'foreground' && this._way === 'http' && this._beat === 'retry') this._rest();
    if (place === 'foreground' && this._link === 'retry') this._unlink();
    if (place === 'background' && this._link === 'retry') this._unlink();
    this._report(now);
  }

  /**
   * A screen is shown.
   * @param {number} now
   * @param {string} screen
   */
  show(now, screen) {
    this._screen = screen;
    // In the background the resume tells it: the server would take it for a sign of life.
    if (this._phase === 'active' && this._place === 'foreground') this._report(now);
  }

  /**
   * The device has a network, or has none.
   * @param {number} now
   * @param {boolean} online
   */
  network(now, online) {
    if (online === this._online) return;
    this._online = online;
    this._onlineAt = null;
    if (this._phase !== 'active') return;
    if (online) {
      // Not at once: all phones of a house come back together.
      if (this._place !== 'elsewhere') this._onlineAt = now + this._upTo(1000);
      return;
    }
    if (this._beat === 'retry') this._rest();
    if (this._link === 'retry') this._unlink();
    this._beatAt = null;
  }

  /**
   * The page goes away, for good or into the browser's cache. `lifecycle` with `resumed` brings it
   * back.
   * @param {number} now
   */
  unload(now) {
    if (this._phase !== 'active') return;
    if (this._place === 'foreground' && this._way === 'http' && this._token !== null) {
      this._appState = 'detached';
      this._command('post', {
        call: this._nextCall(),
        path: '/update-online-status',
        token: this._token,
        body: this._state(),
        keepalive: true,
      });
    }
    this._reset();
    this._phase = 'waiting';
  }

  /**
   * The user logs out, with the token that was used last. `logged_out` says how it went.
   * @param {number} now
   */
  logOut(now) {
    if (this._user === null) return;
    this._sayGoodbye(now);
    this.forget();
  }

  /** The user has logged out in another tab, which has told the server. */
  forget() {
    this._reset();
    this._phase = 'stopped';
    this._user = null;
    this._token = null;
  }

  // -- what comes back

  /**
   * The answer to `token`; null: there is none now.
   * @param {number} now
   * @param {number} call
   * @param {string | null} token
   */
  token(now, call, token) {
    if (call === this._renewal) {
      this._renewal = 0;
      // Without one 4402 follows, and the next socket asks again.
      if (token === null || this._link !== 'live') return;
      this._token = token;
      this._send(now, { type: 'auth', token: token });
      return;
    }
    if (call !== this._call) return;
    if (this._beat === 'token') {
      if (token === null) {
        this._beatFailed(now, 0, true);
        return;
      }
      this._token = token;
      this._postBeat(now);
      return;
    }
    if (this._link !== 'token') return;
    if (token === null) {
      this._linkFailed(now);
      return;
    }
    if (this._place !== 'foreground') {
      this._unlink();
      return;
    }
    this._token = token;
    this._link = 'opening';
    this._lastSocket++;
    this._answerBy = now + ANSWER_MS;
    this._command('open', { socket: this._lastSocket });
  }

  /**
   * The answer to `post`; a status of 0: there was none within ten seconds.
   * @param {number} now
   * @param {number} call
   * @param {number} status
   * @param {number} retryAfterSeconds
   * @param {number} intervalSeconds of X-Heartbeat-Interval-Seconds; 0: not said
   */
  answer(now, call, status, retryAfterSeconds, intervalSeconds) {
    const again = status === 0 || status === 408 || status === 429 || status >= 500;
    if (call === this._goodbyeCall) {
      if (again && this._goodbyeTries < LOGOUT_TRIES) {
        this._goodbyeAt = now + retryAfterSeconds * 1000 + this._backOff(this._goodbyeTries);
      } else {
        this._goodbyeToken = null;
        this._command('logged_out', { ok: status === 200 });
      }
      return;
    }
    if (call !== this._call || this._beat !== 'sent') return;
    if (again) {
      this._beatFailed(now, retryAfterSeconds, status === 0);
      return;
    }
    if (status === 401) {
      if (this._refreshed) {
        this._stop('The server refuses the new token too.');
      } else {
        this._askForBeat(true);
      }
      return;
    }
    // Of what is refused otherwise, the same again would be refused again.
    if (status === 200) {
      this._failures = 0;
      if (intervalSeconds >= 1) this._intervalMs = intervalSeconds * 1000;
    }
    this._rest();
    if (this._missed) this._socketAgainAt = now;
    this._missed = false;
    if (this._place === 'foreground') this._beatAt = now + this._intervalMs;
    this._report(now);
    this._trySocketAgain(now);
  }

  /**
   * A socket is open.
   * @param {number} now
   * @param {number} socket
   */
  opened(now, socket) {
    if (socket !== this._lastSocket || this._link !== 'opening') return;
    if (this._place !== 'foreground') {
      // A new socket says that somebody uses the app.
      this._hangUp();
      return;
    }
    this._link = 'greeting';
    this._tell(now);
  }

  /**
   * A frame came.
   * @param {number} now
   * @param {number} socket
   * @param {{[field: string]: any}} frame
   */
  frame(now, socket, frame) {
    if (socket !== this._lastSocket || (this._link !== 'greeting' && this._link !== 'live')) return;
    const type = frame['type'];
    if (type === 'ack' || type === 'error') {
      if (frame['id'] === this._lastFrame) this._answered = this._lastFrame;
    }
    if (type === 'welcome') {
      this._link = 'live';
      this._failures = 0;
      this._refusals = 0;
      this._blocked = 0;
      this._intervalMs = milliseconds(frame['heartbeat_interval_seconds'], 1000, this._intervalMs);
      this._stillMs = milliseconds(frame['max_silent_foreground_seconds'], 500, 0);
      this._checkLater(now);
    } else if (type === 'token_expiring') {
      this._renewal = this._askForToken(true);
    } else if (type === 'restart') {
      this._comeBackAfterMs = milliseconds(frame['reconnect_after_ms'], 1, LONGEST_BACKOFF_MS);
    } else if (type === 'error') {
      const code = frame['code'];
      if (code === 'unavailable' || code === 'rate_limited') {
        this._repeatAt = now + 5000 + this._backOff(3);
      }
    }
    if (this._link === 'live' && this._answered === this._lastFrame) this._answerBy = null;
  }

  /**
   * A socket has ended; a code of 0: without one.
   * @param {number} now
   * @param {number} socket
   * @param {number} code
   * @param {string} reason
   */
  closed(now, socket, code, reason) {
    if (socket !== this._lastSocket || !this._connected) return;
    const welcomed = this._link === 'live';
    this._unlink();
    if (code === 4403 || code === 4409) {
      this._token = null; // a logout now would sign out whoever logs in next
      this._stop(reason === '' ? `The server closed the socket: ${code}` : reason);
    } else if (code === 4401) {
      this._refusals++;
      if (this._refusals > 1) {
        this._stop('The server refuses the new token too.');
      } else {
        this._linkFailed(now);
      }
    } else if (code === 4402) {
      this._refusals = 1;
      this._linkFailed(now);
    } else if (code === 4429 || (code >= 1002 && code <= 1009 && code !== 1005 && code !== 1006)) {
      // Too many sockets, or one that this app cannot use: HTTP meanwhile.
      this._fallBack(now);
    } else {
      if (!welcomed) this._blocked++;
      this._linkFailed(now);
    }
  }

  /**
   * Time has passed.
   * @param {number} now
   */
  wake(now) {
    const due = this.deadline;
    if (due === null || now < due) return;
    const slept = now - due > SLEPT_MS;
    if (isDue(this._goodbyeAt, now)) this._postGoodbye();
    if (isDue(this._answerBy, now)) this._noAnswer(now);
    if (isDue(this._checkAt, now)) {
      this._checkLater(now);
      // Nobody says that a device was asleep, and its socket may have died meanwhile. And a server
      // that hides who is silent is told that somebody still looks.
      const silent = this._stillMs > 0 && now >= this._toldAt + this._stillMs;
      if ((slept || silent) && this._place === 'foreground') this._tell(now);
    }
    if (isDue(this._repeatAt, now)) {
      this._repeatAt = null;
      this._tell(now);
    }
    if (isDue(this._settleAt, now)) {
      this._settleAt = null;
      this._report(now);
    }
    if (isDue(this._onlineAt, now)) this._backOnline(now);
    if (isDue(this._linkAt, now)) {
      this._unlink();
      this._connect();
    }
    this._trySocketAgain(now);
    if (isDue(this._beatAt, now)) {
      this._beatAt = null;
      if (this._way === 'http') this._startBeat();
    }
  }

  // -- telling

  /** The whole truth, so that a later message makes up for a lost one. */
  _state() {
    /** @type {{[field: string]: any}} */
    const state = { app_state: this._appState, device_id: this._deviceId };
    if (this._screen !== null) state['screen'] = this._screen;
    if (this._appVersion !== null) state['app_version'] = this._appVersion;
    if (this._deviceInfo !== null) state['device_info'] = this._deviceInfo;
    if (this._platform !== null) state['platform'] = this._platform;
    return state;
  }

  /** Tell what is news, if it is. @param {number} now */
  _report(now) {
    if (this._toldPlace === this._place && this._toldScreen === this._screen) return;
    if (this._place === 'foreground' && this._toldPlace === 'background') {
      if (now < this._toldAt + SETTLE_MS) {
        this._settleAt = this._toldAt + SETTLE_MS;
        return;
      }
    }
    this._tell(now);
  }

  /** Tell how things are on the way that is in use. @param {number} now */
  _tell(now) {
    if (!this._online && this._link !== 'live') return;
    if (this._way === 'http') {
      // One under way or waiting takes the news along.
      if (this._beat === 'rest') this._startBeat();
    } else if (this._link === 'greeting' && this._toldPlace === null) {
      this._send(now, { type: 'auth', token: this._token, ...this._state() });
      this._told(now);
    } else if (this._link === 'greeting' || this._link === 'live') {
      this._send(now, this._state());
      this._told(now);
    } else if (this._link === 'closed') {
      this._connect();
    }
  }

  /** @param {number} now */
  _checkLater(now) {
    const wait = this._stillMs > 0 ? Math.min(this._intervalMs, this._stillMs) : this._intervalMs;
    this._checkAt = now + wait;
  }

  /** @param {number} now */
  _told(now) {
    this._toldPlace = this._place;
    this._toldScreen = this._screen;
    this._toldAt = now;
  }

  /** @param {number} now */
  _backOnline(now) {
    this._onlineAt = null;
    this._failures = 0;
    if (this._place === 'foreground') {
      this._tell(now); // what was sent before may be lost
    } else {
      this._report(now);
    }
  }

  // -- over HTTP

  _startBeat() {
    if (this._online) this._askForBeat(false);
  }

  /** @param {boolean} refresh */
  _askForBeat(refresh) {
    this._beatAt = null;
    this._beat = 'token';
    this._refreshed = refresh;
    this._call = this._askForToken(refresh);
  }

  /** @param {number} now */
  _postBeat(now) {
    this._beat = 'sent';
    this._call = this._nextCall();
    this._told(now);
    this._command('post', {
      call: this._call,
      path: '/update-online-status',
      token: this._token,
      body: this._state(),
      keepalive: this._place === 'background',
    });
  }

  /**
   * @param {number} now
   * @param {number} retryAfterSeconds
   * @param {boolean} unheard no answer, or no token
   */
  _beatFailed(now, retryAfterSeconds, unheard) {
    this._rest();
    if (unheard) this._missed = this._prefersSocket;
    this._toldPlace = null;
    if (!this._online) return; // comes with the network
    if (this._place === 'background' && this._failures >= BACKGROUND_TRIES) return;
    this._beat = 'retry';
    this._beatAt = now + retryAfterSeconds * 1000 + this._backOff(this._failures);
    this._failures++;
  }

  _rest() {
    this._beat = 'rest';
    this._call = 0;
    this._beatAt = null;
  }

  // -- over a socket

  _connect() {
    if (!this._online || this._place !== 'foreground' || this._phase !== 'active') return;
    this._link = 'token';
    this._call = this._askForToken(this._refusals > 0);
  }

  /**
   * @param {number} now
   * @param {{[field: string]: any}} frame
   */
  _send(now, frame) {
    this._lastFrame++;
    this._answerBy ??= now + ANSWER_MS;
    const numbered = { id: this._lastFrame, ...frame };
    this._command('send', { socket: this._lastSocket, frame: numbered });
  }

  /** @param {number} now */
  _noAnswer(now) {
    if (this._link !== 'live') this._blocked++;
    this._hangUp();
    this._linkFailed(now);
  }

  /** Come back later, or over HTTP. @param {number} now */
  _linkFailed(now) {
    this._unlink();
    if (this._blocked >= BLOCKED_AFTER) {
      this._fallBack(now);
      return;
    }
    const wait = this._comeBackAfterMs ?? this._backOff(this._failures);
    if (this._comeBackAfterMs === null) this._failures++;
    this._comeBackAfterMs = null;
    // In the background the resume connects, without a network its return.
    if (this._place !== 'foreground' || !this._online) return;
    this._link = 'retry';
    this._linkAt = now + wait;
  }

  /** We end it: it is dead, or not needed any more. */
  _hangUp() {
    if (this._connected) this._command('close', { socket: this._lastSocket });
    this._unlink();
  }

  _unlink() {
    if (this._link === 'token') this._call = 0;
    this._link = 'closed';
    this._linkAt = null;
    this._answerBy = null;
    this._repeatAt = null;
    this._checkAt = null;
    this._renewal = 0;
    if (this._way === 'socket') this._toldPlace = null;
  }

  /** HTTP stands in for the socket. @param {number} now */
  _fallBack(now) {
    this._way = 'http';
    this._failures = 0;
    this._socketAgainAt = now + FALLBACK_MS + this._upTo(FALLBACK_MS);
    this._report(now);
  }

  /** @param {number} now */
  _trySocketAgain(now) {
    if (!isDue(this._socketAgainAt, now) || this._place !== 'foreground') return;
    if (this._way !== 'http' || this._beat !== 'rest') return;
    this._socketAgainAt = null;
    this._beatAt = null;
    this._way = 'socket';
    this._toldPlace = null;
    this._blocked = BLOCKED_AFTER - 1; // one more failure falls back again
    this._connect();
  }

  // -- beginnings and ends

  _begin() {
    this._way = this._prefersSocket ? 'socket' : 'http';
    this._place = 'background';
    this._failures = 0;
    this._blocked = 0;
  }

  /** Nothing under way, nothing due, nothing told. */
  _quiet() {
    this._hangUp();
    this._rest();
    this._settleAt = null;
    this._onlineAt = null;
    this._toldPlace = null;
  }

  _reset() {
    this._quiet();
    this._socketAgainAt = null;
    this._missed = false;
    this._comeBackAfterMs = null;
  }

  /** @param {string} reason */
  _stop(reason) {
    this._reset();
    this._phase = 'stopped';
    this._command('stopped', { reason: reason });
  }

  /** @param {number} now */
  _sayGoodbye(now) {
    if (this._token === null) {
      // Nobody was ever told that this user is here.
      this._command('logged_out', { ok: true });
      return;
    }
    this._goodbyeToken = this._token;
    this._goodbyeTries = 0;
    this._postGoodbye();
  }

  _postGoodbye() {
    this._goodbyeAt = null;
    this._goodbyeTries++;
    this._goodbyeCall = this._nextCall();
    this._command('post', {
      call: this._goodbyeCall,
      path: '/logout-status',
      token: this._goodbyeToken,
      body: { device_id: this._deviceId },
      keepalive: true,
    });
  }

  // -- small things

  /** @param {boolean} refresh */
  _askForToken(refresh) {
    const call = this._nextCall();
    this._command('token', { call: call, user: this._user, refresh: refresh });
    return call;
  }

  _nextCall() {
    this._lastCall++;
    return this._lastCall;
  }

  /**
   * Full jitter: any time up to a second, then up to two, four, … thirty seconds.
   * @param {number} failures
   */
  _backOff(failures) {
    return this._upTo(Math.min(LONGEST_BACKOFF_MS, 1000 << Math.min(failures, 5)));
  }

  /** @param {number} limitMs */
  _upTo(limitMs) {
    return Math.floor(this._random() * limitMs);
  }

  /**
   * @param {string} kind
   * @param {{[field: string]: any}} fields
   */
  _command(kind, fields) {
    this._commands.push({ do: kind, ...fields });
  }
}

/**
 * @param {number | null} a
 * @param {number | null} b
 */
function earlier(a, b) {
  if (a === null) return b;
  if (b === null) return a;
  return Math.min(a, b);
}

/**
 * @param {number | null} at
 * @param {number} now
 */
function isDue(at, now) {
  return at !== null && at <= now;
}

/**
 * @param {any} value what a frame says
 * @param {number} unitMs
 * @param {number} otherwise where it says no number
 */
function milliseconds(value, unitMs, otherwise) {
  return typeof value === 'number' ? Math.round(value * unitMs) : otherwise;
}

/** @param {string} state */
function placeOf(state) {
  if (state === 'resumed' || state === 'inactive') return 'foreground';
  return state === 'elsewhere' ? 'elsewhere' : 'background';
}

// -- the part with a network and a clock

const TOKEN_MS = 30000;
/** How long a hidden tab waits for another one that becomes visible, before it says so. */
const HANDOVER_MS = 250;

/**
 * Gives the user's token, or null if there is none now. `refresh`: the last was refused or ends, ask
 * for a new one.
 * @typedef {(ask: {user: string, refresh: boolean}) => Promise<string | null> | string | null}
 *   TokenSource
 */

/**
 * What {@link Presence} hears of the app: `browserSurroundings()` or `reactNativeSurroundings(…)`.
 * @typedef {object} Surroundings
 * @property {() => string | null} state the life-cycle state now, as `PresenceMachine` knows them
 * @property {(app: Heard) => () => void} watch begins to tell; gives what ends it
 * @property {() => void} [used] the user does something here
 * @property {(user: string) => void} [loggedOut] tell the other tabs
 */

/**
 * What surroundings tell.
 * @typedef {object} Heard
 * @property {(state: string) => void} lifecycle
 * @property {(online: boolean) => void} network
 * @property {() => void} unload
 * @property {(user: string) => void} loggedOut in another tab
 */

/**
 * @typedef {object} PresenceOptions
 * @property {string} baseUrl such as https://presence.example.com/api, without a slash at the end
 * @property {TokenSource} token
 * @property {string} deviceId of this installation, the same at every start: see `installationId`
 * @property {'http' | 'socket'} [transport] `http` unless said otherwise
 * @property {string} [appVersion]
 * @property {string} [deviceInfo] as people should read it
 * @property {string} [platform]
 * @property {Surroundings} [surroundings] a browser's unless said otherwise
 * @property {(reason: string) => void} [onStopped] presence ended by itself: log in again
 */

/** What an app uses: one for the life of the app. */
export class Presence {
  /** @param {PresenceOptions} options */
  constructor(options) {
    this._options = options;
    this._surroundings = options.surroundings ?? browserSurroundings();
    this._machine = new PresenceMachine({
      socket: options.transport === 'socket',
      deviceId: options.deviceId,
      appVersion: options.appVersion,
      deviceInfo: options.deviceInfo,
      platform: options.platform,
    });
    this._clock = steadyClock();
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {any} */
    this._timer = null;
    /** @type {(() => void) | null} */
    this._unwatch = null;
    /** @type {string | null} */
    this._user = null;
    /** @type {((told: boolean) => void)[]} */
    this._loggingOut = [];
  }

  /**
   * A user is logged in. Call it at every start of the app and after each login; a user who was
   * there before is logged out.
   * @param {string} user any text that is this user's alone; it is not sent
   */
  start(user) {
    this._user = user;
    this._unwatch ??= this._surroundings.watch({
      lifecycle: (state) => this._do((now) => this._machine.lifecycle(now, state)),
      network: (online) => this._do((now) => this._machine.network(now, online)),
      unload: () => this._do((now) => this._machine.unload(now)),
      loggedOut: (user) => {
        if (user !== this._user) return;
        this._do(() => this._machine.forget());
        this._unheard();
      },
    });
    this._do((now) => this._machine.start(now, user, this._surroundings.state()));
  }

  /**
   * A screen is shown: a name of the app's own, not a path with ids in it.
   * @param {string} screen
   */
  show(screen) {
    this._surroundings.used?.();
    this._do((now) => this._machine.show(now, screen));
  }

  /**
   * The user logs out. True: the server has it. It uses the token that was sent last, so that the
   * app may drop its own at once.
   * @returns {Promise<boolean>}
   */
  logOut() {
    if (!this._machine.hasUser) return Promise.resolve(true);
    if (this._user !== null) this._surroundings.loggedOut?.(this._user);
    this._unheard();
    return new Promise((resolve) => {
      this._loggingOut.push(resolve);
      this._do((now) => this._machine.logOut(now));
    });
  }

  /** Ends it without a word, as an app that is closed. */
  close() {
    this._do((now) => this._machine.unload(now));
    this._unheard();
    clearTimeout(this._timer);
  }

  /** A tab in which nobody is logged in must not take its turn. */
  _unheard() {
    this._user = null;
    this._unwatch?.();
    this._unwatch = null;
  }

  /**
   * How many users are online; null where that is not known well enough.
   * @returns {Promise<number | null>}
   */
  async onlineUsersCount() {
    const response = await fetch(`${this._options.baseUrl}/online-users-count`);
    if (!response.ok) return null;
    const answer = await response.json();
    return answer.stale ? null : answer.count;
  }

  /**
   * The switch of the app's settings: whether the user who is logged in is counted and shown. True:
   * the server has it. Off erases what is stored of them; heartbeats may go on, and count for nothing.
   * @param {boolean} enabled
   * @returns {Promise<boolean>}
   */
  async setTracking(enabled) {
    const response = await this._tracking('PUT', JSON.stringify({ enabled }));
    return response?.ok ?? false;
  }

  /**
   * What the switch shows; null where the server did not say.
   * @returns {Promise<boolean | null>}
   */
  async tracking() {
    const response = await this._tracking('GET', null);
    return response?.ok ? (await response.json()).enabled : null;
  }

  /**
   * @param {string} method
   * @param {string | null} body
   * @returns {Promise<Response | null>}
   */
  async _tracking(method, body) {
    if (this._user === null) return null;
    try {
      const token = await this._options.token({ user: this._user, refresh: false });
      return await fetch(`${this._options.baseUrl}/v1/me/tracking`, {
        method,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body,
        credentials: 'omit',
        cache: 'no-store',
      });
    } catch {
      return null;
    }
  }

  /** @param {(now: number) => void} happens */
  _do(happens) {
    happens(this._clock());
    for (const command of this._machine.take()) this._carryOut(command);
    clearTimeout(this._timer);
    const deadline = this._machine.deadline;
    if (deadline === null) return;
    const wait = Math.max(0, deadline - this._clock());
    this._timer = setTimeout(() => this._do((now) => this._machine.wake(now)), wait);
  }

  /** @param {Command} command */
  _carryOut(command) {
    switch (command.do) {
      case 'token':
        this._fetchToken(command);
        break;
      case 'post':
        this._post(command);
        break;
      case 'open':
        this._open(command.socket);
        break;
      case 'send':
        this._socket?.send(JSON.stringify(command.frame));
        break;
      case 'close':
        this._close();
        break;
      case 'stopped':
        this._unheard();
        this._options.onStopped?.(command.reason);
        break;
      case 'logged_out':
        this._loggingOut.shift()?.(command.ok);
        break;
    }
  }

  /** @param {Command} command */
  async _fetchToken({ call, user, refresh }) {
    /** @type {string | null} */
    let token = null;
    try {
      token = (await within(TOKEN_MS, this._options.token({ user, refresh }))) ?? null;
    } catch {
      // None now: the machine tries again.
    }
    this._do((now) => this._machine.token(now, call, token));
  }

  /** @param {Command} command */
  async _post({ call, path, token, body, keepalive }) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MS);
    let status = 0;
    let retryAfter = 0;
    let interval = 0;
    try {
      const response = await fetch(this._options.baseUrl + path, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        keepalive,
        credentials: 'omit',
        cache: 'no-store',
        signal: abort.signal,
      });
      status = response.status;
      retryAfter = numberOf(response.headers.get('Retry-After'));
      interval = numberOf(response.headers.get('X-Heartbeat-Interval-Seconds'));
    } catch {
      // No network, or no answer in time.
    }
    clearTimeout(timer);
    this._do((now) => this._machine.answer(now, call, status, retryAfter, interval));
  }

  /** @param {number} number */
  _open(number) {
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new WebSocket(`${this._options.baseUrl.replace(/^http/, 'ws')}/ws`);
    } catch {
      setTimeout(() => this._do((now) => this._machine.closed(now, number, 0, '')));
      return;
    }
    this._socket = socket;
    socket.onopen = () => this._do((now) => this._machine.opened(now, number));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      this._do((now) => this._machine.frame(now, number, frame));
    };
    socket.onclose = ({ code, reason }) => {
      if (this._socket === socket) this._socket = null;
      this._do((now) => this._machine.closed(now, number, code, reason ?? ''));
    };
  }

  _close() {
    const socket = this._socket;
    this._socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }
}

/**
 * The id of this installation, made at the first call and kept.
 * @param {{getItem(key: string): string | null, setItem(key: string, value: string): void}}
 *   [storage] `localStorage` unless said otherwise
 */
export function installationId(storage) {
  const key = 'rollcall.device';
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  try {
    storage ??= localStorage;
    const kept = storage.getItem(key);
    if (kept !== null) return kept;
    storage.setItem(key, fresh);
  } catch {
    // A browser that keeps nothing: this page is a device of its own.
  }
  return fresh;
}

/**
 * A page: whether it is seen, has a network, goes away; and which of several tabs speaks.
 *
 * Tabs share their installation's id, so they are one device, and only one may speak for it: the
 * one that was looked at last. It says so (`lead`), and the one before falls silent. One that is
 * hidden says `leave` and waits a moment: when a tab is switched nothing goes to the background.
 * @param {{channel?: string}} [options]
 * @returns {Surroundings}
 */
export function browserSurroundings({ channel: name = 'rollcall' } = {}) {
  const self = Math.random().toString(36).slice(2);
  /** @type {BroadcastChannel | null} */
  const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(name);
  /** @type {Heard | null} */
  let app = null;
  let leads = false;
  /** @type {Set<string>} */
  const others = new Set();
  /** @type {any} */
  let handover = null;

  const visible = () => document.visibilityState === 'visible';
  /** @param {string} say @param {string} [user] */
  const tell = (say, user) => channel?.postMessage({ from: self, say, user });
  const lead = () => {
    if (app === null || !visible()) return;
    clearTimeout(handover);
    if (!leads) tell('lead');
    leads = true;
    app.lifecycle('resumed');
  };
  const hide = () => {
    if (!leads) return;
    tell('leave');
    const say = () => {
      if (leads && !visible()) app?.lifecycle('hidden');
    };
    clearTimeout(handover);
    if (others.size > 0) handover = setTimeout(say, HANDOVER_MS);
    else say(); // nobody to wait for, and a phone may stop us at once
  };
  const goAway = () => {
    clearTimeout(handover);
    if (leads) app?.unload();
    leads = false;
    tell('bye');
  };
  const changed = () => (visible() ? lead() : hide());
  if (channel !== null) {
    channel.onmessage = ({ data: { from, say, user } }) => {
      if (say === 'bye') others.delete(from);
      else others.add(from);
      if (say === 'hello' && app !== null) tell('here');
      if (say === 'lead' && leads) {
        leads = false;
        clearTimeout(handover);
        app?.lifecycle('elsewhere');
      }
      if ((say === 'leave' || say === 'bye') && !leads) lead();
      if (say === 'logged out') app?.loggedOut(user);
    };
  }

  return {
    state: () => (visible() ? 'resumed' : 'hidden'),
    used: lead,
    loggedOut: (user) => tell('logged out', user),
    watch(heard) {
      app = heard;
      /** @type {[EventTarget, string, () => void][]} */
      const listeners = [
        [document, 'visibilitychange', changed],
        [window, 'focus', lead],
        [window, 'pageshow', changed],
        [window, 'pagehide', goAway],
        [window, 'online', () => heard.network(true)],
        [window, 'offline', () => heard.network(false)],
      ];
      for (const [target, event, listener] of listeners) target.addEventListener(event, listener);
      tell('hello');
      if (navigator.onLine === false) heard.network(false);
      if (visible()) {
        leads = true;
        tell('lead');
      }
      return () => {
        for (const [target, event, listener] of listeners) {
          target.removeEventListener(event, listener);
        }
        tell('bye');
        app = null;
        leads = false;
      };
    },
  };
}

/**
 * A React Native app: `reactNativeSurroundings({ AppState })`, and where you have a library that
 * knows of the network, `{ AppState, network: (tell) => NetInfo.addEventListener((state) =>
 * tell(state.isConnected !== false)) }`.
 * @param {object} options
 * @param {{currentState: string | null, addEventListener(event: 'change', listener: (state: string)
 *   => void): {remove(): void}}} options.AppState
 * @param {(tell: (online: boolean) => void) => () => void} [options.network]
 * @returns {Surroundings}
 */
export function reactNativeSurroundings({ AppState, network }) {
  /** @type {Record<string, string>} */
  const states = { active: 'resumed', inactive: 'inactive', background: 'paused' };
  return {
    state: () => states[AppState.currentState ?? ''] ?? null,
    watch(app) {
      const subscription = AppState.addEventListener('change', (state) => {
        if (states[state] !== undefined) app.lifecycle(states[state]);
      });
      const unwatchNetwork = network?.((online) => app.network(online));
      return () => {
        subscription.remove();
        unwatchNetwork?.();
      };
    },
  };
}

/** Milliseconds that never go back, and go on while the device sleeps. */
function steadyClock() {
  let last = Date.now();
  let now = 0;
  return () => {
    const read = Date.now();
    now += Math.max(0, read - last);
    last = read;
    return now;
  };
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T> | T} value
 * @returns {Promise<T>}
 */
function within(ms, value) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not in time')), ms);
    Promise.resolve(value)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

/** @param {string | null} text seconds of a header; 0 where there are none */
function numberOf(text) {
  const number = Number(text ?? 0);
  return Number.isFinite(number) && number > 0 ? number : 0;
}
