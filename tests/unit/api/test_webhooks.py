"""Where webhooks may go, and when they are tried again."""

import ipaddress
import random

import pytest
from standardwebhooks import Webhook

from vhb_api.webhooks.addresses import address_of, is_allowed, is_public
from vhb_api.webhooks.schedule import DELAYS_S, JITTER, delay_s
from vhb_api.webhooks.settings import WebhookSettings
from vhb_api.webhooks.signing import SigningKey, headers

PRIVATE = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_not_of_the_internet_at_large_is_not_sent_to(text: str) -> None:
    assert not is_public(address_of(text)) and not is_allowed(address_of(text), False)


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"])
def test_what_is_public_is_sent_to(text: str) -> None:
    assert is_public(address_of(text)) and is_allowed(address_of(text), False)


@pytest.mark.parametrize(
    ("said", "allowed", "refused"),
    [
        (
            "true",
            ("127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"),
            ("169.254.169.254", "fe80::1", "0.0.0.0"),
        ),
        ("10.1.0.0/16, 127.0.0.1", ("10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3"), ("10.2.0.1", "127.0.0.2", "::1")),
        ("169.254.169.254", ("169.254.169.254",), ("169.254.0.1",)),
        ("false", (), PRIVATE),
    ],
)
def test_what_is_private_is_sent_to_where_it_is_allowed(
    said: str, allowed: tuple[str, ...], refused: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VHB_API_WEBHOOKS_PRIVATE", said)
    private = WebhookSettings().private
    assert all(is_allowed(address_of(text), private) for text in allowed)
    assert not any(is_allowed(address_of(text), private) for text in refused)


def test_every_private_ipv4_address_is_private_in_each_of_its_ipv6_forms() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        plain = ipaddress.IPv4Address(chance.getrandbits(32))
        number = int(plain)
        forms = (f"::ffff:{plain}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}")
        assert {is_public(address_of(form)) for form in forms} == {is_public(plain)}, plain


def test_attempts_come_later_and_later_and_end() -> None:
    chance = random.Random(1)
    for attempts, usual in enumerate(DELAYS_S, 1):
        found = [delay_s(attempts, None, chance) for _ in range(50)]
        assert all(one is not None and usual * (1 - JITTER) <= one <= usual * (1 + JITTER) for one in found)
        assert len(set(found)) > 40, "they are spread"
    assert delay_s(len(DELAYS_S) + 1, None, chance) is None
    assert delay_s(1, 60, chance) == 60 and delay_s(1, 1e9, chance) == 86400
    assert (delay_s(9, 1, chance) or 0) > 60000, "it is not hurried"


def test_secrets_differ_and_come_back() -> None:
    key, other = SigningKey(b"k" * 32), SigningKey(b"l" * 32)
    found = {one.secret(hook, round_) for one in (key, other) for hook in ("wh_1", "wh_2") for round_ in (1, 2)}
    assert len(found) == 8 and SigningKey(b"k" * 32).secret("wh_1", 1) in found
    assert key.name != other.name and "k" * 8 not in repr(key)


def test_the_specifications_own_library_takes_both_signatures() -> None:
    from datetime import UTC, datetime

    key = SigningKey(b"k" * 32)
    both = key.secret("wh_1", 2), key.secret("wh_1", 1)
    sent = headers("msg_1", '{"a": "é"}', both, datetime.now(UTC))
    for secret in both:
        assert Webhook(secret).verify('{"a": "é"}', sent) == {"a": "é"}
