"""What every service is made with: settings, logging, shutdown, restarts."""
