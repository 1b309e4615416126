"""Settings: where they come from, which wins, and that a wrong one never shows its value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings, load_settings

HUSH = "hunter2-do-not-show"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No INNSYN_ variable and no settings file of the machine the test runs on."""
    for name in os.environ:
        if name.upper().startswith("INNSYN_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_need_no_configuration() -> None:
    """With nothing set everything lies under .innsyn and the engine is embedded."""
    found = load_settings()
    assert found.home == Path(".innsyn")
    assert found.keys_folder == Path(".innsyn/keys")
    assert found.index_url == f"chdb://{Path('.innsyn/index').absolute()}"
    assert found.kafka_options() == {"security.protocol": "PLAINTEXT"}


def test_variables_are_read_and_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field is INNSYN_ and its name in capitals."""
    monkeypatch.setenv("INNSYN_KAFKA_BOOTSTRAP", "kafka.example.no:9092")
    monkeypatch.setenv("INNSYN_TAG_BATCH_EVENTS", "500")
    monkeypatch.setenv("INNSYN_KEYS_DIR", "/srv/keys")
    monkeypatch.setenv("INNSYN_CLICKHOUSE_URL", "http://index.example.no:8123/innsyn")
    found = load_settings()
    assert (found.kafka_bootstrap, found.tag_batch_events) == ("kafka.example.no:9092", 500)
    assert found.keys_folder == Path("/srv/keys")
    assert found.index_url == "http://index.example.no:8123/innsyn"


def test_realms_are_a_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With commas between them, in either variable, or a list in the file; an empty one is a mistake."""
    assert load_settings().own_realms == frozenset()
    monkeypatch.setenv("INNSYN_REALM", "ISP.example")
    assert load_settings().own_realms == {"isp.example"}
    monkeypatch.setenv("INNSYN_REALMS", "isp.example, fiber.example.")
    assert load_settings().own_realms == {"isp.example", "fiber.example"}
    monkeypatch.setenv("INNSYN_REALMS", "isp.example,")
    with pytest.raises(SettingsError, match="INNSYN_REALMS"):
        load_settings()
    monkeypatch.delenv("INNSYN_REALMS")
    monkeypatch.setenv("INNSYN_REALM", "")
    with pytest.raises(SettingsError, match="INNSYN_REALM"):
        load_settings()
    monkeypatch.delenv("INNSYN_REALM")
    file = tmp_path / "innsyn.toml"
    file.write_text('realms = ["a.example", "b.example"]', "utf-8")
    monkeypatch.setenv("INNSYN_CONFIG", str(file))
    assert load_settings().own_realms == {"a.example", "b.example"}


def test_arguments_beat_variables_beat_file_beats_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The four sources in order, each seen through by the one above."""
    file = tmp_path / "my.toml"
    file.write_text('api_port = 1\ntag_group = "file"\nlog_level = "debug"\napi_host = "192.0.2.1"\n')
    monkeypatch.setenv("INNSYN_CONFIG", str(file))
    monkeypatch.setenv("INNSYN_API_PORT", "2")
    monkeypatch.setenv("INNSYN_TAG_GROUP", "variable")
    found = load_settings(api_port=3)
    assert (found.api_port, found.tag_group, found.log_level) == (3, "variable", "debug")
    assert (found.api_host, found.clickhouse_user) == ("192.0.2.1", "default")


def test_the_file_in_the_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without INNSYN_CONFIG it is <home>/innsyn.toml."""
    (tmp_path / "innsyn.toml").write_text("api_port = 7")
    assert load_settings().api_port == 8480
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    assert load_settings().api_port == 7


@pytest.mark.parametrize(
    "name", ["INNSYN_KAFKA_BOOTSTRAPS", "INNSYN_PORT", "INNSYN_", "INNSYN_MODEL_CONFIG", "INNSYN_KEYS_FOLDER"]
)
def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A misspelt variable is an error, not silence; its value is not shown."""
    monkeypatch.setenv(name, HUSH)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name} is not a setting")
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("name", ["INNSYN_TEST_KAFKA", "INNSYN_REQUIRE_KAFKA", "OTHER_INNSYN"])
def test_variables_of_the_test_suite_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """They steer the tests and set nothing."""
    before = load_settings()
    monkeypatch.setenv(name, "1")
    assert load_settings() == before


@pytest.mark.parametrize(
    "name",
    ["API_PORT", "TAG_BATCH_SECONDS", "KAFKA_SECURITY_PROTOCOL", "LOG_LEVEL", "KAFKA_SASL_MECHANISM"],
)
def test_a_wrong_value_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A password pasted into the wrong variable stays out of the message: one line, the variable, what is wrong."""
    monkeypatch.setenv(f"INNSYN_{name}", HUSH)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"INNSYN_{name}: Input should be ")
    assert HUSH not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "given",
    [
        {"api_port": 65_536},
        {"api_port": -1},
        {"dead_letter_ratio": 0},
        {"dead_letter_ratio": 1.01},
        {"tag_batch_events": 0},
        {"kafka_replication_factor": 0},
        {"unknown_schema_wait_seconds": -0.1},
    ],
)
def test_numbers_out_of_range_are_refused(given: dict[str, Any]) -> None:
    """Ports, shares and counts have bounds, and the message says which setting broke them."""
    (name,) = given
    with pytest.raises(SettingsError, match=f"^INNSYN_{name.upper()}: Input should be (less|greater) than"):
        load_settings(**given)


