"""Models, configurations and endpoints as kinds of things, and the states of an endpoint."""

from __future__ import annotations

from local.aws.kinds import Kind

CREATING, UPDATING, SYSTEM_UPDATING, ROLLING_BACK = "Creating", "Updating", "SystemUpdating", "RollingBack"
IN_SERVICE, OUT_OF_SERVICE, FAILED = "InService", "OutOfService", "Failed"
UPDATE_ROLLBACK_FAILED, DELETING = "UpdateRollbackFailed", "Deleting"
BUSY = (CREATING, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, DELETING)
ANSWERING = (IN_SERVICE, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, UPDATE_ROLLBACK_FAILED)
SETTLED = (IN_SERVICE, OUT_OF_SERVICE, UPDATE_ROLLBACK_FAILED)  # may be updated

_INVALID = "ValidationException"
MODEL = Kind(
    "Model",
    "model",
    "model",
    'Cannot create already existing model "{arn}".',
    (_INVALID, 'Could not find model "{arn}".'),
    _INVALID,
    (),
)
CONFIG = Kind(
    "EndpointConfig",
    "endpoint-config",
    "endpoint configuration",
    'Cannot create already existing endpoint configuration "{arn}".',
    (_INVALID, 'Could not find endpoint configuration "{arn}".'),
    _INVALID,
    (),
)
ENDPOINT = Kind(
    "Endpoint",
    "endpoint",
    "endpoint",
    'Cannot create already existing endpoint "{arn}".',
    (_INVALID, 'Could not find endpoint "{arn}".'),
    _INVALID,
    BUSY,
)
