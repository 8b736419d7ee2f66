"""The page on which a person tries a model: one file without external resources, for the server and from disk.

page.html, page.css, page.js    what a browser runs; nothing in them knows a particular model
description.py                  a model as the page shows it, as JSON
page.py                         the three files, a description and perhaps a model in JavaScript as one HTML file
"""
