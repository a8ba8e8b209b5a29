"""Everything that crosses a process boundary, as pydantic models. Imports the standard library and pydantic only."""
