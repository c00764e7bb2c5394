"""How long Azure takes: durations, what the engine makes of them, and the least that Azure asks for."""
