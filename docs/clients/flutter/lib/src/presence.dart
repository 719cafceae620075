import 'dart:async';
import 'dart:convert';

import 'package:flutter/widgets.dart';
import 'package:http/http.dart' as http;
import 'package:web_socket_channel/web_socket_channel.dart';

import 'installation.dart';
import 'machine.dart';

/// Gives the token of [user], or null if there is none now; [refresh]: the last was refused or ends,
/// ask for a new one.
typedef TokenSource = Future<String?> Function({required String user, required bool refresh});

/// How to tell: a heartbeat every 90 s, or a socket (and HTTP where a socket cannot be had).
enum Transport { http, socket }

/// Presence of [user] from now on. It waits until the app is shown: a silent push or a prewarm starts
/// an app that nobody looks at.
///
/// [load] and [save] keep the installation's id, for example in shared_preferences.
Future<Presence> startPresence({
  required String baseUrl,
  required String user,
  required TokenSource token,
  required Future<String?> Function() load,
  required Future<void> Function(String id) save,
  Transport transport = Transport.http,
  String? appVersion,
  String? deviceInfo,
  String? platform,
  void Function(String reason)? onStopped,
}) async {
  final presence = Presence(
    baseUrl: baseUrl,
    token: token,
    deviceId: await installationId(load, save),
    transport: transport,
    appVersion: appVersion,
    deviceInfo: deviceInfo,
    platform: platform,
    onStopped: onStopped,
  );
  return presence..start(user);
}

/// What an app uses: one for the life of the app. It does what a [PresenceMachine] says.
class Presence with WidgetsBindingObserver {
  Presence({
    required this.baseUrl,
    required this.token,
    required String deviceId,
    Transport transport = Transport.http,
    String? appVersion,
    String? deviceInfo,
    String? platform,
    this.onStopped,
    http.Client? client,
    WebSocketChannel Function(Uri uri)? connect,
  }) : _client = client ?? http.Client(),
       _connect = connect ?? WebSocketChannel.connect,
       _machine = PresenceMachine(
         socket: transport == Transport.socket,
         deviceId: deviceId,
         appVersion: appVersion,
         deviceInfo: deviceInfo,
         platform: platform,
       );

  /// Such as https://presence.example.com/api, without a slash at the end.
  final String baseUrl;
  final TokenSource token;

  /// Presence ended by itself: the user must log in again.
  final void Function(String reason)? onStopped;

  /// One client for all calls: it keeps its connections open.
  final http.Client _client;
  final WebSocketChannel Function(Uri uri) _connect;
  final PresenceMachine _machine;
  final _Clock _clock = _Clock();
  final List<Completer<bool>> _loggingOut = [];
  WebSocketChannel? _channel;
  Timer? _timer;
  bool _observing = false;

  /// Whose [tracking] it is.
  String? _user;

  /// A user is logged in. Call it at every start of the app and after each login; a user who was
  /// there before is logged out. [user] is any text that is this user's alone; it is not sent.
  void start(String user) {
    _user = user;
    if (!_observing) WidgetsBinding.instance.addObserver(this);
    _observing = true;
    _do((now) => _machine.start(now, user, WidgetsBinding.instance.lifecycleState?.name));
  }

  /// A screen is shown: a name of the app's own, not a path with ids in it.
  void show(String screen) => _do((now) => _machine.show(now, screen));

  /// The device has a network, or has none, where the app knows it (connectivity_plus).
  void network({required bool online}) => _do((now) => _machine.network(now, online));

  /// The user logs out. True: the server has it. It uses the token that was sent last, so that the
  /// app may drop its own at once.
  Future<bool> logOut() {
    _user = null;
    if (!_machine.hasUser) return Future<bool>.value(true);
    final told = Completer<bool>();
    _loggingOut.add(told);
    _do(_machine.logOut);
    return told.future;
  }

  /// Ends it without a word, as an app that is closed.
  void close() {
    _do(_machine.unload);
    if (_observing) WidgetsBinding.instance.removeObserver(this);
    _observing = false;
    _timer?.cancel();
  }

  /// How many users are online; null where that is not known well enough.
  Future<int?> onlineUsersCount() async {
    final response = await _client.get(Uri.parse('$baseUrl/online-users-count'));
    if (response.statusCode != 200) return null;
    final answer = jsonDecode(response.body) as Map<String, dynamic>;
    return answer['stale'] == true ? null : answer['count'] as int;
  }

  /// The switch of the app's settings: whether the user who is logged in is counted and shown. True:
  /// the server has it. Off erases what is stored of them; heartbeats may go on, and count for
  /// nothing.
  Future<bool> setTracking({required bool enabled}) async {
    final response = await _tracking(jsonEncode({'enabled': enabled}));
    return response != null && response.statusCode ~/ 100 == 2;
  }

