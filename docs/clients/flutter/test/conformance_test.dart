// The cases that every client passes: ../../conformance. Run it with `flutter test`.

import 'dart:convert';
import 'dart:io';

import 'package:flutter_test/flutter_test.dart';
import 'package:rollcall_presence/rollcall_presence.dart';

typedef Step = Map<String, dynamic>;

void main() {
  final file = File('../conformance/cases.json').readAsStringSync();
  final conformance = jsonDecode(file) as Map<String, dynamic>;
  final device = conformance['device'] as Map<String, dynamic>;
  for (final one in (conformance['cases'] as List<dynamic>).cast<Map<String, dynamic>>()) {
    test('${one['transport']}: ${one['name']}', () {
      final steps = (one['steps'] as List<dynamic>).cast<Step>();
      final machine = PresenceMachine(
        socket: one['transport'] == 'socket',
        deviceId: device['deviceId'] as String,
        random: () => (one['random'] as num? ?? 0.5).toDouble(),
      );
      expect(_Run(machine).went(steps), steps);
    });
  }
}

/// One run of a case.
class _Run {
  _Run(this._machine);

  final PresenceMachine _machine;
  final List<Step> _went = [];
  final List<int> _asked = [];
  final List<int> _posted = [];
  int _lastSocket = 0;

  List<Step> went(List<Step> steps) {
    var now = 0;
    for (final step in steps.where((step) => step['given'] != null)) {
      final at = step['at'] as int;
      while (step['asleep'] != true && (_machine.deadline ?? at + 1) <= at) {
        if (_machine.deadline! > now) now = _machine.deadline!;
        _machine.wake(now);
        _note(now);
      }
      now = at;
      _went.add(step);
      _give(step, now);
      _note(now);
      while ((_machine.deadline ?? now + 1) <= now) {
        _machine.wake(now);
        _note(now);
      }
    }
    return _went;
  }

  void _note(int now) {
    for (final command in _machine.take()) {
      final fields = {...command}
        ..remove('do')
        ..remove('call');
      if (fields['keepalive'] == false) fields.remove('keepalive');
      switch (command['do']) {
        case 'token':
          _asked.add(command['call']! as int);
        case 'post':
          _posted.add(command['call']! as int);
        case 'open':
          _lastSocket = command['socket']! as int;
      }
      _went.add({'at': now, 'expect': command['do'], ...fields});
    }
  }

  void _give(Step step, int now) {
    final socket = step['socket'] as int? ?? _lastSocket;
    switch (step['given']) {
      case 'start':
        _machine.start(now, step['user'] as String, step['state'] as String?);
      case 'lifecycle':
        _machine.lifecycle(now, step['state'] as String?);
      case 'show':
        _machine.show(now, step['screen'] as String);
      case 'network':
        _machine.network(now, step['online'] as bool);
      case 'unload':
        _machine.unload(now);
      case 'log out':
        _machine.logOut(now);
      case 'token':
        _machine.token(now, _asked.removeAt(0), step['token'] as String?);
      case 'answer':
        _machine.answer(
          now,
          _posted.removeAt(0),
          step['status'] as int,
          step['retry_after'] as int? ?? 0,
          step['interval'] as int? ?? 0,
        );
      case 'opened':
        _machine.opened(now, socket);
      case 'frame':
        _machine.frame(now, socket, step['frame'] as Map<String, dynamic>);
      case 'closed':
        _machine.closed(now, socket, step['code'] as int? ?? 0, step['reason'] as String? ?? '');
      case 'time':
        _machine.wake(now);
      default:
        fail('what is ${step['given']}?');
    }
  }
}
