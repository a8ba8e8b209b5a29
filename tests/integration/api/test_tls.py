"""The interface over TLS, with a certificate of the test's own authority."""

import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from interface import interface
from story import Story

from vhb_api.settings import ApiSettings
from vhb_shared.errors import UserError

sys.path.insert(0, str(Path(__file__).parent.parent / "access"))

from certificates import certificates


async def test_with_a_certificate_it_speaks_tls_only(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificates(tmp_path / "tls")
    given = {"TLS_CERT": str(made.cert), "TLS_KEY": str(made.key), "HOST": "0.0.0.0"}
    trusting = ssl.create_default_context(cafile=made.authority)
    async with interface(told, tmp_path, monkeypatch, **given) as api:
        assert api.address.startswith("https://")
        api.address = api.address.replace("0.0.0.0", "127.0.0.1")
        said = await api.ask("GET", "/me", ssl=trusting)
        assert said.status == 200 and said.headers["Strict-Transport-Security"]
        # As it happens, over TLS too.
        headers = {"Authorization": f"Bearer {api.admin}"}
        async with api.session.get(f"{api.address}/api/v1/stream?after=0", headers=headers, ssl=trusting) as stream:
            assert (await stream.content.readline()).startswith(b"retry:")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await api.ask("GET", "/me")
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match=r"127\.0\.0\.2"):
            api.address = api.address.replace("127.0.0.1", "127.0.0.2")
            await api.ask("GET", "/me", ssl=trusting)
        api.address = api.address.replace("https:", "http:").replace("127.0.0.2", "127.0.0.1")
        with pytest.raises(aiohttp.ClientError):
            await api.ask("GET", "/me")


def test_a_certificate_that_is_none_is_said_before_anything_starts(tmp_path: Path) -> None:
    made, other = certificates(tmp_path / "one"), certificates(tmp_path / "other")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    for cert, key in ((made.cert, other.key), (garbage, made.key), (made.cert, garbage)):
        with pytest.raises(UserError, match="are no certificate with its key"):
            ApiSettings(tls_cert=cert, tls_key=key).check()
    locked = tmp_path / "locked.pem"
    locked.write_bytes(_with_password(made.key.read_bytes()))
    with pytest.raises(UserError, match="without a password"):
        ApiSettings(tls_cert=made.cert, tls_key=locked).check()
    ApiSettings(tls_cert=made.cert, tls_key=made.key).check()


def _with_password(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(key, None)
    form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return loaded.private_bytes(form, kind, serialization.BestAvailableEncryption(b"secret"))
