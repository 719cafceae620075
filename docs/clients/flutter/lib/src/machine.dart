/// Decides what a client tells: events and times in, commands out; no clock, no network, no timer.
///
/// The same machine as in ../../../web/rollcall.js. Its Dart is plain on purpose: CI has no Dart, but
/// it takes the types out of this file and runs what is left through ../../../conformance. What that
/// understands is in tests/contract/dart_source.py.
library;

import 'dart:math';

// -- how long things take, in milliseconds

/// Between two heartbeats, until the server says otherwise.
const int _intervalDefaultMs = 90000;

/// A message that is not answered for so long shows that the connection is dead.
const int answerMs = 10000;

/// No wait after a failure is longer, a server's own wish apart.
const int _longestBackOffMs = 30000;

/// A resume sooner than this after the background was told waits: an app that flickers.
const int _settleMs = 1000;

/// How long HTTP stands in for a socket that cannot be had, at least.
const int _fallbackMs = 300000;

/// A timer that is so late says that the device has slept.
const int _sleptMs = 30000;

/// So many sockets in a row that did not come to a welcome are taken as: sockets are blocked.
const int _blockedAfter = 3;

/// So often an app in the background tries to say so.
const int _backgroundTries = 3;
const int _logoutTries = 4;

/// What a machine asks for. `do` is `token`, `post`, `open`, `send`, `close`, `stopped` or
/// `logged_out`; which other fields there are depends on it: see ../../../conformance/README.md.
typedef Command = Map<String, Object?>;

/// The decisions of a client. Every method takes the time in milliseconds of a clock that never goes
/// back, and leaves commands that [take] gives. Call [wake] when [deadline] has come.
///
/// - `phase`: `idle`; `waiting` for the app to be shown; `active`; `stopped`.
/// - `place` of the app: `foreground`, `background`, or `elsewhere` (another tab speaks for it).
/// - `link`, the socket: `closed`, `token` (asked for), `opening`, `greeting` (until the welcome),
///   `live`, `retry` (waits).
/// - `beat`, the heartbeat over HTTP: `rest`, `token`, `sent`, `retry`.
class PresenceMachine {
  PresenceMachine({
    required bool socket,
    required String deviceId,
    String? appVersion,
    String? deviceInfo,
    String? platform,
    double Function()? random,
  }) : _prefersSocket = socket,
       _deviceId = deviceId,
       _appVersion = appVersion,
       _deviceInfo = deviceInfo,
       _platform = platform,
       _random = random ?? Random().nextDouble;

  final bool _prefersSocket;
  final String _deviceId;
  final String? _appVersion;
  final String? _deviceInfo;
  final String? _platform;

  /// In [0, 1).
  final double Function() _random;
  List<Command> _commands = [];
  int _lastCall = 0;
  int _lastSocket = 0;
  int _lastFrame = 0;
  bool _online = true;
  int _intervalMs = _intervalDefaultMs;

  /// Half of what the server takes of a foreground without a frame; 0: any time.
  int _stillMs = 0;
  String _phase = 'idle';
  String _place = 'background';
  String _appState = 'resumed';
  String? _user;

  /// The token last used: a logout bears it.
  String? _token;
  String? _screen;

  /// What the server was told last on this way; null: nothing that counts.
  String? _toldPlace;
  String? _toldScreen;
  int _toldAt = 0;
  int _failures = 0;

  /// Tokens that were refused, one after the other.
  int _refusals = 0;
  String _link = 'closed';
  String _beat = 'rest';
  String _way = 'http';

  /// The call for a token or of a heartbeat that is under way.
  int _call = 0;
  int _renewal = 0;
  bool _refreshed = false;

  /// Sockets in a row that did not come to a welcome.
  int _blocked = 0;

  /// A heartbeat failed while it stood in for a socket: the network was away, not sockets.
  bool _missed = false;
  int _answered = 0;

  /// What the server asked for before it restarted.
  int? _comeBackAfterMs;
  int? _beatAt;
  int? _linkAt;
  int? _answerBy;
  int? _repeatAt;
  int? _checkAt;
  int? _settleAt;
  int? _onlineAt;
  int? _socketAgainAt;

  /// A logout that is under way, or waits for its next try.
  String? _goodbyeToken;
  int _goodbyeCall = 0;
  int _goodbyeTries = 0;
  int? _goodbyeAt;

