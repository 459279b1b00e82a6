"""AWS's own description of a service's operations, by which requests are checked and answers cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from local.aws.errors import ServiceError, invalid

SAGEMAKER, CLOUDWATCH = "sagemaker", "cloudwatch"
_NAMES = {SAGEMAKER: "SageMaker", CLOUDWATCH: "CloudWatch"}


@cache
def service_model(service: str) -> Any:
    """What botocore knows of a service."""
    from botocore.session import get_session

    return get_session().get_service_model(service)


def check(operation: str, parameters: dict[str, Any], service: str = SAGEMAKER) -> None:
    """Refuse a request that does not fit the description.

    Args:
        operation: name of the operation.
        parameters: of the request, as it came.
        service: SAGEMAKER or CLOUDWATCH.

    Raises:
        ServiceError: ValidationException with the names of all members that do not fit, or
            UnknownOperationException.
    """
    from botocore.validate import ParamValidator

    description = service_model(service)
    if operation not in description.operation_names:
        told = f"{operation} is no operation of {_NAMES[service]}."
        raise ServiceError("UnknownOperationException", told, 404)
    shape = description.operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    problems = list(_problems(parameters, shape, ""))
    if problems:
        many = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise invalid(f"{many}: {'; '.join(problems)}")


def cut(operation: str, answer: dict[str, Any], service: str = SAGEMAKER) -> dict[str, Any]:
    """The members of an answer that the operation has, at any depth."""
    shape = service_model(service).operation_model(operation).output_shape
    return {} if shape is None else dict(_cut(answer, shape))


def _cut(value: Any, shape: Any) -> Any:
    if shape.type_name == "structure":
        known = {name: told for name, told in value.items() if name in shape.members and told is not None}
        return {name: _cut(told, shape.members[name]) for name, told in known.items()}
    return [_cut(each, shape.member) for each in value] if shape.type_name == "list" else value


def _problems(value: Any, shape: Any, path: str) -> Iterator[str]:
    """What botocore leaves to the service: lengths, patterns and sets of values."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from _problems(member, shape.members[name], f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            yield from _problems(member, shape.member, f"{path}.{index + 1}.member")
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _problems(key, shape.key, f"{path}.key")
            yield from _problems(member, shape.value, f"{path}.{key}")
    for constraint in _constraints(value, shape):
        yield (
            f"Value '{value}' at '{path[:1].lower()}{path[1:]}' failed to satisfy constraint: "
            f"Member must {constraint}"
        )


def _constraints(value: Any, shape: Any) -> Iterator[str]:
    told = shape.metadata
    if isinstance(value, str):
        if "enum" in told and value not in told["enum"]:
            yield f"satisfy enum value set: [{', '.join(told['enum'])}]"
        if "pattern" in told and not _fits(told["pattern"], value):
            yield f"satisfy regular expression pattern: {told['pattern']}"
    if isinstance(value, str | list | dict):
        if len(value) > told.get("max", len(value)):
            yield f"have length less than or equal to {told['max']}"
    elif isinstance(value, int | float) and value > told.get("max", value):
        yield f"have value less than or equal to {told['max']}"


def _fits(pattern: str, value: str) -> bool:
    """Whether a text fits a pattern in the dialect of Java; one that Python cannot read, anything fits."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True
