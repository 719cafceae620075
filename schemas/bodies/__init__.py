"""What calls are sent: objects of fields, checked and described by one statement."""
