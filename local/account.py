"""Run a server that refuses to be root, as root, without touching folders above the state folder.

PostgreSQL will not start with user id 0. Three ways, the first that works is taken:

1. a user namespace in which root is called 65534: no file changes owner, folders of mode 700
   stay readable, because outside the namespace it is still the same account;
2. account 65534 that keeps the capability to pass any folder (containers often forbid 1);
3. account 65534 plainly: every parent folder must let it through.

With 2 and 3 the server's own folder, and nothing else, changes owner. With 3 the state folder, in which
it is, lets others pass (mode 711).
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path

from include.errors import BqxError

NOBODY = 65534

_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
_SETPRIV = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_CAPABLE = (*_SETPRIV, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--")
_PLAIN = (*_SETPRIV, "--")


def wrapper(
    folder: Path, program: Path, prefixes: tuple[tuple[str, ...], ...] | None = None
) -> tuple[str, ...]:
    """What to write before a command so that it does not run as root and can still work in `folder`.

    Args:
        folder: the server's own folder; it exists. Changes owner if no user namespace can be had.
        program: an executable the account must be able to run.
        prefixes: the ways to try, for tests.

    Returns:
        Nothing for a normal user, otherwise a command prefix that replaces itself by the command. (An
        account without a name, as in a container started with a bare number, borrows one in a namespace.)

    Raises:
        BqxError: no way works; says what to do.
    """
    if os.geteuid() != 0:
        return () if _has_name() else _borrowed_name(folder, program)
    given_away = folder.stat().st_uid == NOBODY  # by an earlier run: a namespace could not read it
    ways = prefixes or ((_CAPABLE, _PLAIN) if given_away else (_NAMESPACE, _CAPABLE, _PLAIN))
    for prefix in ways:
        if prefix is not _NAMESPACE:
            _give_away(folder)
        if prefix is _PLAIN and stat.S_IMODE(folder.parent.stat().st_mode) == 0o700:
            folder.parent.chmod(0o711)
        if _works(prefix, folder, program):
            return prefix
    raise BqxError(
        f"PostgreSQL refuses to run as root, and no other account can reach {folder}: user namespaces are "
        f"forbidden here and account {NOBODY} cannot enter one of the folders above it. Run as a normal "
        "user, or choose a state folder that everyone may pass, for example make run STATE=/var/tmp/bqx."
    )


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _borrowed_name(folder: Path, program: Path) -> tuple[str, ...]:
    if _works(_NAMESPACE, folder, program):
        return _NAMESPACE
    raise BqxError(
        f"PostgreSQL does not start for account {os.geteuid()}, which has no name, and user namespaces are "
        "forbidden here. Add it to /etc/passwd, or run as another user."
    )


def _give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _works(prefix: tuple[str, ...], folder: Path, program: Path) -> bool:
    script = 'test "$(id -u)" != 0 && "$1" --version && touch "$2/.probe" && rm "$2/.probe"'
    try:
        done = subprocess.run(
            [*prefix, "sh", "-c", script, "sh", str(program), str(folder)],
            capture_output=True,
            timeout=30,
            cwd="/",
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
