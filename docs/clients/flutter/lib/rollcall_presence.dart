/// Tells a Rollcall server that its user is there, and on which screen: [startPresence].
library;

export 'src/installation.dart' show installationId;
export 'src/machine.dart' show Command, PresenceMachine;
export 'src/presence.dart' show Presence, TokenSource, Transport, startPresence;
export 'src/screens.dart' show ScreenObserver, watchScreens;
