"""The pages of the site, and what is derived in them: `make fill`."""
