import pytest

from dataflow.errors import ConfigError
from dataflow.ingest.patterns import expanded


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("s-{008..011}.tar", ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"]),
        ("s-{9..11}", ["s-9", "s-10", "s-11"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{train,test}-{0..1}.tar", ["train-0.tar", "train-1.tar", "test-0.tar", "test-1.tar"]),
        ("{a}{b..c}{}", ["{a}{b..c}{}"]),
    ],
)
def test_braces_are_expanded_as_a_shell_does(text, names):
    assert expanded(text) == names


@pytest.mark.parametrize("text", ["{0..2000000}", "{0..2000}{0..2000}"])
def test_more_names_than_any_set_has_are_refused(text):
    with pytest.raises(ConfigError, match="more than 1,000,000"):
        expanded(text)
