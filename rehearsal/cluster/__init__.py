"""One Kubernetes cluster in memory: its API server, its own controllers, its traffic."""