  /// The commands since the last call, in order.
  List<Command> take() {
    final commands = _commands;
    _commands = [];
    return commands;
  }

  /// When `wake` wants to be called; null: not.
  int? get deadline {
    var first = _goodbyeAt;
    first = _earlier(first, _beatAt);
    first = _earlier(first, _linkAt);
    first = _earlier(first, _answerBy);
    first = _earlier(first, _repeatAt);
    first = _earlier(first, _checkAt);
    first = _earlier(first, _settleAt);
    first = _earlier(first, _onlineAt);
    if (_place == 'foreground' && _beat == 'rest') {
      first = _earlier(first, _socketAgainAt);
    }
    return first;
  }

  bool get running {
    return _phase == 'waiting' || _phase == 'active';
  }

  bool get hasUser {
    return _user != null;
  }

  bool get _connected {
    return _link == 'opening' || _link == 'greeting' || _link == 'live';
  }

  // -- what the app does

  /// A user is logged in. `state` is the life-cycle state of the app: nothing is sent before it is
  /// `resumed`, because a system may start an app that nobody looks at. Another user than before:
  /// the one before is logged out.
  void start(int now, String user, String? state) {
    if (_user == user && running) return;
    if (_user != null && _user != user && running) _sayGoodbye(now);
    _reset();
    _user = user;
    _token = null;
    _refusals = 0;
    _phase = 'waiting';
    lifecycle(now, state);
  }

  /// `resumed` and `inactive` are the foreground; `elsewhere` is another tab's turn; every other
  /// state is the background.
  void lifecycle(int now, String? state) {
    if (state == null || !running) return;
    if (_phase == 'waiting') {
      if (state != 'resumed') return;
      _phase = 'active';
      _begin();
    }
    final place = _placeOf(state);
    if (place == _place) return;
    if (_place == 'elsewhere' && place == 'background') return; // not ours to tell
    _place = place;
    _appState = place == 'foreground' ? 'resumed' : state;
    if (place == 'elsewhere') {
      _quiet();
      return;
    }
    _settleAt = null;
    if (place == 'foreground' && _way == 'http' && _beat == 'retry') _rest();
    if (place == 'foreground' && _link == 'retry') _unlink();
    if (place == 'background' && _link == 'retry') _unlink();
    _report(now);
  }

  /// A screen is shown.
  void show(int now, String screen) {
    _screen = screen;
    // In the background the resume tells it: the server would take it for a sign of life.
    if (_phase == 'active' && _place == 'foreground') _report(now);
  }

  /// The device has a network, or has none.
  void network(int now, bool online) {
    if (online == _online) return;
    _online = online;
    _onlineAt = null;
    if (_phase != 'active') return;
    if (online) {
      // Not at once: all phones of a house come back together.
      if (_place != 'elsewhere') _onlineAt = now + _upTo(1000);
      return;
    }
    if (_beat == 'retry') _rest();
    if (_link == 'retry') _unlink();
    _beatAt = null;
  }

  /// The page goes away, for good or into the browser's cache. `lifecycle` with `resumed` brings it
  /// back.
  void unload(int now) {
    if (_phase != 'active') return;
    if (_place == 'foreground' && _way == 'http' && _token != null) {
      _appState = 'detached';
      _command('post', {
        'call': _nextCall(),
        'path': '/update-online-status',
        'token': _token,
        'body': _state(),
        'keepalive': true,
      });
    }
    _reset();
    _phase = 'waiting';
  }

  /// The user logs out, with the token that was used last. `logged_out` says how it went.
  void logOut(int now) {
    if (_user == null) return;
    _sayGoodbye(now);
    forget();
  }

  /// The user has logged out in another tab, which has told the server.
  void forget() {
    _reset();
    _phase = 'stopped';
    _user = null;
    _token = null;
  }

  // -- what comes back

  /// The answer to `token`; null: there is none now.
  void token(int now, int call, String? token) {
    if (call == _renewal) {
      _renewal = 0;
      // Without one 4402 follows, and the next socket asks again.
      if (token == null || _link != 'live') return;
      _token = token;
      _send(now, {'type': 'auth', 'token': token});
      return;
    }
    if (call != _call) return;
    if (_beat == 'token') {
      if (token == null) {
        _beatFailed(now, 0, true);
        return;
      }
      _token = token;
      _postBeat(now);
      return;
    }
    if (_link != 'token') return;
    if (token == null) {
      _linkFailed(now);
      return;
    }
    if (_place != 'foreground') {
      _unlink();
      return;
    }
    _token = token;
    _link = 'opening';
    _lastSocket++;
    _answerBy = now + answerMs;
    _command('open', {'socket': _lastSocket});
  }

