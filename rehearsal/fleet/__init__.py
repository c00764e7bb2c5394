"""Fleet's controllers for clusters in memory, on the hub and on its members."""
