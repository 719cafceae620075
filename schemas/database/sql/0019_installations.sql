-- Who else began a session under an installation's id: one phone whose user changed without a logout,
-- or a backup on two phones. Beginnings only, so that navigation costs nothing.
CREATE INDEX changes_by_installation ON changes (device, at DESC) WHERE reason = 'started';
