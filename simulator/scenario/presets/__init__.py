"""Presets: calendars, categories, slots and scenes that a scenario file extends by name."""
