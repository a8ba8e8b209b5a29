import pytest

from vhb_shared.environments.package_index import read_pip_config, uv_environment, uv_settings


def test_pips_settings_are_read_with_variables_first() -> None:
    text = (
        "global.index-url='https://mirror.example/simple'\n"
        "install.find-links='/wheels\\n/more'\n"
        ":env:.index-url='https://other.example/simple'\n"
        "freeze.timeout='10'\n"
        "nonsense\n"
    )
    assert read_pip_config(text) == {"index-url": "https://other.example/simple", "find-links": "/wheels\n/more"}


def test_pips_settings_stand_in_for_uvs() -> None:
    pip = {"index-url": "https://a", "extra-index-url": "https://b https://c", "find-links": "/w\n/x", "cert": "/ca"}
    added = uv_settings({"SSL_CERT_FILE": "/own"}, pip)
    assert added["UV_DEFAULT_INDEX"] == "https://a"
    assert added["UV_INDEX"] == "https://b https://c"
    assert added["UV_FIND_LINKS"] == "/w,/x"
    assert added["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "SSL_CERT_FILE" not in added
    assert uv_settings({}, pip)["SSL_CERT_FILE"] == "/ca"


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_the_user_told_uv_wins(variable: str) -> None:
    added = uv_settings({variable: "https://mine"}, {"index-url": "https://a"})
    assert "UV_DEFAULT_INDEX" not in added


@pytest.mark.parametrize("variable", ["UV_SYSTEM_CERTS", "UV_NATIVE_TLS"])
def test_system_certificates_unless_the_user_decided(variable: str) -> None:
    assert uv_settings({}, {})["UV_SYSTEM_CERTS"] == "1"
    assert "UV_SYSTEM_CERTS" not in uv_settings({variable: "false"}, {})


async def test_a_build_gets_settings_but_no_secrets() -> None:
    given = {
        "PATH": "/bin", "HOME": "/h", "https_proxy": "http://p", "UV_CACHE_DIR": "/c", "PIP_INDEX_URL": "https://m/simple",
        "VHB_S3_SECRET_KEY": "hush", "OPENAI_API_KEY": "hush", "HF_TOKEN": "hush",
    }  # fmt: skip
    made = await uv_environment(given)
    assert "hush" not in made.values()
    assert made["UV_DEFAULT_INDEX"] == "https://m/simple"
    assert (made["PATH"], made["https_proxy"], made["UV_CACHE_DIR"]) == ("/bin", "http://p", "/c")
