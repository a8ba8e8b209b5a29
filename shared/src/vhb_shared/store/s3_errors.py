"""What errors of an S3 server mean to us."""

import re
import ssl

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import SSLError as UrllibSSLError

from vhb_shared.errors import NotFound, Unavailable, UserError, VhbError

_CODE = re.compile(r"<Code>(\w+)</Code>")
_NOT_FOUND = {"NoSuchKey", "NoSuchObject", "ResourceNotFound", "NoSuchVersion"}
_BUSY = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "TooManyRequests",
    "OperationAborted",
    "XMinioServerNotInitialized",
}
_FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "InvalidTokenId"}
_WRONG_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "InvalidRegion"}


def translate(error: Exception, endpoint: str, bucket: str, key: str | None) -> VhbError | None:
    """The error as the rest of the code knows it; None when it is not one of the server or the network.

    Args:
        error: what the client raised.
        endpoint: for the message.
        bucket: for the message.
        key: the object, when there is one.
    """
    where = f"object storage at {endpoint}"
    if isinstance(error, S3Error):
        return _of_answer(error.response.status, error.code or "", where, bucket, key)
    if isinstance(error, InvalidResponseError):
        # Some servers do not say that their error is XML; the client leaves it unread then.
        code = _CODE.search(error._body or "")
        if code:
            return _of_answer(error._code, code[1], where, bucket, key)
        return _of_status(error._code, where, endpoint)
    if isinstance(error, ServerError):
        return _of_status(error.status_code, where, endpoint)
    if isinstance(error, MinioException):
        return Unavailable(f"{where} gave an answer that could not be understood.")
    if isinstance(error, (UrllibSSLError, ssl.SSLError)) and _is_configuration(error):
        return UserError(
            f"no TLS connection to {endpoint} ({reason(error)}): check http or https in VHB_S3_ENDPOINT, "
            "and name the certificate authority in VHB_S3_CA."
        )
    if isinstance(error, (HTTPError, ConnectionError, TimeoutError, ssl.SSLError)):
        return Unavailable(f"{where} does not answer ({reason(error)}).")
    return None


def _of_status(status: int, where: str, endpoint: str) -> VhbError:
    if status >= 500 or status == 429:
        return Unavailable(f"{where} answers with HTTP status {status}.")
    return UserError(f"{endpoint} does not answer as an S3 server does (HTTP status {status}): check VHB_S3_ENDPOINT.")


def _of_answer(status: int, code: str, where: str, bucket: str, key: str | None) -> VhbError:
    if code in _NOT_FOUND or (status == 404 and key is not None and code != "NoSuchBucket"):
        return NotFound(f"no object {key} in bucket {bucket}")
    if code == "NoSuchBucket":
        return UserError(
            f"there is no bucket {bucket!r} in {where}: create it, or name one that exists (for what vhb "
            "stores, in VHB_S3_BUCKET)."
        )
    if code in _FULL or status == 507:
        return Unavailable(f"{where} is full: free some space or raise the quota of bucket {bucket!r}.")
    if code in _BUSY or status >= 500 or status == 429:
        return Unavailable(f"{where} is overloaded or starting ({code or status}).")
    if code in _WRONG_KEYS or status == 401:
        return UserError(f"{where} does not accept the keys ({code}): check VHB_S3_ACCESS_KEY and VHB_S3_SECRET_KEY.")
    if code == "RequestTimeTooSkewed":
        return UserError(f"{where} refuses requests because this host's clock is wrong: set the clock.")
    if code in _WRONG_REGION:
        return UserError(f"bucket {bucket!r} in {where} is in another region ({code}): set VHB_S3_REGION.")
    if code == "AccessDenied" or status == 403:
        what = f"object {key} in bucket {bucket!r}" if key else f"bucket {bucket!r}"
        return UserError(
            f"{where} denies access to {what}: let the key read, write, list and delete there, "
            "or set VHB_S3_ACCESS_KEY and VHB_S3_SECRET_KEY of one that may."
        )
    return UserError(f"{where} refuses a request on bucket {bucket!r} ({code or status}): check the server's log.")


def _is_configuration(error: Exception) -> bool:
    text = str(error)
    return any(sign in text for sign in ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"))


def reason(error: BaseException) -> str:
    """The innermost cause in a few words; urllib3 nests them and prints object addresses."""
    for inner in reversed(error.args):
        if isinstance(inner, BaseException):
            return reason(inner)
    text = str(error.args[-1]) if error.args else type(error).__name__
    return text.rsplit(": ", 1)[-1][:200]
