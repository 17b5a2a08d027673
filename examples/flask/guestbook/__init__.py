# SPDX-License-Identifier: Apache-2.0
"""A small Flask site: a page, a form with a file, and a response that is made while it is sent."""
import hashlib

from flask import Flask, Response, render_template, request

app = Flask(__name__)


@app.get("/")
def page():
    return render_template("page.html")


@app.post("/upload")
def upload():
    note = request.form.get("note", "")
    file = request.files.get("file")
    content = file.read() if file else b""
    return render_template("thanks.html", note=note, size=len(content),
                           digest=hashlib.sha256(content).hexdigest())


@app.get("/stream")
def stream():
    lines = (f"line {number} of a response that nobody ever held whole\n" for number in range(100))
    return Response(lines, mimetype="text/plain")


if __name__ == "__main__":
    app.run()  # only by hand: never reached when httpd imports this package
