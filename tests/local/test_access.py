"""Links open once; proofs are of one state folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from local import access as module
from local.access import Access
from local.state import State


@pytest.fixture
def access(tmp_path: Path) -> Access:
    state = State(tmp_path / "state")
    state.create()
    return Access(state)


def code(link: str) -> str:
    return link.rpartition("/")[2]


def test_a_link_opens_once(access: Access) -> None:
    link, other = access.link(8080), access.link(8080)
    assert link.startswith("http://127.0.0.1:8080/auth/open/")
    assert access.redeem(code(link))
    assert not access.redeem(code(link))
    assert access.redeem(code(other)), "a second link does not close the first"


def test_of_many_who_come_at_once_one_is_let_in(access: Access) -> None:
    wanted, opened, together = code(access.link(8080)), [], threading.Barrier(16)

    def come() -> None:
        together.wait()
        opened.append(access.redeem(wanted))

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False] * 15 + [True]


@pytest.mark.parametrize("wrong", ["", "x", "../airflow.secret", "a" * 5000, "ü"])
def test_what_is_no_code_opens_nothing(access: Access, wrong: str) -> None:
    access.link(8080)
    assert not access.redeem(wrong)


def test_an_old_link_is_forgotten(access: Access) -> None:
    link = access.link(8080)
    (kept,) = (access.state.run / "links").iterdir()
    assert code(link) not in kept.name, "who can list the folder cannot open anything"
    long_ago = kept.stat().st_mtime - module.LASTING - 1
    os.utime(kept, (long_ago, long_ago))
    assert not access.redeem(code(link))
    access.link(8080)
    assert len(list((access.state.run / "links").iterdir())) == 1


def test_a_proof_is_of_one_folder_and_one_question(access: Access, tmp_path: Path) -> None:
    other = Access(State(tmp_path / "other"))
    other.state.create()
    assert access.proof("a") == Access(State(access.state.root)).proof("a")
    assert len({access.proof("a"), access.proof("b"), other.proof("a")}) == 3
