"""One small GET, for readiness and checks: apart from the client that asks samples, so that neither disturbs it."""

import json
from dataclasses import dataclass
from typing import Any

from vhb_inference_agent.endpoint import Endpoint

_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    text: str

    def json(self) -> Any:
        """The decoded body, None where it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class NoReply(Exception):  # noqa: N818
    """No HTTP answer came; the message says why in a few words, without the URL."""


async def get(url: str, *, api_key: str | None = None, timeout_s: float = 5.0, proxies: bool = False) -> Reply:
    """GETs a URL without following redirects.

    Args:
        url: What to get.
        api_key: Sent as a bearer token.
        timeout_s: Of the whole exchange.
        proxies: Whether the proxy variables count; not for what runs on this host.

    Raises:
        NoReply: no connection, a broken answer, no answer in time.
    """
    import aiohttp

    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), trust_env=proxies) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            body = await response.content.read(_MOST_BYTES)
            while len(body) < _MOST_BYTES and (more := await response.content.read(_MOST_BYTES - len(body))):
                body += more
            return Reply(response.status, body.decode(errors="replace"))
    except TimeoutError as error:
        raise NoReply(f"no answer within {timeout_s:g} s") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise NoReply("its host name is not known") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise NoReply(f"its certificate is not trusted: {error.certificate_error}") from error
    except aiohttp.ClientConnectorError as error:
        raise NoReply(error.strerror or "no connection") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoReply(type(error).__name__) from error


async def serves(endpoint: Endpoint) -> bool:
    """Whether the server lists the endpoint's model, or lists nothing at all, as some do.

    Raises:
        NoReply: see `get`.
    """
    reply = await get(f"{endpoint.base_url}/models", api_key=endpoint.api_key)
    names = model_names(reply.json()) if reply.status == 200 else None
    return names is not None and (not names or any(same_model(endpoint.model, name) for name in names))


def model_names(body: Any) -> list[str] | None:
    """The names in a list of models; None where the body is no such list. Some servers send the bare list."""
    listed = body.get("data") or [] if isinstance(body, dict) else body
    if not isinstance(listed, list):
        return None
    return [str(item["id"]) for item in listed if isinstance(item, dict) and "id" in item]


def same_model(wanted: str, listed: str) -> bool:
    """Some servers list a longer name than they accept: "models/NAME", "NAME:latest"."""
    return listed in (wanted, f"models/{wanted}", f"{wanted}:latest")
