"""What is done for a whole group."""

import pytest
from stories import answered, elapsed, unknown

from punchdown_adapter import (
    Again,
    Diverged,
    Errand,
    Fail,
    Fault,
    LogIn,
    Ready,
    Register,
    Request,
    Send,
    Standing,
    Trouble,
    Unknown,
    log_in,
    register_at,
    unregister,
)


class Session(LogIn):
    def log_in(self, errand, config):
        response = errand.ask("log-in", Request.post("/login"))
        if response.status == 503:
            errand.again("busy", "later")
        if not response.is_success:
            try:
                errand.fail("refused", "no")
            except BaseException:
                errand.again("never", "said")
        return config if config is None else Standing({"id": "1"}, 60)


class Hub(Register):
    def register_at(self, errand, config, address, standing):
        match errand.act("register", Request.post("/hub").json({"callback": address})):
            case Unknown(why):
                errand.again("unknown", why)
        return Standing({"was": standing})

    def unregister(self, errand, config, standing):
        errand.ask("unregister", Request.delete("/hub").segment(standing["id"]))


def test_an_errand_goes_on_where_it_was() -> None:
    move = log_in(Session, {}, [])
    assert isinstance(move, Send) and move.request.label == "log-in"
    assert log_in(Session, {}, [answered("log-in")]) == Ready(Standing({"id": "1"}, 60))
    assert log_in(Session, {}, [answered("log-in", 503)]) == Again(Trouble("busy", "later"))
    assert log_in(Session, {}, [answered("log-in", 401)]) == Fail(Trouble("refused", "no"))


def test_what_is_no_move_is_a_fault() -> None:
    with pytest.raises(Fault, match="returns a Standing"):
        log_in(Session, None, [answered("log-in")])
    with pytest.raises(Diverged, match="where the flow comes to an end"):
        log_in(Session, {}, [answered("log-in"), elapsed()])


def test_a_registration_is_made_and_ended() -> None:
    assert register_at(Hub, {}, "https://a/1", None, [unknown("register")]) == Again(
        Trouble("unknown", "no answer")
    )
    assert register_at(Hub, {}, "https://a/1", 7, [answered("register")]) == Ready(Standing({"was": 7}))
    move = unregister(Hub, {}, {"id": "a/b"}, [])
    assert isinstance(move, Send) and move.request.path == "/hub/a%2Fb"
    assert unregister(Hub, {}, {"id": "1"}, [answered("unregister")]) == Ready(Standing(None))


def test_an_errand_is_given_to_run() -> None:
    assert Errand([]).run(lambda: Standing(1)) == Ready(Standing(1))