  /// What the switch shows; null where the server did not say.
  Future<bool?> tracking() async {
    final response = await _tracking(null);
    if (response == null || response.statusCode != 200) return null;
    return (jsonDecode(response.body) as Map<String, dynamic>)['enabled'] as bool;
  }

  Future<http.Response?> _tracking(String? body) async {
    final user = _user;
    if (user == null) return null;
    try {
      final fetched = await token(user: user, refresh: false);
      final url = Uri.parse('$baseUrl/v1/me/tracking');
      final headers = {'Authorization': 'Bearer $fetched', 'Content-Type': 'application/json'};
      if (body == null) return await _client.get(url, headers: headers);
      return await _client.put(url, headers: headers, body: body);
    } on Object {
      return null;
    }
  }

  @override
  void didChangeAppLifecycleState(AppLifecycleState state) {
    _do((now) => _machine.lifecycle(now, state.name));
  }

  void _do(void Function(int now) happens) {
    happens(_clock.now());
    _machine.take().forEach(_carryOut);
    _timer?.cancel();
    final due = _machine.deadline;
    if (due == null) return;
    final wait = Duration(milliseconds: due - _clock.now());
    _timer = Timer(wait.isNegative ? Duration.zero : wait, () => _do(_machine.wake));
  }

  void _carryOut(Command command) {
    switch (command['do']) {
      case 'token':
        unawaited(
          _fetchToken(
            command['call'] as int,
            command['user'] as String,
            refresh: command['refresh'] as bool,
          ),
        );
      case 'post':
        unawaited(_post(command));
      case 'open':
        unawaited(_open(command['socket'] as int));
      case 'send':
        _channel?.sink.add(jsonEncode(command['frame']));
      case 'close':
        final channel = _channel;
        _channel = null;
        unawaited(channel?.sink.close());
      case 'stopped':
        _user = null;
        onStopped?.call(command['reason'] as String);
      case 'logged_out':
        // A user who was replaced by another one is logged out without being asked.
        if (_loggingOut.isNotEmpty) _loggingOut.removeAt(0).complete(command['ok'] as bool);
    }
  }

  Future<void> _fetchToken(int call, String user, {required bool refresh}) async {
    String? fetched;
    try {
      fetched = await token(user: user, refresh: refresh).timeout(const Duration(seconds: 30));
    } on Object {
      // None now: the machine tries again.
    }
    _do((now) => _machine.token(now, call, fetched));
  }

  Future<void> _post(Command command) async {
    var status = 0;
    var retryAfter = 0;
    var interval = 0;
    try {
      final response = await _client
          .post(
            Uri.parse('$baseUrl${command['path']}'),
            headers: {
              'Authorization': 'Bearer ${command['token']}',
              'Content-Type': 'application/json',
            },
            body: jsonEncode(command['body']),
          )
          .timeout(const Duration(milliseconds: answerMs));
      status = response.statusCode;
      retryAfter = _seconds(response.headers['retry-after']);
      interval = _seconds(response.headers['x-heartbeat-interval-seconds']);
    } on Object {
      // No network, or no answer in time.
    }
    final call = command['call'] as int;
    _do((now) => _machine.answer(now, call, status, retryAfter, interval));
  }

  Future<void> _open(int number) async {
    final WebSocketChannel channel;
    try {
      channel = _connect(Uri.parse('${baseUrl.replaceFirst('http', 'ws')}/ws'));
      _channel = channel;
      await channel.ready;
    } on Object {
      _ended(number, 0, '');
      return;
    }
    channel.stream.listen(
      (message) {
        final frame = jsonDecode(message as String) as Map<String, dynamic>;
        _do((now) => _machine.frame(now, number, frame));
      },
      onError: (Object _) {}, // onDone follows
      onDone: () => _ended(number, channel.closeCode ?? 0, channel.closeReason ?? ''),
    );
    _do((now) => _machine.opened(now, number));
  }

  void _ended(int number, int code, String reason) {
    _do((now) => _machine.closed(now, number, code, reason));
  }
}

/// Whole seconds of a header; 0 where there are none.
int _seconds(String? text) => double.tryParse(text ?? '')?.ceil() ?? 0;

/// Milliseconds that never go back, and go on while the device sleeps.
class _Clock {
  int _last = DateTime.now().millisecondsSinceEpoch;
  int _now = 0;

  int now() {
    final read = DateTime.now().millisecondsSinceEpoch;
    if (read > _last) _now += read - _last;
    _last = read;
    return _now;
  }
}
