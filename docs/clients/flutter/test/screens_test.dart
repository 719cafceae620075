import 'package:flutter/widgets.dart';
import 'package:flutter_test/flutter_test.dart';
import 'package:rollcall_presence/rollcall_presence.dart';

void main() {
  test('a screen is told at the beginning and at every change', () {
    final shown = <String>[];
    final tab = ValueNotifier<int>(0);
    final stop = watchScreens(tab, () => ['Home', 'Offers', null][tab.value], shown.add);
    tab.value = 1;
    tab.value = 2;
    expect(shown, ['Home', 'Offers']);
    stop();
    tab.value = 0;
    expect(shown, ['Home', 'Offers']);
  });

  testWidgets('a named page is a screen, a dialog is none', (tester) async {
    final shown = <String>[];
    final navigator = GlobalKey<NavigatorState>();
    PageRoute<void> page(RouteSettings settings) => PageRouteBuilder<void>(
      settings: settings,
      pageBuilder: (_, _, _) => const SizedBox(),
    );
    await tester.pumpWidget(
      WidgetsApp(
        color: const Color(0xff000000),
        navigatorKey: navigator,
        navigatorObservers: [ScreenObserver(shown.add)],
        onGenerateRoute: page,
        initialRoute: 'Home',
      ),
    );
    navigator.currentState!.push(page(const RouteSettings(name: 'Cart')));
    await tester.pumpAndSettle();
    navigator.currentState!.push(
      RawDialogRoute<void>(pageBuilder: (_, _, _) => const SizedBox()),
    );
    await tester.pumpAndSettle();
    expect(shown, ['Home', 'Cart']);
  });
}
