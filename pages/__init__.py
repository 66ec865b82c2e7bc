"""One file per screen; the only place with callbacks."""
