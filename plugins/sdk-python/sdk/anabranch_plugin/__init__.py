"""Helpers for merge plugins in Python.

`records` is pure: it runs in an ordinary Python too, so that unit tests need no WebAssembly. `host` talks to the
server that runs the plugin, and can be imported only inside a component.
"""
