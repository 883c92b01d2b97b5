"""Where runs are executed. Every backend offers run(request, stop) -> events."""
