"""What the service does for users: one file per track. Read ``chat.py`` first."""
