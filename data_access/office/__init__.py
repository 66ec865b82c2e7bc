"""The office book: what people write (accounts, audit, packets …), never part of published data."""
