import pytest

from vhb_shared.contracts.backend_id import backend_id, normalise_base_url
from vhb_shared.contracts.job import ModelEntry

BASE = {"name": "reader", "backend": "ocr", "model": "rapidocr", "engine_args": {"side": 960, "lang": "en"}}


def entry(**changes: object) -> ModelEntry:
    return ModelEntry.model_validate({**BASE, **changes})


def test_it_is_short_hexadecimal_and_the_same_on_every_machine() -> None:
    assert backend_id(entry()) == backend_id(entry())
    assert len(backend_id(entry())) == 12
    assert set(backend_id(entry())) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"generation": {"temperature": 1}},
        {"retries": {"max_attempts": 2}},
        {"stream": False},
        {"replicas": 3},
        {"description": "words"},
        {"engine_args": {"lang": "en", "side": 960}},
    ],
)
def test_what_does_not_change_the_server_shares_it(change: dict[str, object]) -> None:
    assert backend_id(entry(**change)) == backend_id(entry())


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "vllm"},
        {"model": "other"},
        {"revision": "abc"},
        {"environment": "docker"},
        {"image": "x"},
        {"engine_args": {"side": 640, "lang": "en"}},
        {"packages": ["numpy"]},
        {"base_url": "http://h/v1"},
        {"api_key_env": "KEY"},
        {"concurrency": 3},
        {"resources": {"gpus": 1}},
    ],
)
def test_what_changes_the_server_is_another_backend(change: dict[str, object]) -> None:
    assert backend_id(entry(**change)) != backend_id(entry())


def test_the_served_name_falls_back_to_the_entry_name() -> None:
    assert backend_id(entry(model=None, name="a")) != backend_id(entry(model=None, name="b"))
    assert backend_id(entry(model=None, name="rapidocr")) == backend_id(entry())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("https://h/api/openai", "https://h/api/openai"),
    ],
)
def test_spellings_of_one_url_are_one_backend(given: str, expected: str) -> None:
    assert normalise_base_url(given) == expected
    assert backend_id(entry(base_url=given)) == backend_id(entry(base_url=expected))
