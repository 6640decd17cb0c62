"""What the page says is true."""

import re
from pathlib import Path

from stories import answered, operation, unknown

from punchdown_adapter import Finish, Park, Send, Trouble, provision


def test_the_example_runs() -> None:
    page = (Path(__file__).parent.parent / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {"__name__": "line"}
    exec(code[1], names)
    line = names["Line"]
    assert isinstance(provision(line, operation(), []).decision, Send)
    assert provision(line, operation(), [answered("create")]).decision == Finish()
    refused = provision(line, operation(), [answered("create", 409)])
    assert refused.decision == Park(Trouble("refused", "create: 409"))
    in_doubt = provision(line, operation(), [unknown("create")])
    assert in_doubt.decision == Park(Trouble("in-doubt", "no answer"))
