import 'dart:math';

/// The id of this installation, made at the first call and kept by the app: [load] and [save] keep a
/// text, for example in shared_preferences. Keep it out of backups: two phones with one id are one
/// device to the server.
Future<String> installationId(
  Future<String?> Function() load,
  Future<void> Function(String id) save,
) async {
  final kept = await load();
  if (kept != null) return kept;
  final random = Random.secure();
  final id = [
    for (var i = 0; i < 16; i++) random.nextInt(256).toRadixString(16).padLeft(2, '0'),
  ].join();
  await save(id);
  return id;
}
