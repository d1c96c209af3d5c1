"""What an agent's settings file is changed with: entries, TOML sections, the change itself."""
