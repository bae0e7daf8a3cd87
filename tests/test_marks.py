"""How many cases of a test always run: ``@pytest.mark.some(n)``."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


def _own_conftest(config: pytest.Config) -> Any:
    place = str(Path(__file__).with_name("conftest.py"))
    plugins = config.pluginmanager.get_plugins()
    return next(each for each in plugins if getattr(each, "__file__", None) == place)


@given(count=st.integers(0, 200), kept=st.integers(1, 20))
def test_as_many_places_as_were_asked_for(
    pytestconfig: pytest.Config, count: int, kept: int
) -> None:
    places = _own_conftest(pytestconfig)._spread(count, kept)
    assert len(places) == min(count, kept)
    assert places <= set(range(count))


class Item:
    """A case of a test, with its marks by name."""

    def __init__(self, nodeid: str, **marks: tuple[int, ...]) -> None:
        self.nodeid = nodeid
        self.marks = {name: getattr(pytest.mark, name)(*args).mark for name, args in marks.items()}

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self.marks.get(name)

    def add_marker(self, name: str) -> None:
        self.marks[name] = getattr(pytest.mark, name).mark


def test_the_others_are_wide(pytestconfig: pytest.Config) -> None:
    cases = [Item(f"test_a.py::test[{k}]", some=(3,)) for k in range(10)]
    cases += [Item(f"test_b.py::test[{k}]", some=(1,)) for k in range(4)]
    alone, slow = Item("test_c.py::test"), Item("test_d.py::test[0]", some=(1,), slow=())
    _own_conftest(pytestconfig).pytest_collection_modifyitems([*cases, alone, slow])
    always = [case.nodeid.partition("::")[0] for case in cases if "wide" not in case.marks]
    assert Counter(always) == {"test_a.py": 3, "test_b.py": 1}
    assert "wide" not in alone.marks and "wide" not in slow.marks
