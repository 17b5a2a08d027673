# SPDX-License-Identifier: Apache-2.0
"""Clients beside what a test does: each has a thread of its own."""
import collections
import contextlib
import threading

import httpx

from waits import wait_until_running
from wsgix_httpd import wait_for


class Crowd:
    """Each of `members` is called once, in a thread of its own, and returns soon after `stop` is set."""

    def __init__(self, members):
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=member) for member in members]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self._threads:
            thread.join(40)


class Load(Crowd):
    """Clients that ask without a pause, and what they got: by status or failure, and by text."""

    def __init__(self, url, clients=6):
        self.answers = collections.Counter()
        self.texts = collections.Counter()
        self._url = url
        self._lock = threading.Lock()
        super().__init__([self._ask] * clients)

    def _ask(self):
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self.stop.is_set():
                try:
                    answer = client.get(self._url)
                    self._note(answer.status_code, answer.text)
                except httpx.HTTPError as failed:
                    self._note(repr(failed))

    def _note(self, answer, *texts):
        with self._lock:
            self.answers[answer] += 1
            self.texts.update(texts)

    def wait_for_answers(self, count, seconds=30):
        """Until so many more have come."""
        wanted = self._count() + count
        assert wait_for(lambda: self._count() >= wanted, seconds), self.answers

    def _count(self):
        with self._lock:
            return self.answers.total()


def ask(httpd, path="/", timeout=30):
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.get(httpd.url + path)


def ask_in_background(httpd, path="/"):
    """The thread, and the list that gets the status of the answer or what failed."""
    answers = []

    def run():
        try:
            answers.append(ask(httpd, path).status_code)
        except httpx.HTTPError as failed:
            answers.append(repr(failed))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


@contextlib.contextmanager
def busy_threads(httpd, count, path="/until"):
    """So many threads of the group run a request that ends with the `with`, and is answered."""
    httpd.tolerate_overload()
    go = httpd.path("go")
    requests = [ask_in_background(httpd, f"{path}?{go}") for _ in range(count)]
    try:
        wait_until_running(httpd, count)
        yield
    finally:
        go.touch()
        for thread, _ in requests:
            thread.join()
        go.unlink()
    assert [answers for _, answers in requests] == [[200]] * count


def get(client, path, headers):
    """client.get(), again where a kept connection ended without an answer: httpd's event MPM closes
    idle ones when all its threads are busy."""
    for _ in range(5):
        with contextlib.suppress(httpx.RemoteProtocolError):
            return client.get(path, headers=headers)
    return client.get(path, headers=headers)


def visit_all(visit, visitors):
    """Calls visit(number) for each, side by side. Every one has to come to its end."""
    done = []

    def run(number):
        visit(number)
        done.append(number)

    threads = [threading.Thread(target=run, args=[number]) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(visitors)), f"only {sorted(done)} came to their end"
