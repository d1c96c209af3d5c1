"""What is looked at: the live view and a look back."""
