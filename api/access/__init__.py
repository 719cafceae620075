"""Who may read: tokens, keys, single sign-on, the dashboard's sessions."""
