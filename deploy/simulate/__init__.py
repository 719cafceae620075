"""The one module that makes load: synthetic phones that use a running Rollcall by its own doors."""
