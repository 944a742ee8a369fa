"""Good pictures and zips, changed at random but from a seed, sent to a real site: `make fuzz`."""
