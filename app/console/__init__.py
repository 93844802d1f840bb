"""Pages for people: reads, and calls what the routes call. Has no rules of its own, and works without the internet."""
