# SPDX-License-Identifier: Apache-2.0
"""An application that does, step by step, what the plan in its X-Plan header says."""
import hashlib
import json


def block(size):
    return (bytes(range(32, 127)) * (size // 95 + 1))[:size]


def seen(environ):
    """What does not depend on the server by its nature."""
    return {key: value for key, value in environ.items()
            if key.startswith("HTTP_") or key in (
                "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE",
                "CONTENT_LENGTH", "wsgi.url_scheme")}


class Run:
    def __init__(self, environ):
        self._environ = environ
        self._input = environ["wsgi.input"]
        self._read = []

    def take(self, step, *arguments):
        """The bytes that the step sends; None for one that only reads."""
        if step == "send":
            return block(*arguments)
        if step == "report":
            return hashlib.sha256(repr(self._read).encode()).hexdigest().encode()
        if step == "environ":
            return b"\0" + json.dumps(seen(self._environ), sort_keys=True).encode()
        if step == "raise":
            raise ValueError("as planned")
        if step == "iterate":
            self._read.append(list(self._input))
        else:
            self._read.append(getattr(self._input, step)(*arguments))
        return None


def application(environ, start_response):
    plan = json.loads(environ["HTTP_X_PLAN"])
    run = Run(environ)
    write = start_response(plan["status"], [tuple(pair) for pair in plan["headers"]])
    for step in plan["called"]:
        output = run.take(*step)
        if output is not None:
            write(output)
    if plan["as_list"]:
        return [output for output in (run.take(*step) for step in plan["iterated"])
                if output is not None]
    return (output or b"" for output in (run.take(*step) for step in plan["iterated"]))