  /// The answer to `post`; a status of 0: there was none within ten seconds.
  ///
  ///
  ///
  ///
  /// of X-Heartbeat-Interval-Seconds; 0: not said
  void answer(int now, int call, int status, int retryAfterSeconds, int intervalSeconds) {
    final again = status == 0 || status == 408 || status == 429 || status >= 500;
    if (call == _goodbyeCall) {
      if (again && _goodbyeTries < _logoutTries) {
        _goodbyeAt = now + retryAfterSeconds * 1000 + _backOff(_goodbyeTries);
      } else {
        _goodbyeToken = null;
        _command('logged_out', {'ok': status == 200});
      }
      return;
    }
    if (call != _call || _beat != 'sent') return;
    if (again) {
      _beatFailed(now, retryAfterSeconds, status == 0);
      return;
    }
    if (status == 401) {
      if (_refreshed) {
        _stop('The server refuses the new token too.');
      } else {
        _askForBeat(true);
      }
      return;
    }
    // Of what is refused otherwise, the same again would be refused again.
    if (status == 200) {
      _failures = 0;
      if (intervalSeconds >= 1) _intervalMs = intervalSeconds * 1000;
    }
    _rest();
    if (_missed) _socketAgainAt = now;
    _missed = false;
    if (_place == 'foreground') _beatAt = now + _intervalMs;
    _report(now);
    _trySocketAgain(now);
  }

  /// A socket is open.
  void opened(int now, int socket) {
    if (socket != _lastSocket || _link != 'opening') return;
    if (_place != 'foreground') {
      // A new socket says that somebody uses the app.
      _hangUp();
      return;
    }
    _link = 'greeting';
    _tell(now);
  }

  /// A frame came.
  void frame(int now, int socket, Map<String, Object?> frame) {
    if (socket != _lastSocket || (_link != 'greeting' && _link != 'live')) return;
    final type = frame['type'];
    if (type == 'ack' || type == 'error') {
      if (frame['id'] == _lastFrame) _answered = _lastFrame;
    }
    if (type == 'welcome') {
      _link = 'live';
      _failures = 0;
      _refusals = 0;
      _blocked = 0;
      _intervalMs = _milliseconds(frame['heartbeat_interval_seconds'], 1000, _intervalMs);
      _stillMs = _milliseconds(frame['max_silent_foreground_seconds'], 500, 0);
      _checkLater(now);
    } else if (type == 'token_expiring') {
      _renewal = _askForToken(true);
    } else if (type == 'restart') {
      _comeBackAfterMs = _milliseconds(frame['reconnect_after_ms'], 1, _longestBackOffMs);
    } else if (type == 'error') {
      final code = frame['code'];
      if (code == 'unavailable' || code == 'rate_limited') {
        _repeatAt = now + 5000 + _backOff(3);
      }
    }
    if (_link == 'live' && _answered == _lastFrame) _answerBy = null;
  }

  /// A socket has ended; a code of 0: without one.
  void closed(int now, int socket, int code, String reason) {
    if (socket != _lastSocket || !_connected) return;
    final welcomed = _link == 'live';
    _unlink();
    if (code == 4403 || code == 4409) {
      _token = null; // a logout now would sign out whoever logs in next
      _stop(reason == '' ? 'The server closed the socket: $code' : reason);
    } else if (code == 4401) {
      _refusals++;
      if (_refusals > 1) {
        _stop('The server refuses the new token too.');
      } else {
        _linkFailed(now);
      }
    } else if (code == 4402) {
      _refusals = 1;
      _linkFailed(now);
    } else if (code == 4429 || (code >= 1002 && code <= 1009 && code != 1005 && code != 1006)) {
      // Too many sockets, or one that this app cannot use: HTTP meanwhile.
      _fallBack(now);
    } else {
      if (!welcomed) _blocked++;
      _linkFailed(now);
    }
  }

