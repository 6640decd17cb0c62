"""Golden cases that do not hold say where."""

import json
from copy import deepcopy

import pytest
from stories import Story

from punchdown_adapter import LogIn, Notified, Problem, Request, Standing, Wait
from punchdown_adapter.cases import DoesNotHold, adapter_in, cases, hold


class Toy(Story, LogIn):
    asked = 0

    def check_config(self, config):
        """Answers otherwise every time, as none may."""
        Toy.asked += 1
        return [Problem("", str(Toy.asked - 1))]

    def provision(self, flow, operation):
        operation.config["changed"] = operation.config.get("changed", 0) + 1
        if operation.config["changed"] > 1 or operation.config.get("breaks"):
            raise KeyError("changed")
        response = flow.ask("put", Request.put("/thing").json({"a": 1, "b": 2}))
        if not response.is_success:
            flow.again("busy", "later")
        if not isinstance(flow.wait(Wait(5)), Notified):
            flow.wait_on(Wait(7))

    def log_in(self, errand, config):
        errand.ask("log-in", Request.get("/"))
        return Standing({"id": 1})


PUT = {
    "send": {
        "label": "put",
        "method": "PUT",
        "path": "/thing",
        "headers": [{"name": "content-type", "value": "application/json"}],
        "body": {"text": '{ "b": 2, "a": 1 }'},
        "delivery": "repeatable",
    }
}
AGAIN = {"again": {"code": "busy", "message": "later"}}
WAIT = {"wait": {"seconds": 5, "forget": False, "gives-way": False}}
WAIT_ON = {"wait": {"seconds": 7, "forget": True, "gives-way": False}}
NOTIFIED = {"notified": {}}


def put(status, label="put"):
    answered = {"answered": {"status": status, "body": "empty"}}
    return {"exchanged": {"label": label, "outcome": answered}}


def then(what):
    return {"at": "2026-01-31T08:00:00Z", "what": what}


def life(steps, last="finish", **config):
    """A case of these decisions, each with what happens then, and of the last one."""
    began = "2026-01-31T08:00:00Z"
    event = {"id": "1", "name": "Account/New", "variables": {}, "enclosed": {}, "received-at": began}
    operation = {"id": "1", "group": "HSS", "i-account": "189", "began": began, "event": event}
    told = [{"expect": {"decision": decision}, "then": then(what)} for decision, what in steps]
    return {
        "about": "A life.",
        "ask": "provision",
        "operation": {**operation, "wanted": "running", "config": config},
        "steps": [*told, {"expect": {"decision": last}}],
    }


@pytest.fixture
def complaint(tmp_path):
    """What the run of one case says when it does not hold."""

    def complaint(case):
        file = tmp_path / "case.json"
        file.write_text(case if isinstance(case, str) else json.dumps(case))
        try:
            (found,) = cases(tmp_path)
            hold(Toy, found)
        except DoesNotHold as why:
            return str(why)
        return None

    return complaint


def test_a_whole_life_holds(complaint) -> None:
    steps = [
        (PUT, put(503)),
        (AGAIN, put(503)),
        (AGAIN, put(200)),
        (WAIT, "elapsed"),
        (WAIT_ON, "elapsed"),
        (WAIT_ON, NOTIFIED),
    ]
    assert complaint(life(steps)) is None


def test_what_differs_is_named_by_step_and_place(complaint) -> None:
    expected = deepcopy(PUT)
    expected["send"]["path"] = "/other"
    expected["send"]["body"]["text"] = '{"b": 2, "a": 1.0}'
    said = complaint(life([], expected))
    for part in [
        "case.json: A life.",
        "step 1:",
        '/decision/send/path: expected "/other", answered "/thing"',
        "/decision/send/body/json/a: expected 1.0, answered 1",
    ]:
        assert part in said
    assert "/json/b" not in said


def test_to_say_that_nothing_stands_is_not_to_say_nothing(complaint) -> None:
    case = life([])
    case["steps"][0]["expect"] = {"decision": PUT, "applied": None}
    assert "/applied: expected null, answered nothing" in complaint(case)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (life([(PUT, "elapsed")]), "step 1:\n    `then` cannot follow"),
        (life([(PUT, put(200, "other"))]), "step 1:\n    `then` cannot follow"),
        (life([(PUT, put(200)), (WAIT, put(200))]), "step 2:\n    `then` cannot follow"),
        (life([(PUT, put(503)), (AGAIN, "elapsed")]), "step 2:\n    `then` cannot follow"),
        (life([(PUT, "elapsd")]), "not a case: /steps/0/then/what: must be one of exchanged"),
        (life([], {"wait": {"seconds": 1}}), "/decision/wait/forget: is missing"),
        (life([], PUT, breaks=True), "it stopped: KeyError: 'changed'"),
        ({**life([], PUT), "more": 1}, "`more` is nothing that provision has"),
        ({"about": "?", "ask": "tell"}, "`ask` must be one of"),
        ("{", "not a case"),
    ],
)
def test_what_cannot_be_is_no_case(complaint, case, says) -> None:
    assert says in complaint(case)


def test_a_step_leads_to_the_next_and_the_last_to_none(complaint) -> None:
    case = life([(PUT, put(200))], WAIT)
    del case["steps"][0]["then"]
    assert "`then` is missing" in complaint(case)
    case = life([], PUT)
    case["steps"][0]["then"] = then(put(200))
    assert "no step follows this `then`" in complaint(case)


def test_an_unknown_outcome_is_never_struck(complaint) -> None:
    unknown = {"exchanged": {"label": "put", "outcome": {"unknown": "?"}}}
    assert "diverged" in complaint(life([(PUT, unknown)], AGAIN))


def test_an_answer_that_depends_on_more_than_the_question_is_found(complaint) -> None:
    Toy.asked = 0
    case = {"about": "A check.", "ask": "check-config", "config": {}, "expect": [{"at": "", "message": "0"}]}
    assert "asked a second time, it answers otherwise" in complaint(case)


def test_an_answer_is_of_the_kinds_of_the_contract(tmp_path) -> None:
    class Careless(Story):
        def check_config(self, config):
            return [Problem("/a", 5)] if config else None

        def provision(self, flow, operation):
            return None

    for config, says in [(1, "/0/message: must be text, and is 5"), (0, "it must be a list, and is null")]:
        file = tmp_path / "case.json"
        file.write_text(json.dumps({"about": "", "ask": "check-config", "config": config, "expect": []}))
        with pytest.raises(DoesNotHold, match=says):
            hold(Careless, file)


def test_an_errand_is_a_life_of_its_own(complaint) -> None:
    send = {"label": "log-in", "method": "GET", "path": "/", "body": "empty", "delivery": "repeatable"}
    case = {
        "about": "A log-in.",
        "ask": "log-in",
        "config": {},
        "steps": [
            {"expect": {"send": send}, "then": then(put(200, "log-in"))},
            {"expect": {"ready": {"value": {"id": 1}}}},
        ],
    }
    assert complaint(case) is None
    case["steps"][1]["expect"]["ready"]["value"]["id"] = 2
    assert "/ready/value/id: expected 2, answered 1" in complaint(case)
    case = {"about": "None.", "ask": "unregister", "config": {}, "standing": 1, "steps": case["steps"]}
    assert "Toy is no Register" in complaint(case)


def test_a_folder_without_cases_holds_nothing(tmp_path) -> None:
    with pytest.raises(DoesNotHold, match="no golden case there"):
        cases(tmp_path)


def test_the_adapter_of_a_module_is_found() -> None:
    import sys

    assert adapter_in(sys.modules[__name__]) is Toy
