"""What a session costs an application: see `__main__`."""