  /// Time has passed.
  void wake(int now) {
    final due = deadline;
    if (due == null || now < due) return;
    final slept = now - due > _sleptMs;
    if (_isDue(_goodbyeAt, now)) _postGoodbye();
    if (_isDue(_answerBy, now)) _noAnswer(now);
    if (_isDue(_checkAt, now)) {
      _checkLater(now);
      // Nobody says that a device was asleep, and its socket may have died meanwhile. And a server
      // that hides who is silent is told that somebody still looks.
      final silent = _stillMs > 0 && now >= _toldAt + _stillMs;
      if ((slept || silent) && _place == 'foreground') _tell(now);
    }
    if (_isDue(_repeatAt, now)) {
      _repeatAt = null;
      _tell(now);
    }
    if (_isDue(_settleAt, now)) {
      _settleAt = null;
      _report(now);
    }
    if (_isDue(_onlineAt, now)) _backOnline(now);
    if (_isDue(_linkAt, now)) {
      _unlink();
      _connect();
    }
    _trySocketAgain(now);
    if (_isDue(_beatAt, now)) {
      _beatAt = null;
      if (_way == 'http') _startBeat();
    }
  }

  // -- telling

  /// The whole truth, so that a later message makes up for a lost one.
  Map<String, Object?> _state() {
    final state = <String, Object?>{'app_state': _appState, 'device_id': _deviceId};
    if (_screen != null) state['screen'] = _screen;
    if (_appVersion != null) state['app_version'] = _appVersion;
    if (_deviceInfo != null) state['device_info'] = _deviceInfo;
    if (_platform != null) state['platform'] = _platform;
    return state;
  }

  /// Tell what is news, if it is.
  void _report(int now) {
    if (_toldPlace == _place && _toldScreen == _screen) return;
    if (_place == 'foreground' && _toldPlace == 'background') {
      if (now < _toldAt + _settleMs) {
        _settleAt = _toldAt + _settleMs;
        return;
      }
    }
    _tell(now);
  }

  /// Tell how things are on the way that is in use.
  void _tell(int now) {
    if (!_online && _link != 'live') return;
    if (_way == 'http') {
      // One under way or waiting takes the news along.
      if (_beat == 'rest') _startBeat();
    } else if (_link == 'greeting' && _toldPlace == null) {
      _send(now, {'type': 'auth', 'token': _token, ..._state()});
      _told(now);
    } else if (_link == 'greeting' || _link == 'live') {
      _send(now, _state());
      _told(now);
    } else if (_link == 'closed') {
      _connect();
    }
  }

  void _checkLater(int now) {
    final wait = _stillMs > 0 && _stillMs < _intervalMs ? _stillMs : _intervalMs;
    _checkAt = now + wait;
  }

  void _told(int now) {
    _toldPlace = _place;
    _toldScreen = _screen;
    _toldAt = now;
  }

  void _backOnline(int now) {
    _onlineAt = null;
    _failures = 0;
    if (_place == 'foreground') {
      _tell(now); // what was sent before may be lost
    } else {
      _report(now);
    }
  }

  // -- over HTTP

  void _startBeat() {
    if (_online) _askForBeat(false);
  }

  void _askForBeat(bool refresh) {
    _beatAt = null;
    _beat = 'token';
    _refreshed = refresh;
    _call = _askForToken(refresh);
  }

  void _postBeat(int now) {
    _beat = 'sent';
    _call = _nextCall();
    _told(now);
    _command('post', {
      'call': _call,
      'path': '/update-online-status',
      'token': _token,
      'body': _state(),
      'keepalive': _place == 'background',
    });
  }

  /// no answer, or no token
  void _beatFailed(int now, int retryAfterSeconds, bool unheard) {
    _rest();
    if (unheard) _missed = _prefersSocket;
    _toldPlace = null;
    if (!_online) return; // comes with the network
    if (_place == 'background' && _failures >= _backgroundTries) return;
    _beat = 'retry';
    _beatAt = now + retryAfterSeconds * 1000 + _backOff(_failures);
    _failures++;
  }

  void _rest() {
    _beat = 'rest';
    _call = 0;
    _beatAt = null;
  }

  // -- over a socket

  void _connect() {
    if (!_online || _place != 'foreground' || _phase != 'active') return;
    _link = 'token';
    _call = _askForToken(_refusals > 0);
  }

