"""The page on which a person tries a model: one file without external resources, for the server and from disk.

page.html, page.css, page.js    what a browser runs, with numbers.js, drawings.js and fields.js; it knows no model
remote.js, local.js             what predicts for it: the server that it came from, or the model's own JavaScript in it
description.py                  a model as the page shows it, as JSON
page.py                         all of these files, a description and perhaps a model in JavaScript as one HTML file
"""