def test_a_password_of_the_wrong_type_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A number for a password in the file is an error that does not repeat it."""
    file = tmp_path / "my.toml"
    file.write_text("clickhouse_password = 4711004711\n")
    monkeypatch.setenv("INNSYN_CONFIG", str(file))
    with pytest.raises(SettingsError, match=r"^INNSYN_CLICKHOUSE_PASSWORD: ") as caught:
        load_settings()
    assert "4711004711" not in str(caught.value)


def test_passwords_are_not_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret setting shows itself when the settings are printed or dumped."""
    secrets = ["KAFKA_SASL_PASSWORD", "REGISTRY_PASSWORD", "CLICKHOUSE_PASSWORD", "API_TOKEN"]
    for name in secrets:
        monkeypatch.setenv(f"INNSYN_{name}", HUSH)
    found = load_settings()
    assert found.api_token is not None
    assert found.api_token.get_secret_value() == HUSH
    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert HUSH not in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("api_prot = 1\n", "INNSYN_API_PROT: Extra inputs"),
        ("api_port = [\n", "settings file: "),
        (f'api_port = "{HUSH}"\n', "INNSYN_API_PORT: Input should be a valid integer"),
        (f'clickhouse_password = "{HUSH}\n', "settings file: "),
    ],
)
def test_a_wrong_file_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, message: str
) -> None:
    """Unknown keys, syntax and wrong values are told apart, and none shows a value."""
    file = tmp_path / "my.toml"
    file.write_text(content)
    monkeypatch.setenv("INNSYN_CONFIG", str(file))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(message)
    assert HUSH not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """INNSYN_CONFIG that names nothing is an error; a missing <home>/innsyn.toml is not."""
    monkeypatch.setenv("INNSYN_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match="INNSYN_CONFIG names a file that is not there"):
        load_settings()


def test_kafka_options_are_librdkafkas() -> None:
    """Every security setting under librdkafka's name, those not set left out, the password in clear."""
    found = load_settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="tagger",
        kafka_sasl_password=HUSH,
        kafka_ssl_ca_location="/etc/ssl/ca.pem",
    )
    assert found.kafka_options() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "tagger",
        "sasl.password": HUSH,
        "ssl.ca.location": "/etc/ssl/ca.pem",
    }


def test_settings_cannot_change_after_loading() -> None:
    """One frozen object is passed down."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().__setattr__("api_port", 1)
    assert Settings.model_config["frozen"] is True