  void _send(int now, Map<String, Object?> frame) {
    _lastFrame++;
    _answerBy ??= now + answerMs;
    final numbered = {'id': _lastFrame, ...frame};
    _command('send', {'socket': _lastSocket, 'frame': numbered});
  }

  void _noAnswer(int now) {
    if (_link != 'live') _blocked++;
    _hangUp();
    _linkFailed(now);
  }

  /// Come back later, or over HTTP.
  void _linkFailed(int now) {
    _unlink();
    if (_blocked >= _blockedAfter) {
      _fallBack(now);
      return;
    }
    final wait = _comeBackAfterMs ?? _backOff(_failures);
    if (_comeBackAfterMs == null) _failures++;
    _comeBackAfterMs = null;
    // In the background the resume connects, without a network its return.
    if (_place != 'foreground' || !_online) return;
    _link = 'retry';
    _linkAt = now + wait;
  }

  /// We end it: it is dead, or not needed any more.
  void _hangUp() {
    if (_connected) _command('close', {'socket': _lastSocket});
    _unlink();
  }

  void _unlink() {
    if (_link == 'token') _call = 0;
    _link = 'closed';
    _linkAt = null;
    _answerBy = null;
    _repeatAt = null;
    _checkAt = null;
    _renewal = 0;
    if (_way == 'socket') _toldPlace = null;
  }

  /// HTTP stands in for the socket.
  void _fallBack(int now) {
    _way = 'http';
    _failures = 0;
    _socketAgainAt = now + _fallbackMs + _upTo(_fallbackMs);
    _report(now);
  }

  void _trySocketAgain(int now) {
    if (!_isDue(_socketAgainAt, now) || _place != 'foreground') return;
    if (_way != 'http' || _beat != 'rest') return;
    _socketAgainAt = null;
    _beatAt = null;
    _way = 'socket';
    _toldPlace = null;
    _blocked = _blockedAfter - 1; // one more failure falls back again
    _connect();
  }

  // -- beginnings and ends

  void _begin() {
    _way = _prefersSocket ? 'socket' : 'http';
    _place = 'background';
    _failures = 0;
    _blocked = 0;
  }

  /// Nothing under way, nothing due, nothing told.
  void _quiet() {
    _hangUp();
    _rest();
    _settleAt = null;
    _onlineAt = null;
    _toldPlace = null;
  }

  void _reset() {
    _quiet();
    _socketAgainAt = null;
    _missed = false;
    _comeBackAfterMs = null;
  }

  void _stop(String reason) {
    _reset();
    _phase = 'stopped';
    _command('stopped', {'reason': reason});
  }

  void _sayGoodbye(int now) {
    if (_token == null) {
      // Nobody was ever told that this user is here.
      _command('logged_out', {'ok': true});
      return;
    }
    _goodbyeToken = _token;
    _goodbyeTries = 0;
    _postGoodbye();
  }

  void _postGoodbye() {
    _goodbyeAt = null;
    _goodbyeTries++;
    _goodbyeCall = _nextCall();
    _command('post', {
      'call': _goodbyeCall,
      'path': '/logout-status',
      'token': _goodbyeToken,
      'body': {'device_id': _deviceId},
      'keepalive': true,
    });
  }

  // -- small things

  int _askForToken(bool refresh) {
    final call = _nextCall();
    _command('token', {'call': call, 'user': _user, 'refresh': refresh});
    return call;
  }

  int _nextCall() {
    _lastCall++;
    return _lastCall;
  }

  /// Full jitter: any time up to a second, then up to two, four, … thirty seconds.
  int _backOff(int failures) {
    return _upTo(min(_longestBackOffMs, 1000 << min(failures, 5)));
  }

  int _upTo(int limitMs) {
    return (_random() * limitMs).floor();
  }

  void _command(String kind, Map<String, Object?> fields) {
    _commands.add({'do': kind, ...fields});
  }
}

int? _earlier(int? a, int? b) {
  if (a == null) return b;
  if (b == null) return a;
  return min(a, b);
}

bool _isDue(int? at, int now) {
  return at != null && at <= now;
}

/// what a frame says
///
/// where it says no number
int _milliseconds(Object? value, int unitMs, int otherwise) {
  return value is num ? (value * unitMs).round() : otherwise;
}

String _placeOf(String state) {
  if (state == 'resumed' || state == 'inactive') return 'foreground';
  return state == 'elsewhere' ? 'elsewhere' : 'background';
}

