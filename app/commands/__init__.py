"""Groups of commands, each a module; `app.cli` registers them."""
