"""The commands of `muster`, a module per group; `app.cli` puts them together."""
