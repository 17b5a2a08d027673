# SPDX-License-Identifier: Apache-2.0
"""The three example sites, the same bytes in both modes and under every MPM."""
import re

from wsgix_httpd import EVERYWHERE


class TestHello:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $examples/hello/hello.wsgi
    """

    def test_says_hello(self, httpd, same_everywhere):
        answer = httpd.raw_get("/")

        assert answer.endswith(b"\r\n\r\nHello, world!\n")
        same_everywhere(answer)


class TestFlask:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $examples/flask/app.wsgi
    """

    def test_shows_its_page(self, httpd, same_everywhere):
        answer = httpd.raw_get("/")

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"<form" in answer
        same_everywhere(answer)

    def test_takes_a_form_with_a_file(self, client, same_everywhere):
        response = client.post("/upload", data={"note": "h\u00e9llo"},
                               files={"file": ("a.bin", bytes(range(256)) * 1000)})

        assert response.status_code == 200
        assert "256000 bytes" in response.text and "h\u00e9llo" in response.text
        same_everywhere(response.content)

    def test_streams(self, httpd, same_everywhere):
        answer = httpd.raw_get("/stream", protocol="HTTP/1.0")

        assert answer.count(b"line ") == 100
        # httpd counts the bytes of a response that reaches it whole, which depends on timing.
        same_everywhere(re.sub(rb"\r\nContent-Length: \d+", b"", answer))

    def test_answers_404_itself(self, client):
        assert client.get("/nowhere").status_code == 404


class TestDjango:
    variants = EVERYWHERE
    config = """
        $daemon
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / $root/site/wsgi.py
    """

    @staticmethod
    def prepare(httpd):
        """The example's own script, with its data where the test can throw it away."""
        script = httpd.stage.examples / "django/shop/wsgi.py"
        httpd.folder_for_applications("data")
        httpd.write("site/wsgi.py", f"""\
            import os, runpy
            os.environ["SHOP_DATA"] = {str(httpd.path("data"))!r}
            os.environ["SHOP_ADMIN_PASSWORD"] = "admin"
            application = runpy.run_path({str(script)!r})["application"]
            """)

    def test_shows_the_admins_login_page(self, client, same_everywhere):
        response = client.get("/admin/login/")

        assert response.status_code == 200
        assert "Django administration" in response.text
        # The form's token is new each time.
        same_everywhere(re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", response.content))

    def test_logs_in(self, client):
        page = client.get("/admin/login/?next=/admin/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
        response = client.post("/admin/login/?next=/admin/", follow_redirects=True, data={
            "csrfmiddlewaretoken": token, "username": "admin", "password": "admin",
            "next": "/admin/"})

        assert response.status_code == 200
        assert "Site administration" in response.text

    def test_redirects_the_admin_to_its_login(self, httpd, same_everywhere):
        answer = httpd.raw_get("/admin/")

        assert answer.startswith(b"HTTP/1.1 302 Found\r\n")
        same_everywhere(answer)
