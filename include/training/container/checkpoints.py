"""What survives an interruption: what was learned so far, and the history that early stopping needs.

A checkpoint is one file: a line of JSON, then the state. It is written under another name and then
renamed, and the line holds the hash of what follows, so nothing half-written is ever taken. It also holds
the identity of the job: a checkpoint of other inputs, settings or code is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

FORMAT = 1
_ENDING = ".checkpoint"


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        state: bytes of the booster or network, empty before the first block.
        history: error on the stopping rows after every round or epoch.
        blocks: blocks of rounds, or epochs, that are done.
        finished: nothing more is to be learned; the state is the best one.
    """

    state: bytes = b""
    history: tuple[float, ...] = ()
    blocks: int = 0
    finished: bool = False


class Checkpoints(NamedTuple):
    """The folder of checkpoints of a job.

    Attributes:
        folder: SageMaker copies it to S3 and back.
        identity: hash of everything that the result depends on.
    """

    folder: Path
    identity: str

    def load(self, name: str) -> Progress:
        """The progress of a training; none if there is no checkpoint that can be trusted."""
        path = self.folder / f"{name}{_ENDING}"
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return Progress()
        try:
            line, _, state = body.partition(b"\n")
            head = json.loads(line)
            if (head["format"], head["identity"]) != (FORMAT, self.identity):
                print(f"{path.name} belongs to other inputs, settings or code: it is ignored", flush=True)
                return Progress()
            if head["sha256"] != hashlib.sha256(state).hexdigest():
                raise ValueError("its hash does not fit")
            progress = Progress(state, tuple(head["history"]), head["blocks"], head["finished"])
        except (ValueError, KeyError, TypeError) as error:
            print(f"{path.name} is damaged ({error}): it is ignored", flush=True)
            return Progress()
        print(f"{path.name}: going on after {progress.blocks} blocks", flush=True)
        return progress

    def save(self, name: str, progress: Progress) -> None:
        """Replace the checkpoint of a training in one step."""
        head = {
            "format": FORMAT,
            "identity": self.identity,
            "history": progress.history,
            "blocks": progress.blocks,
            "finished": progress.finished,
            "sha256": hashlib.sha256(progress.state).hexdigest(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}{_ENDING}"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + progress.state)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
