"""Azure's time for a stack: durations, the engine's schedule, and the shortest possible time."""
