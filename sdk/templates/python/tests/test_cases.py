from pathlib import Path

import pytest

import adapter
from punchdown_adapter.cases import Case, adapter_in, cases, hold

CASES = Path(__file__).parent.parent / "cases"


@pytest.mark.parametrize("case", cases(CASES), ids=str)
def test_the_case_holds(case: Case) -> None:
    hold(adapter_in(adapter), case)
