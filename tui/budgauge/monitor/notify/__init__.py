"""What reaches a person who does not look: bell, desktop, title."""
