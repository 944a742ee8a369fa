"""What the field's usual tools do with the same pictures; each runs alone, in an interpreter that has what it needs."""
