"""Values: how layers join, what is allowed, and how errors and warnings are worded."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.record_checks import check_count
from budgauge.config import BudgetConfig, PriceOverride
from budgauge.config.load import Loaded, Options, load
from budgauge.config.table import line_map, read_document
from budgauge.errors import ConfigError

Load = Callable[..., Loaded]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture
def load_text(file: Path) -> Load:
    """The config that a text makes, below `[token_budget]` on its first line."""

    def loading(text: str, **env: str) -> Loaded:
        file.write_text(f"[token_budget]\n{text}\n", encoding="utf-8")
        return load(Options(config=str(file)), env={"HOME": str(file.parent), **env}, start=file.parent)

    return loading


@pytest.fixture
def layers(own_place: Path) -> Load:
    """The config that a user's and a project's text make."""

    def loading(user: str, project: str, **env: str) -> Loaded:
        for folder, text in ((own_place, user), (own_place / "work", project)):
            (folder / ".codex").mkdir(exist_ok=True)
            (folder / ".codex" / "config.toml").write_text(f"[token_budget]\n{text}\n")
        return load(env={"HOME": str(own_place), **env}, start=own_place / "work")

    return loading


FULL = """
total_budget = 5
warning_threshold = 70.5
ledger = "x.jsonl"
count = "uncached"
untracked_buffer = 0
sync = true
on_hook_error = "deny"
language = "ja"
[token_budget.per_agent_limits]
code-reviewer = 100000
"claude-code/*" = 500000
[token_budget.cycle]
period = "weekly"
day = 7
timezone = "Europe/Berlin"
[token_budget.collect]
agent = "project"
[token_budget.notify]
desktop = true
bell = true
title = true
[token_budget.prices."gpt-4"]
prompt_per_1k = 0.03
completion_per_1k = 0.06
cached_per_1k = 0.03
cache_write_per_1k = 1
cache_write_1h_per_1k = 2
[mcp_servers.x]
total_budget = "not ours"
"""


def test_every_key_is_known(load_text: Load) -> None:
    loaded = load_text(FULL)
    config = loaded.config
    assert not any("unknown key" in warning for warning in loaded.warnings)
    assert (config.total_budget, config.warning_threshold, config.count) == (5, 70.5, "uncached")
    assert (config.untracked_buffer, config.sync, config.on_hook_error, config.language) == (0, True, "deny", "ja")
    assert config.per_agent_limits == {"code-reviewer": 100000, "claude-code/*": 500000}
    assert config.cycle is not None
    assert (config.cycle.period, config.cycle.day, config.cycle.timezone) == ("weekly", 7, "Europe/Berlin")
    assert (config.collect_agent, config.notify.desktop) == ("project", True)
    assert (config.notify.bell, config.notify.title) == (True, True)
    assert config.prices["gpt-4"].completion_per_1k == Decimal("0.06")
    assert loaded.ledger.path.name == "x.jsonl"


def test_values_layer_key_by_key(layers: Load) -> None:
    loaded = layers("total_budget = 1\nwarning_threshold = 1\nuntracked_buffer = 1", "warning_threshold = 2")
    config = loaded.config
    assert (config.total_budget, config.warning_threshold, config.untracked_buffer) == (1, 2, 1)
    assert [str(path.parent.parent.name) for path in loaded.found][1] == "work"
    env = {"CODEX_TOKEN_BUDGET": "9", "CODEX_TOKEN_WARNING_THRESHOLD": "33.5"}
    loaded = layers("total_budget = 1", "total_budget = 2\nwarning_threshold = 2", **env)
    assert (loaded.config.total_budget, loaded.config.warning_threshold) == (9, 33.5)
    assert loaded.origins["total_budget",] == "$CODEX_TOKEN_BUDGET"


def test_limits_merge_entry_by_entry(layers: Load) -> None:
    loaded = layers("per_agent_limits = {a = 1, b = 1}", "per_agent_limits = {b = 2, c = 2}")
    assert loaded.config.per_agent_limits == {"a": 1, "b": 2, "c": 2}


def test_prices_merge_model_by_model(layers: Load) -> None:
    user = """prices."m" = {prompt_per_1k = 1, completion_per_1k = 1, cached_per_1k = 1}
              prices."n" = {prompt_per_1k = 1, completion_per_1k = 1}"""
    prices = layers(user, 'prices."m" = {prompt_per_1k = 2, completion_per_1k = 2}').config.prices
    assert prices["m"] == PriceOverride(prompt_per_1k=Decimal(2), completion_per_1k=Decimal(2))
    assert prices["n"].prompt_per_1k == 1


@pytest.mark.parametrize("variable", ["CODEX_TOKEN_BUDGET", "CODEX_TOKEN_WARNING_THRESHOLD", "CODEX_TOKEN_LEDGER"])
def test_an_empty_variable_is_unset(load_text: Load, variable: str) -> None:
    loaded = load_text("total_budget = 5", **{variable: ""})
    assert (loaded.config.total_budget, loaded.config.warning_threshold) == (5, 80)
    assert "$" not in loaded.ledger.origin


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        *(("CODEX_TOKEN_BUDGET", bad, "an integer from 0 to 9007199254740991") for bad in ("-1", "1.5", "x", "1_000")),
        ("CODEX_TOKEN_BUDGET", str(2**53), "an integer from 0 to 9007199254740991"),
        ("CODEX_TOKEN_BUDGET", "9" * 5000, "an integer from 0 to 9007199254740991"),
        ("CODEX_TOKEN_BUDGET", "١", "an integer from 0 to 9007199254740991"),
        *(("CODEX_TOKEN_WARNING_THRESHOLD", bad, "a number from 0 to 100") for bad in ("-1", "101", "80%", "nan", "x")),
    ],
)
def test_a_wrong_variable_is_named(load_text: Load, variable: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text("", **{variable: value})
    shown = value if len(value) < 90 else value[:50]
    assert str(caught.value).replace('"', "").startswith(f"${variable} = {shown}")
    assert f"must be {allowed}" in str(caught.value)
    assert len(str(caught.value)) < 300
    assert f"unset {variable}" in caught.value.hint


INTEGER = "an integer from 0 to 9007199254740991"
PERCENT = "a number from 0 to 100 (percent)"
PRICE = "a number of US dollars per 1,000 tokens, from 0 to 1000000 with at most 18 decimals"
GOOD_PRICE = "completion_per_1k = 1"


@pytest.mark.parametrize(
    ("text", "shown", "allowed"),
    [
        ("total_budget = -1", "total_budget = -1", INTEGER),
        ("total_budget = 9007199254740992", "total_budget = 9007199254740992", INTEGER),
        ("total_budget = 1.0", "total_budget = 1.0", INTEGER),
        ('total_budget = "5"', 'total_budget = "5"', INTEGER),
        ("total_budget = true", "total_budget = true", INTEGER),
        ("total_budget = 0x" + "f" * 5000, "total_budget = a number of 6020 digits", INTEGER),
        ("total_budget = 1979-05-27", "total_budget = 1979-05-27", INTEGER),
        ("warning_threshold = 100.5", "warning_threshold = 100.5", PERCENT),
        ("warning_threshold = nan", "warning_threshold = NaN", PERCENT),
        ("warning_threshold = -inf", "warning_threshold = -Infinity", PERCENT),
        ("warning_threshold = false", "warning_threshold = false", PERCENT),
        ("untracked_buffer = -0.1", "untracked_buffer = -0.1", PERCENT),
        ('ledger = ""', 'ledger = ""', "a text that is not empty"),
        ("ledger = 5", "ledger = 5", "a text that is not empty"),
        ('count = "cached"', 'count = "cached"', '"all" or "uncached"'),
        ('count = ["all"]', "count = ['all']", '"all" or "uncached"'),
        ('sync = "yes"', 'sync = "yes"', "true or false"),
        ('on_hook_error = "ask"', 'on_hook_error = "ask"', '"allow" or "deny"'),
        ('language = "de"', 'language = "de"', '"auto" or "en" or "ja"'),
        ("per_agent_limits = {a = -1}", "per_agent_limits.a = -1", INTEGER),
        ('per_agent_limits = {"a/*" = 1.5}', 'per_agent_limits."a/*" = 1.5', INTEGER),
        ("per_agent_limits = 5", "per_agent_limits = 5", "a table, written [token_budget.per_agent_limits]"),
        ('cycle = {period = "yearly"}', 'cycle.period = "yearly"', '"daily" or "weekly" or "monthly"'),
        ('cycle = {period = "monthly", day = 32}', "cycle.day = 32", "a day of the month"),
        ('cycle = {period = "weekly", day = 8}', "cycle.day = 8", "an ISO weekday (1 to 7) for weekly"),
        ('cycle = {period = "daily", timezone = "Mars/X"}', 'cycle.timezone = "Mars/X"', "an IANA time zone"),
        ('cycle = {period = "daily", timezone = "../x"}', 'cycle.timezone = "../x"', "an IANA time zone"),
        ('collect = {agent = "me"}', 'collect.agent = "me"', '"tool" or "project"'),
        ("notify = {bell = 1}", "notify.bell = 1", "true or false"),
        ("notify = true", "notify = true", "a table, written [token_budget.notify]"),
        (f"prices.m = {{prompt_per_1k = -1, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = -1", PRICE),
        (f"prices.m = {{prompt_per_1k = inf, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = Infinity", PRICE),
        (f"prices.m = {{prompt_per_1k = nan, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = NaN", PRICE),
        (f"prices.m = {{prompt_per_1k = 1e99999, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = 1E+99999", PRICE),
        (f"prices.m = {{prompt_per_1k = 1e-999, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = 1E-999", PRICE),
        (f'prices.m = {{prompt_per_1k = "1", {GOOD_PRICE}}}', 'prices.m.prompt_per_1k = "1"', PRICE),
        (f"prices.m = {{prompt_per_1k = true, {GOOD_PRICE}}}", "prices.m.prompt_per_1k = true", PRICE),
    ],
)
def test_a_wrong_value_is_named_with_file_line_key_value_and_what_is_allowed(
    load_text: Load, file: Path, text: str, shown: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert str(caught.value).startswith(f"{file}, line 2: token_budget.{shown}: must be {allowed}")


def test_a_price_needs_both_its_parts(load_text: Load) -> None:
    with pytest.raises(ConfigError, match=r"line 2: token_budget\.prices\.m has no completion_per_1k"):
        load_text("prices.m = {prompt_per_1k = 1}")


def test_a_cycle_needs_a_period(load_text: Load, file: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml, line 2: token_budget\.cycle has no period"):
        load_text("cycle = {day = 1}")


@pytest.mark.parametrize("text", ["total_budget = ", "total_budget = 1\ntotal_budget = 2", "[", "x = " + "[" * 5000])
def test_what_is_not_toml_is_named(load_text: Load, file: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert str(caught.value).startswith(f"{file}: is not valid TOML: ")


def test_what_is_no_readable_file_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"[token_budget]\nx = '\xff'\n")
    with pytest.raises(ConfigError, match=r"config\.toml: is not UTF-8 \(byte 20\)"):
        read_document(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_document(file)
    file.rmdir()
    file.write_text("")

    def deny(_path: Path, _mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read: Permission denied"):
        read_document(file)


def test_a_byte_order_mark_is_accepted(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[token_budget]\r\ntotal_budget = 5\r\n")
    loaded = load(Options(config=str(file)))
    assert (loaded.config.total_budget, loaded.origins["total_budget",]) == (5, f"{file}, line 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("totl_budget = 1", "unknown key token_budget.totl_budget is ignored; did you mean total_budget?"),
        ("total_budget_usd = 5", "unknown key token_budget.total_budget_usd is ignored; known are "),
        ("per_agent_limit = {a = 1}", "token_budget.per_agent_limit is ignored; did you mean per_agent_limits?"),
        ('price_factors = {"sped.fast" = 2}', 'price_factors."sped.fast" is ignored; did you mean speed.fast?'),
        ("price_factors = {web_serch = 2}", "did you mean web_search?"),
        ("cycle = {period = 'daily', days = 1}", "token_budget.cycle.days is ignored; did you mean day?"),
        ('"x y" = 1', 'token_budget."x y" is ignored; known are total_budget, warning_threshold,'),
        ("prices.m = {prompt_per_1k = 1, completion_per_1k = 1, cached_1k = 1}", "did you mean cached_per_1k?"),
    ],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_name(
    load_text: Load, file: Path, text: str, message: str
) -> None:
    warning = load_text("total_budget = 5\n" + text).warnings[0]
    assert warning.startswith(f"{file}, line 3: ")
    assert message in warning


def test_values_that_are_in_effect_are_no_warning(load_text: Load) -> None:
    text = 'on_hook_error = "allow"\nlanguage = "ja"\ncollect.agent = "tool"\nnotify.bell = true'
    assert load_text(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("[token_budget]\na = 1", ("token_budget", "a"), 2),
        ("# [token_budget]\n\n[ token_budget ] # x\n  a=1", ("token_budget", "a"), 4),
        ("token_budget.a = 1", ("token_budget", "a"), 1),
        ("[token_budget.'x.y']\n\"z w\" = 1", ("token_budget", "x.y", "z w"), 2),
        ("[other]\na = 1\n[token_budget]\na = 1", ("token_budget", "a"), 4),
        ("[token_budget]\nb = 1", ("token_budget", "a"), None),
    ],
)
def test_lines_are_found(text: str, keys: tuple[str, ...], line: int | None) -> None:
    assert line_map(text).get(keys) == line


@given(st.binary(max_size=40))
def test_whatever_a_file_holds_it_is_a_config_or_a_config_error(tmp_path_factory: object, data: bytes) -> None:
    path = _scratch(tmp_path_factory)
    path.write_bytes(b"[token_budget]\ntotal_budget=" + data)
    try:
        budget = load(Options(config=str(path))).config.total_budget
    except ConfigError as error:
        message = str(error)
    else:
        message = f"{path}: {check_count('total_budget', budget)}"
    assert message.startswith(str(path))


def _scratch(factory: object) -> Path:
    assert isinstance(factory, pytest.TempPathFactory)
    return factory.getbasetemp() / "any.toml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total_budget": -1}, "total_budget = -1: must be an integer"),
        ({"total_budget": 1.5}, "total_budget = 1.5: must be an integer"),
        ({"total_budget": True}, "total_budget = true: must be an integer"),
        ({"warning_threshold": 101}, "warning_threshold = 101: must be a number from 0 to 100"),
        ({"warning_threshold": float("nan")}, "warning_threshold = nan: must be a number"),
        ({"per_agent_limits": {"a": -1}}, r"per_agent_limits.a = -1: must be an integer"),
        ({"count": "some"}, 'count = "some": must be "all" or "uncached"'),
    ],
)
def test_a_config_made_in_python_is_checked_alike(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BudgetConfig(**arguments)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("price", [0.03, -1, "1", Decimal("NaN")])
def test_a_price_made_in_python_is_exact_or_refused(price: object) -> None:
    with pytest.raises(ConfigError, match=r"prompt_per_1k = .*: must be a number of US dollars"):
        PriceOverride(prompt_per_1k=price, completion_per_1k=Decimal(1))  # type: ignore[arg-type]  # wrong on purpose


def test_a_float_beyond_any_decimal_in_a_foreign_table_is_left_alone(file: Path) -> None:
    file.write_text("other = 1e99999999999999999999\n[token_budget]\ntotal_budget = 5\n")
    assert load(Options(config=str(file))).config.total_budget == 5


def test_a_folder_in_the_configs_place_is_told_as_that(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConfigError, match="is not a regular file") as caught:
        load(Options(config=str(file)))
    assert "TOML:" not in str(caught.value)


def test_without_any_home_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(ConfigError, match="HOME is not set"):
        load()


@pytest.mark.parametrize("key", ["a", '"a"', "'a b'", r'"\""', r'"\\"'])
@pytest.mark.parametrize("form", ["[{}]", "{} = 1", "x = {{ {} = 1 }}", "[[ {} ]]"])
def test_a_key_of_too_many_parts_is_refused_before_it_is_parsed(
    file: Path, form: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("\n" + form.format(" . ".join([key] * 75_000)))
    monkeypatch.setattr("tomli.loads", lambda *_args, **_kinds: pytest.fail("parsed"))
    with pytest.raises(ConfigError, match="line 2: a key has more than 32 parts"):
        read_document(file)


def test_a_key_of_as_many_parts_as_are_allowed_is_read(file: Path) -> None:
    file.write_text(".".join(["a"] * 32) + " = 1.5\nversion = '1.2.3'\n")
    assert read_document(file) is not None


def test_a_config_file_that_is_too_long_is_refused_before_it_is_parsed(file: Path) -> None:
    with file.open("wb") as out:
        out.truncate(10 << 30)
    with pytest.raises(ConfigError, match="is longer than 1048576 bytes"):
        read_document(file)
