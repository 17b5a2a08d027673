# SPDX-License-Identifier: Apache-2.0
"""Does what a worker may not do: hold the GIL, sleep too long, grow."""
import ctypes
import os
import time
import urllib.parse

KEPT = []


def hold_the_gil(seconds):
    # PyDLL does not release the GIL around the call.
    ctypes.PyDLL(None).sleep(int(seconds))


def sleep_too_long(seconds):
    time.sleep(float(seconds))


def grow(mebibytes):
    KEPT.append(b"x" * (int(mebibytes) << 20))


def grow_without_an_end(mebibytes):
    grow(mebibytes)
    time.sleep(30)


DEEDS = {"/hold": hold_the_gil, "/sleep": sleep_too_long, "/grow": grow,
         "/grow_on": grow_without_an_end}


def application(environ, start_response):
    deed = DEEDS.get(environ["PATH_INFO"])
    if deed:
        deed(urllib.parse.unquote(environ["QUERY_STRING"]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
