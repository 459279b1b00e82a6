"""All models of a run side by side: their scores, and why some of them cannot be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from include.errors import QualityError
from include.objects import ObjectStore
from include.training.choice.ensemble import combine
from include.training.choice.rules import BASELINES, ENSEMBLE, WEIGHTS
from include.training.outputs import Results, files_of, reduced_output
from include.training.truth.outputs import MEASURED
from include.training.truth.reduce import reduce_job
from include.training.truth.reduced import Reduced, name_of, same_rows
from include.training.truth.scores import Block, PairScore, SetScores, score

__all__ = ["Candidate", "Comparison", "compare", "reduced_jobs"]


class Candidate(NamedTuple):
    """A model of a pair that can be compared.

    Attributes:
        scores: by set: means over the horizons.
        blocks: by set: the scores of each horizon.
        card: the model card of its job; for an ensemble that of XGBoost.
    """

    scores: dict[str, PairScore]
    blocks: dict[str, tuple[Block, ...]]
    card: dict[str, Any]


class Comparison(NamedTuple):
    """All models of a run.

    Attributes:
        sets: the scores of all jobs by set, those of the leaderboard.
        candidates: by pair and model, ensembles among them.
        left_out: why a model cannot be compared, by pair and model.
        correlations: between the models of an ensemble, by pair.
    """

    sets: dict[str, SetScores]
    candidates: dict[tuple[str, str], Candidate]
    left_out: dict[tuple[str, str], str]
    correlations: dict[str, dict[tuple[str, str], float]]

    def of(self, pair: str) -> dict[str, Candidate]:
        """The candidates of a pair, by model."""
        return {model: found for (each, model), found in self.candidates.items() if each == pair}


def compare(bucket: ObjectStore, results: Results) -> Comparison:
    """Score all models of a run, and the ensembles that they allow.

    A job is judged among the jobs, as on the leaderboard; an ensemble among all of them and the ensembles.
    """
    left_out: dict[tuple[str, str], str] = {}
    jobs = _comparable(reduced_jobs(bucket, results, left_out), left_out)
    mixed, correlations = _ensembles(bucket, results, jobs)
    sets = {name: score(jobs, name) for name in MEASURED}
    candidates = _candidates(jobs, sets)
    if mixed:
        together = sorted([*jobs, *mixed], key=_key)
        candidates |= _candidates(mixed, {name: score(together, name) for name in MEASURED})
    return Comparison(sets, candidates, left_out, correlations)


def reduced_jobs(
    bucket: ObjectStore, results: Results, left_out: dict[tuple[str, str], str]
) -> Iterator[Reduced]:
    """The day sums of every job that has completed; why a job has none is noted in ``left_out``."""
    for (pair, model), result in sorted(results.items()):
        if result is None:
            left_out[pair, model] = "its job has not completed"
            continue
        try:
            yield Reduced.from_bytes(reduced_output(bucket, pair, model, result))
        except QualityError as error:
            left_out[pair, model] = f"its output cannot be judged ({error})"


def _comparable(jobs: Iterable[Reduced], left_out: dict[tuple[str, str], str]) -> list[Reduced]:
    """Those that were judged on the rows of the simplest model of their pair; the others are noted."""
    kept: list[Reduced] = []
    first: dict[str, Reduced] = {}
    for job in sorted(jobs, key=lambda job: (job.pair, job.model not in BASELINES, job.model)):
        other = first.setdefault(job.pair, job)
        if all(same_rows(job.sets[name], other.sets[name]) for name in MEASURED):
            kept.append(job)
        else:
            left_out[job.pair, job.model] = f"it was judged on other rows than {name_of(other.model)}"
    return sorted(kept, key=_key)


def _ensembles(
    bucket: ObjectStore, results: Results, jobs: Iterable[Reduced]
) -> tuple[list[Reduced], dict[str, dict[tuple[str, str], float]]]:
    """Pair by pair: only the predictions of one pair are in memory."""
    there = {_key(job) for job in jobs}
    mixed, correlations = [], {}
    for pair in sorted({pair for pair, _ in there}):
        if all((pair, model) in there for model in WEIGHTS):
            made = combine({model: files_of(bucket, _output(results[pair, model])) for model in WEIGHTS})
            mixed.append(Reduced.from_bytes(reduce_job(pair, ENSEMBLE, made.files)))
            correlations[pair] = made.correlations
    return mixed, correlations


def _candidates(jobs: Iterable[Reduced], sets: Mapping[str, SetScores]) -> dict[tuple[str, str], Candidate]:
    found = {}
    for job in jobs:
        scores, blocks = {}, {}
        for name, every in sets.items():
            scores[name] = next(each for each in every.pairs if (each.pair, each.model) == _key(job))
            blocks[name] = tuple(each for each in every.blocks if (each.pair, each.model) == _key(job))
        found[_key(job)] = Candidate(scores, blocks, job.card)
    return found


def _key(job: Reduced) -> tuple[str, str]:
    return job.pair, job.model


def _output(result: Mapping[str, Any] | None) -> str:
    if result is None:
        raise AssertionError("only completed jobs are mixed")
    return str(result["output"])
