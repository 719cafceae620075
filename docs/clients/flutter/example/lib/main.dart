// `make up` in another terminal, then:
// flutter run --dart-define=TOKEN=$(rollcall token --user ada) \
//   --dart-define=BASE_URL=http://10.0.2.2:8080/api

import 'package:flutter/material.dart';
import 'package:rollcall_presence/rollcall_presence.dart';
import 'package:shared_preferences/shared_preferences.dart';

const baseUrl = String.fromEnvironment('BASE_URL', defaultValue: 'http://localhost:8080/api');
const token = String.fromEnvironment('TOKEN');

Future<void> main() async {
  WidgetsFlutterBinding.ensureInitialized();
  final kept = await SharedPreferences.getInstance();
  final presence = await startPresence(
    baseUrl: baseUrl,
    user: 'ada',
    // A real app asks its back end where `refresh` is true.
    token: ({required user, required refresh}) async => refresh ? null : token,
    load: () async => kept.getString('rollcall.device'),
    save: (id) => kept.setString('rollcall.device', id),
    transport: Transport.socket,
    appVersion: '1.0.0',
    deviceInfo: 'Example',
    onStopped: (reason) => debugPrint('Presence stopped: $reason'),
  );
  runApp(ExampleApp(presence));
}

class ExampleApp extends StatelessWidget {
  const ExampleApp(this.presence, {super.key});

  final Presence presence;

  @override
  Widget build(BuildContext context) => MaterialApp(
    title: 'Rollcall',
    navigatorObservers: [ScreenObserver(presence.show)],
    initialRoute: 'Home',
    routes: {
      'Home': (context) => TabsPage(presence),
      'Details': (context) => Scaffold(appBar: AppBar(title: const Text('Details'))),
    },
  );
}

class TabsPage extends StatefulWidget {
  const TabsPage(this.presence, {super.key});

  final Presence presence;

  @override
  State<TabsPage> createState() => _TabsPageState();
}

class _TabsPageState extends State<TabsPage> with SingleTickerProviderStateMixin {
  static const _names = ['News', 'Offers', 'Profile'];
  late final TabController _tabs = TabController(length: _names.length, vsync: this);
  late final VoidCallback _stopWatching;

  @override
  void initState() {
    super.initState();
    _stopWatching = watchScreens(_tabs, () => _names[_tabs.index], widget.presence.show);
  }

  @override
  void dispose() {
    _stopWatching();
    _tabs.dispose();
    super.dispose();
  }

  @override
  Widget build(BuildContext context) => Scaffold(
    appBar: AppBar(
      title: const Text('Rollcall'),
      bottom: TabBar(controller: _tabs, tabs: [for (final name in _names) Tab(text: name)]),
      actions: [
        IconButton(icon: const Icon(Icons.logout), onPressed: () => widget.presence.logOut()),
      ],
    ),
    body: Center(
      child: FilledButton(
        onPressed: () => Navigator.of(context).pushNamed('Details'),
        child: const Text('Details'),
      ),
    ),
  );
}
