"""Requests, responses, documents and instants."""

import pytest

from punchdown_adapter import (
    Body,
    Escape,
    Fill,
    Header,
    Request,
    Response,
    Subscriber,
    instant,
    jsontext,
    member,
    text_member,
)


def test_what_is_asked_for_is_encoded() -> None:
    request = Request.get("/order").segment("a/b").query("externalId", "1&2 ü").query("x", "")
    assert request.path == "/order/a%2Fb?externalId=1%262%20%C3%BC&x="


def test_a_request_is_written_one_method_after_the_other() -> None:
    begun = Request.put("/a").header("x-a", "1")
    request = begun.form({"name": "ä b", "password": "__password__"}).fill(
        "__password__", "secret.password", Escape.URL
    )
    assert begun.body == Body()
    assert request.body.text == "name=%C3%A4%20b&password=__password__"
    assert request.headers == [
        Header("x-a", "1"),
        Header("content-type", "application/x-www-form-urlencoded"),
    ]
    assert request.fills == [Fill("__password__", "secret.password", Escape.URL)]


def test_json_is_the_same_text_whatever_the_order() -> None:
    one, other = Request.post("/").json({"a": 1, "b": "ü"}), Request.post("/").json({"b": "ü", "a": 1})
    assert one == other
    assert one.body.text == '{"a":1,"b":"ü"}'


def test_header_names_have_no_case() -> None:
    response = Response(204, [Header("etag", "7")])
    assert response.header("ETag") == "7" and response.header("x") is None
    assert response.is_success and response.json() is None


@pytest.mark.parametrize(
    "content",
    [None, "", "{", "NaN", '{"a": Infinity}', '"\\ud800"', "[" * 1_000 + "]" * 1_000, "9" * 5_000, b"\xff"],
)
def test_what_is_no_json_is_none(content) -> None:
    assert Body(content).json() is None


def test_json_is_read_from_text_and_bytes() -> None:
    assert Body('{"a": [1, 2.5, "\\u00fc"]}').json() == {"a": [1, 2.5, "ü"]}
    assert Body('"ü"'.encode()).json() == "ü"
    brackets = '["' + "[" * 500 + '", {}]'
    assert jsontext.read(brackets)[1] == {}, "brackets in a text are no nesting"


def test_an_element_of_a_list_may_be_called_by_its_name() -> None:
    features = [{"name": "a", "values": [1]}, {"name": "b/c", "values": [2, 3]}]
    documents = {"account_info": {"features": features}, "sim_card": None}
    subscriber = Subscriber("1@msisdn", None, None, None, documents)
    assert subscriber.document("/account_info/features/b~1c/values/1") == 3
    assert subscriber.document("/account_info/features/0/name") == "a"
    for nowhere in [
        "",
        "account_info",
        "/account_info/features/d",
        "/account_info/features/7",
        "/sim_card/ki",
    ]:
        assert subscriber.document(nowhere) is None, nowhere


def test_what_is_not_there_is_none() -> None:
    value = {"a": [{"b": "c"}], "n": 1}
    assert member(value, "a", 0, "b") == text_member(value, "a", -1, "b") == "c"
    for names in [("x",), ("a", "b"), ("a", 1), ("n", "x"), ("a", 0, "b", "c")]:
        assert member(value, *names) is None
    assert text_member(value, "n") is None


@pytest.mark.parametrize(
    ("earlier", "later", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z", 1),
        ("2024-02-28T23:59:59.500Z", "2024-03-01T00:00:00.000Z", 86_400_500),
        ("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", 86_400_000),
        ("1970-01-01T00:00:00Z", "2026-01-31T08:00:00.000Z", 1_769_846_400_000),
        ("2026-01-31T08:00:00Z", "2026-01-31T07:00:00Z", 0),
    ],
)
def test_instants_are_told_apart_to_the_millisecond(earlier, later, milliseconds) -> None:
    assert round(instant.between(earlier, later).total_seconds() * 1_000) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-01-31T08:00:00+01:00"],
)
def test_what_is_no_instant_is_refused(text) -> None:
    with pytest.raises(ValueError):
        instant.between("2026-01-31T08:00:00Z", text)
