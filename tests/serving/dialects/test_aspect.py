import pytest

from dataflow.serving.dialects.aspect import RATIOS, is_drawable, nearest_ratio, size_step


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_ratio_is_next_to_itself(ratio):
    across, down = map(int, ratio.split(":"))
    assert nearest_ratio(across * 100, down * 100) == ratio
    assert is_drawable(across * 100, down * 100)


@pytest.mark.parametrize(
    ("size", "drawable"),
    [((1344, 768), True), ((832, 1248), True), ((1000, 1090), True), ((2000, 1000), False), ((100, 1000), False)],
)
def test_a_shape_more_than_a_tenth_away_is_not_drawable(size, drawable):
    assert is_drawable(*size) == drawable


@pytest.mark.parametrize(
    ("size", "step"),
    [
        ((512, 512), ""),
        ((1024, 1024), ""),
        ((1376, 768), ""),
        ((2048, 2048), "2K"),
        ((2752, 1536), "2K"),
        ((4096, 4096), "4K"),
    ],
)
def test_the_step_is_the_next_in_area(size, step):
    assert size_step(*size) == step
