"""Bad values in every field that comes from outside, found by walking the tables that define the fields."""
