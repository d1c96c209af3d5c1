"""Changes of agents' settings files: our entries, TOML's sections, JSON's values."""
