"""Tables become numbers."""
