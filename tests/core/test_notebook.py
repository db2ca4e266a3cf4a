"""In a notebook a user presses and runs other things than at a terminal."""

import sys
from types import SimpleNamespace

import pytest

from dataflow.core.notebook import in_notebook, same_again, stop_key


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (SimpleNamespace(kernel=object()), (True, "the stop button", "the same cell")),
        (SimpleNamespace(), (False, "Ctrl-C", "the same command")),
        (None, (False, "Ctrl-C", "the same command")),
    ],
    ids=["a kernel", "a prompt of IPython", "no shell"],
)
def test_only_a_shell_with_a_kernel_is_a_notebook(
    shell: object, words: tuple[bool, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert (in_notebook(), stop_key(), same_again()) == words


def test_a_process_that_never_imported_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
