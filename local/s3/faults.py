"""The errors of S3 that this server knows, with the texts and codes of the real one."""

from __future__ import annotations

_KNOWN = {
    "AccessDenied": (403, "Access Denied"),
    "BadDigest": (400, "The checksum you specified did not match what we received."),
    "BucketAlreadyOwnedByYou": (409, "Your previous request to create the named bucket succeeded."),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the HTTP headers."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidPart": (400, "One or more of the specified parts could not be found."),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedXML": (400, "The XML you provided was not well-formed."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The specified multipart upload does not exist."),
    "NotImplemented": (501, "A header or query you provided implies functionality that is not implemented"),
    "NotModified": (304, ""),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key.",
    ),
    "XAmzContentSHA256Mismatch": (400, "The provided x-amz-content-sha256 does not match what was computed."),
}


class Fault(Exception):
    """A request that is answered with an error of S3.

    Args:
        code: one of those above.
        message: what to say instead of the usual text.
    """

    def __init__(self, code: str, message: str = "") -> None:
        self.code = code
        self.status, usual = _KNOWN[code]
        self.message = message or usual
        super().__init__(f"{code}: {self.message}")
