"""What every part of the rehearsal stands on: the providers' protocol, values on the wire, storage, child processes."""
