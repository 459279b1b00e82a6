"""Errors of CloudWatch, with the codes and statuses that botocore's model of the service has."""

from __future__ import annotations

from local.aws import model
from local.aws.errors import JSON, ServiceError

VALIDATION = "ValidationError"  # of requests that fit the model and are refused all the same


class CloudWatchError(ServiceError):
    """A request that CloudWatch refuses.

    Clients that speak JSON find the code of the older protocol in a header, as its model asks for.

    Args:
        name: of the error in the model, or VALIDATION.
        message: what a person reads.
    """

    def __init__(self, name: str, message: str) -> None:
        told: dict[str, object] = {}
        if name != VALIDATION:
            told = model.service_model(model.CLOUDWATCH).shape_for(name).metadata.get("error", {})
        super().__init__(str(told.get("code", name)), message, int(str(told.get("httpStatusCode", 400))))
        self._name = name

    def body(self, protocol: str) -> tuple[bytes, dict[str, str]]:
        """As of `ServiceError`."""
        code = self._name if protocol == JSON else self.code
        text, headers = ServiceError(code, self.message, self.status).body(protocol)
        side = "Sender" if self.status < 500 else "Receiver"
        return text, headers | {"x-amzn-query-error": f"{self.code};{side}"}


def invalid(message: str) -> CloudWatchError:
    """A parameter has a value that CloudWatch does not take."""
    return CloudWatchError("InvalidParameterValueException", message)


def missing(message: str) -> CloudWatchError:
    """A parameter is not there."""
    return CloudWatchError("MissingRequiredParameterException", message)


def combination(message: str) -> CloudWatchError:
    """Parameters do not go together."""
    return CloudWatchError("InvalidParameterCombinationException", message)


def unfit(message: str) -> CloudWatchError:
    """A request that CloudWatch refuses as it is."""
    return CloudWatchError(VALIDATION, message)


def absent(what: str) -> ServiceError:
    """AWS has it, the stand-in does not."""
    return ServiceError("NotImplementedException", f"The stand-in of CloudWatch does not have {what}.", 501)
