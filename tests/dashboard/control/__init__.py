"""What a person turns."""
