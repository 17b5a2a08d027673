# SPDX-License-Identifier: Apache-2.0
"""The server's side of PEP 3333, checked by the standard library's validator."""
from wsgiref.validate import validator


def _application(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.flush()
    body = environ["wsgi.input"]
    if environ["PATH_INFO"] == "/lines":
        received = body.readline() + b"".join(body.readlines())
    elif environ["PATH_INFO"] == "/iterate":
        received = b"".join(line for line in body)
    else:
        received = b"".join(iter(lambda: body.read(7), b""))
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Content-Length", str(len(received) + 3))])
    return [b"ok\n", received]


application = validator(_application)
