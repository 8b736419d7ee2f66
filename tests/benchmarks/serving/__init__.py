"""lr-serve beside a FastAPI server of the same file and beside MLServer, on one core each, under the load of wrk.

`table.py` is the table; `servers.py` says how each server is started, `ways.py` how each is asked; `usual.py` is the
FastAPI server; `processes.py` measures servers, `wrk.py` drives them.
"""
