import pytest

from punchdown_adapter.settings import (
    BadSettings,
    document,
    flag,
    number,
    problems,
    read,
    text,
    texts,
    word,
)


def make(settings):
    settings.table("one", lambda one: one.optional("word", word({"yes": 1, "no": 2})))
    return settings.tables("many", lambda one: one.optional("on", flag, True))


def test_objects_within_objects_say_their_place() -> None:
    assert read({"many": {"a": {}, "b": {"on": False}}}, make) == {"a": True, "b": False}
    config = {"one": {"word": "may", "a/b": 1}, "many": {"a": 1, "b": {"on": "yes"}}}
    assert [(problem.at, problem.message) for problem in problems(config, make)] == [
        ("/one/word", "must be yes or no"),
        ("/one/a~1b", "is no setting of this adapter"),
        ("/many/a", "must be an object"),
        ("/many/b/on", "must be true or false"),
    ]


def test_what_is_no_object_is_said_once() -> None:
    assert len(problems([], make)) == 1


def test_what_is_wrong_is_raised_with_all_of_it() -> None:
    with pytest.raises(BadSettings, match="/many: must be an object") as bad:
        read({"many": 1, "more": 1}, make)
    assert [problem.at for problem in bad.value.problems] == ["/many", "/more"]


def test_what_stumbles_over_a_problem_does_not_hide_it() -> None:
    (problem,) = problems({}, lambda settings: settings.required("name", "why?", text).upper())
    assert problem.at == "/name"
    with pytest.raises(ZeroDivisionError):
        problems({}, lambda settings: 1 / 0)


def test_a_member_that_is_missing_says_why() -> None:
    (problem,) = problems({}, lambda settings: settings.required("name", "what is made?", text))
    assert (problem.at, problem.message) == ("/name", "is missing: what is made?")


@pytest.mark.parametrize(
    ("reader", "good", "bad"),
    [
        (text, ["a"], ["", 1, None]),
        (texts, [["a"], ["a", "b"]], [[], [""], [1], "a"]),
        (document("account_info", "sim_card"), ["/account_info", "/sim_card/ki"], ["/x", "sim_card", "", 1]),
        (flag, [True, False], [1, 0, "true", None]),
        (number(1, 3), [1, 3], [0, 4, 2.0, True, "1"]),
        (word({"yes": True, "no": False}), ["yes", "no"], ["maybe", True, []]),
    ],
)
def test_a_member_is_of_its_kind_or_says_what_it_must_be(reader, good, bad) -> None:
    for value in good:
        reader(value)
    for value in bad:
        with pytest.raises(ValueError, match="must"):
            reader(value)
