"""The pages of the decisions: one of the run, one for each pair, one of gate G2; and the summary in lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from include import pages
from include.reports import INDEX
from include.training.choice import cost
from include.training.choice import gate as gates
from include.training.choice.cost import Cost
from include.training.choice.decision import APPROVED, NOT_JUDGED, PASSED
from include.training.choice.gate import Opening
from include.training.choice.record import Decision
from include.training.choice.rules import MODELS
from include.training.truth import tables
from include.training.truth.bootstrap import LEAST_DAYS
from include.training.truth.looks import Estimate
from include.training.truth.reduced import name_of
from include.training.truth.scores import SetScores
from include.training.truth.verdicts import FEW_DAYS, SKILL

__all__ = ["GENERATOR", "draw", "gate", "summary", "verdicts"]

GENERATOR = "bqx decisions"
HERE = Path(__file__).parent
SETS = ("val", "test")
GATES = ("G0", "G1", "G2", "G3", "ensemble")
RULES = {
    "G0": "R2 more than 0.05, or direction more than 5 points, above no skill on test",
    "G1": "R2 of XGBoost more than 0.03 above that of the random forest",
    "G2": "R2 of XGBoost below 0.85, skill on validation, and an approval",
    "G3": "R2 of a network more than 0.04 above all simpler models",
    "ensemble": "more than 0.02 of R2 above the best single model, correlations below 0.85",
    "G4": "R2 above 0.85, direction above 60%, on test",
}


def gate(openings: Sequence[Opening], title: str) -> bytes:
    """The page of gate G2."""
    opened = sum(opening.opens for opening in openings)
    page = pages.template(HERE / "gate.html.j2").render(
        alarms=(),
        generator=GENERATOR,
        title=title,
        summary=f"The gate opens for {opened} of {len(openings)} pairs.",
        facts=[
            ("Gate opens", str(opened), f"of {_counted(len(openings), 'pair')}"),
            *_price("The networks would take", gates.spent(openings)),
            *_price("The closed gates save", gates.saved(openings)),
        ],
        rows=[_opening(opening) for opening in openings],
        least=LEAST_DAYS,
        plan=f"{cost.HOURS:.0f} hours for {cost.PAIRS} pairs",
    )
    return page.encode()


def draw(
    decisions: Sequence[Decision], title: str, lines: Sequence[str], link: Callable[[str], str]
) -> dict[str, bytes]:
    """The page of the run and those of its pairs, by file name.

    Args:
        decisions: one for each pair.
        title: of the page of the run.
        lines: from `summary`.
        link: gives the address of an object by its key.
    """
    rows = [_row(decision) for decision in decisions]
    index = pages.template(HERE / "decisions.html.j2").render(
        generator=GENERATOR,
        title=title,
        summary=lines[0],
        lines=lines[1:],
        rows=rows,
        rules=RULES,
        facts=(),
        alarms=(),
    )
    of_pairs = {f"{decision.content['pair']}.html": _pair(decision, link) for decision in decisions}
    return {INDEX: index.encode()} | {name: page.encode() for name, page in of_pairs.items()}


def summary(decisions: Sequence[Decision], test: SetScores, saved: Cost) -> list[str]:
    """What was chosen, skill beside chance, gates, and what the closed gate saved, in lines."""
    chosen = Counter(decision.content["chosen"] for decision in decisions)
    models = [f"{name_of(model)} {chosen[model]}" for model in MODELS if chosen[model]]
    if chosen[None]:
        models.append(f"none {chosen[None]}")
    contents = [decision.content for decision in decisions]
    allowed = sum(content["deployable"] for content in contents)
    proven = sum(content["deployment_rule"] == "skill" for content in contents)
    outcomes = {name: Counter(content["gates"][name]["outcome"] for content in contents) for name in GATES}
    approved = sum(content["gates"]["G2"]["approval"] == APPROVED for content in contents)
    return [
        f"Chosen for {_counted(len(contents), 'pair')}: {', '.join(models)}. {allowed} may be deployed, "
        f"{proven} with skill on validation.",
        _skill(test),
        f"Gates: G0 (suspected leak) fired for {_counted(outcomes['G0']['alarm'], 'pair')}; G1 (XGBoost "
        f"beats the random forest) {_passed(outcomes['G1'])}; G2 (networks may be trained) opened for "
        f"{outcomes['G2']['open']}, approved for {approved}; G3 (a network replaces the baseline) "
        f"{_passed(outcomes['G3'])}; ensemble {_passed(outcomes['ensemble'])}.",
        f"The closed gate G2 saved {saved}.",
    ]  # fmt: skip


def verdicts(test: SetScores) -> dict[str, Any]:
    """Verdicts of skill on test beside what chance gives."""
    counts = Counter(block.verdict for block in test.blocks)
    low, high = test.chance.controlled_range
    return {"looks": len(test.blocks), "skill": counts[SKILL], "by_chance": [low, high], **counts}


def _skill(test: SetScores) -> str:
    if not test.chance.looks:
        return f"Test has {test.days} trading days, fewer than {LEAST_DAYS}: nothing can be said about skill."
    low, high = test.chance.controlled_range
    found = sum(block.verdict == SKILL for block in test.blocks)
    between = f"{low}" if low == high else f"{low} to {high}"
    return f"Skill on test: {found} of {len(test.blocks)} results; chance alone would give {between}."


def _passed(outcomes: Counter[str]) -> str:
    judged = sum(number for outcome, number in outcomes.items() if outcome != NOT_JUDGED)
    return f"passed by {outcomes[PASSED]} of {judged} judged"


def _price(name: str, price: Cost) -> Iterator[tuple[str, str, str]]:
    yield name, f"{price.hours:.1f} h", f"about ${price.dollars:.2f} on {cost.INSTANCE}"


def _opening(opening: Opening) -> dict[str, Any]:
    score, best = opening.xgboost, opening.best
    return {
        "pair": opening.pair.upper(),
        "outcome": "opens" if opening.opens else "closed",
        "style": "good" if opening.opens else "zero",
        "r2": tables.NONE if score is None else tables.beside(score.r2.model, score.r2.no_skill, 3),
        "days": tables.NONE if score is None else str(score.days),
        "best": tables.NONE if best is None else f"{best.h}",
        "skill": tables.NONE if best is None else tables.estimate(best.whole.skill),
        "p": tables.NONE if best is None or best.verdict == FEW_DAYS else f"{best.p_by:.2g}",
        "reason": opening.reason,
    }


def _row(decision: Decision) -> dict[str, Any]:
    """One line of the table of the run."""
    content = decision.content
    val = content["scores"][content["chosen"]]["val"] if content["chosen"] else None
    outcomes = [content["gates"][name]["outcome"] for name in GATES]
    return {
        "id": content["pair"],
        "pair": content["pair"].upper(),
        "chosen": _chosen(content),
        "rule": content["rule"],
        "r2": tables.NONE if val is None else tables.beside(val["r2"]["model"], val["r2"]["no_skill"], 3),
        "skill": tables.NONE if val is None else tables.estimate(Estimate(**val["skill"])),
        "gates": [(outcome, _style(outcome)) for outcome in outcomes],
        "deployable": "yes" if content["deployable"] else "no",
        "why": content["deployment_rule"],
        "style": "good"
        if content["deployment_rule"] == "skill"
        else ""
        if content["deployable"]
        else "alarm",
    }


def _pair(decision: Decision, link: Callable[[str], str]) -> str:
    """The page of a pair, from its record alone."""
    content = decision.content
    facts = [
        ("Chosen", _chosen(content), content["rule"]),
        ("May be deployed", "yes" if content["deployable"] else "no", content["deployment_rule"]),
        ("Compared with the model before", content["relation"], _before(content)),
        *((f"Trading days, {name}", str(content["days"][name]), "") for name in SETS if content["days"]),
    ]
    return pages.template(HERE / "decision.html.j2").render(
        generator=GENERATOR,
        title=f"{content['pair'].upper()}: {_chosen(content)}",
        summary=content["rationale"][0],
        rationale=content["rationale"][1:],
        facts=facts,
        alarms=[
            f"{name_of(each['model'])}, {each['h']} minutes: {each['reason']}."
            for each in content["gates"]["G0"]["alarms"]
        ],
        scores=[
            _score(model, name, content["scores"][model][name])
            for model in MODELS if model in content["scores"]
            for name in SETS
        ],
        left_out=[(name_of(model), reason) for model, reason in content["left_out"].items()],
        gates=[_gate(name, content["gates"][name]) for name in RULES],
        horizons=[
            _horizon(h, name, content["scores"][content["chosen"]][name]["horizons"][h])
            for name in SETS if content["chosen"]
            for h in sorted(content["windows"], key=int)
        ],
        archives=[
            {**each, "name": name_of(each["model"]), "link": link(each["key"])}
            for each in content["archives"]
        ],
        hashes=[
            ("record", decision.key, link(decision.key)),
            ("SHA-256 of the record", decision.hash, ""),
            ("record before", content["previous"] or tables.NONE, ""),
            ("data set", content["dataset_id"], ""),
            ("its content", content["content_hash"], ""),
            ("columns", content["columns_hash"] or tables.NONE, ""),
        ],
    )  # fmt: skip


def _chosen(content: Mapping[str, Any]) -> str:
    return name_of(content["chosen"]) if content["chosen"] else "no model"


def _before(content: Mapping[str, Any]) -> str:
    incumbent = content["incumbent"]
    return f"{name_of(incumbent['model'])} of {incumbent['dataset_id']}" if incumbent else "there is none"


def _score(model: str, name: str, score: Mapping[str, Any]) -> dict[str, Any]:
    counts = score["verdicts"].items()
    return {
        "model": name_of(model),
        "set": name,
        "verdicts": ", ".join(f"{number} {verdict}" for verdict, number in counts),
        "r2": tables.beside(score["r2"]["model"], score["r2"]["no_skill"], 3),
        "skill": tables.estimate(Estimate(**score["skill"])),
        "da": f"{tables.percent(score['da']['model'])} / {tables.percent(score['da']['no_skill'])}",
        "mae": tables.beside(score["mae_scaled"]["model"], score["mae_scaled"]["no_skill"], 3),
        "coverage": tables.percent(score["coverage"]),
    }


def _horizon(h: str, name: str, score: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "h": h,
        "set": name,
        "r2": tables.beside(score["r2"]["model"], score["r2"]["no_skill"], 3),
        "skill": tables.estimate(Estimate(**score["skill"])),
        "p": tables.NONE if score["verdict"] == FEW_DAYS else f"{score['p_by']:.2g}",
        "verdict": score["verdict"],
        "style": tables.CLASSES[score["verdict"]],
    }


def _gate(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """One gate: its rule, what came out, and its numbers."""
    numbers = [
        f"{name_of(model)} {tables.number(r2, 3)}" for model, r2 in found["r2"].items() if r2 is not None
    ] if isinstance(found.get("r2"), Mapping) else []  # fmt: skip
    if name == "G2":
        numbers = [found["reason"], f"Approval: {found['approval']}."]
    if name == "ensemble":
        numbers = [
            f"{' / '.join(map(name_of, couple.split(' / ')))}: {tables.number(value, 2)}"
            for couple, value in found["correlations"].items()
        ]
    text = (" " if name == "G2" else ", ").join(numbers)
    return {
        "name": name,
        "rule": RULES[name],
        "outcome": found["outcome"],
        "style": _style(found["outcome"]),
        "numbers": text,
    }


def _style(outcome: str) -> str:
    return {"alarm": "alarm", "passed": "good", "open": "good"}.get(outcome, "zero")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
