"""Requests that the page makes and events that come back: one module a kind of run, `base` and `fields` what they share."""
