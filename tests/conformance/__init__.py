"""The program, and what is claimed of Fleet, on real API servers with Fleet's own controllers and real traffic."""
