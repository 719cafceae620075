import 'package:flutter/widgets.dart';

/// Tells the name of the page that is shown, dialogs left out:
/// `MaterialApp(navigatorObservers: [ScreenObserver(presence.show)])`.
class ScreenObserver extends NavigatorObserver {
  ScreenObserver(this._show);

  final void Function(String screen) _show;

  @override
  void didChangeTop(Route<dynamic> topRoute, Route<dynamic>? previousTopRoute) {
    final name = topRoute.settings.name;
    if (topRoute is PageRoute<dynamic> && name != null) _show(name);
  }
}

/// Tells a screen whenever [source] says that something changed, and once at the beginning. Call what
/// it gives to end that. Null is no news.
///
/// - go_router, whose routes that replace each other tell no observer. Its `fullPath` is a pattern
///   such as `/product/:id`, without the id:
///   `watchScreens(router.routerDelegate,
///   () => router.routerDelegate.currentConfiguration.fullPath, presence.show)`
/// - tabs:
///   `watchScreens(controller, () => tabNames[controller.index], presence.show)`
VoidCallback watchScreens(
  Listenable source,
  String? Function() screen,
  void Function(String screen) show,
) {
  void tell() {
    final name = screen();
    if (name != null && name.isNotEmpty) show(name);
  }

  source.addListener(tell);
  tell();
  return () => source.removeListener(tell);
}
