"""Fleet's controllers in memory, on the hub and on its members."""
