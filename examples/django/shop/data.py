# SPDX-License-Identifier: Apache-2.0
"""A private folder for the demonstration's database and key, shared by all of its processes."""
import contextlib
import fcntl
import os
import pathlib
import secrets
import stat
import sys
import tempfile

FOLDER = pathlib.Path(os.environ.get("SHOP_DATA")
                      or f"{tempfile.gettempdir()}/wsgix-shop-{os.getuid()}")
FOLDER.mkdir(mode=0o700, exist_ok=True)
# The name can be guessed: somebody else's folder, or a link, must not be used.
_found = FOLDER.lstat()
if not stat.S_ISDIR(_found.st_mode) or _found.st_uid != os.getuid():
    raise PermissionError(f"{FOLDER} belongs to somebody else; set SHOP_DATA")


@contextlib.contextmanager
def one_at_a_time():
    """Several processes start at once; the first one prepares for all."""
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def secret_key():
    path = FOLDER / "secret_key"
    with one_at_a_time():
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(40))
        return path.read_text()


def prepare_database():
    """Makes the tables, and an account for the admin pages."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    with one_at_a_time():
        call_command("migrate", verbosity=0)
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            password = os.environ.get("SHOP_ADMIN_PASSWORD")
            if not password:
                password = secrets.token_urlsafe(9)
                print(f"shop: log in as admin with the password {password}", file=sys.stderr)
            users.create_superuser("admin", "admin@localhost", password)
