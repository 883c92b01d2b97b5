"""Lists of numbers as people write them: each spelling is read in one way, or refused with the way to write it."""

import pytest

from lab.requests.base import LabError
from lab.ui.shell import lists
from lab.ui.tabs.controlnet import experiments as controlnet_run
from lab.ui.tabs.guidance import view as guidance_view

READ = {
    (1.5, 3, 7.5): [
        "1.5, 3, 7.5", "1.5,3,7.5", "1.5 3 7.5", "1.5\t3\t7.5", "1.5\n3\n7.5", "1.5\r\n3\r\n7.5\r\n", " 1.5 , 3 , 7.5 ",
        "1,5; 3; 7,5", "1,5;3;7,5", "1,5 ; 3 ; 7,5;", ";1,5;\n3;\n7,5", "1.5; 3; 7.5", "1,5;;3;7.5", "1.5, 3, 7.5,", "1.5,, 3, 7.5",
        "1.5,\n3,\n7.5", "+1.5, 3, 7.50", "1.5e0, 30e-1, 7.5", "1.5, 3, 7.5, 3, 1.5", "1.5\u00a03\u20037.5", "\ufeff1.5, 3, 7.5",
        "１.５， ３， ７.５", "١٫٥؛ ٣؛ ٧٫٥", "1.5、3、7.5", "１，５；３；７，５",
    ],
    (0, 1, 2, 3): ["0,1,2,3", "0,1,2,3,", "0, 1, 2, 3", "0;1;2;3", "0 1 2 3", "-0, 1, 2, 3", "\u22120; 1; 2; 3"],
    (0.5,): [".5", "0.5", "0,5;", ";,5", "5e-1", "0.5,", "0.5 0.5"],
}  # fmt: skip
EITHER = [
    "1,5",
    "1,5 3",
    "3 1,5",
    "1,5, 3",
    "0,5,",
    ",5",
    "1 ,5",
    "1,5 7,5",
    "1,5\n3",
    "1,5 3; 7",
    "1; 2, 3",
    "1;2 3;4",
    "1,2,3; 4",
    "１，５",
]
NONE = ["x", "1, x", "nan", "inf", "-inf", "infinity", "1_000", "0x10", "1..5", "1.", "1.5.2", "1e", "1e99999", "½", "²", "1/2", "5%", "--1", "1'000",
        "1,5,x; 2", "1.000,5", "<b>1</b>", "1 - 3", "1:3", "𝟏x"]  # fmt: skip


@pytest.mark.parametrize(("wanted", "text"), [(wanted, text) for wanted, texts in READ.items() for text in texts])
def test_a_list_is_read_as_it_is_written(wanted, text):
    assert lists.numbers(text, "Strengths", 0, 30) == wanted
    assert guidance_view.parse_scales(text) == wanted
    if max(wanted) <= controlnet_run.MAX_STRENGTH:
        dials = controlnet_run.Dials(text, text, "0", "1", 0, 1, 0, 1, 1, False)
        layout = controlnet_run.by_strength(dials, 64)
        assert tuple(cell.strengths[0] for cell in layout.placements) == wanted


@pytest.mark.parametrize("text", EITHER)
def test_a_list_that_can_be_read_in_two_ways_is_refused_with_how_decimals_are_written(text):
    with pytest.raises(LabError, match=r"can be read in two ways. Write decimals with a point .* or with semicolons"):
        lists.numbers(text, "Strengths", 0, 30)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(LabError, match="is not a number|in two ways|out of range"):
        lists.numbers(text, "Strengths", 0, 30)


@pytest.mark.parametrize("text", ["31", "1e3", "-1", "\u22121", "1, 30.001", "-0,5; 1"])
def test_what_is_out_of_range_is_refused(text):
    with pytest.raises(LabError, match="out of range. Numbers from 0 to 30"):
        lists.numbers(text, "Strengths", 0, 30)


@pytest.mark.parametrize("text", ["", "  ", ",", ";", " , ", "\n\t", None, "\u200b"])
def test_no_list_is_refused(text):
    with pytest.raises(LabError, match="type at least one number"):
        lists.numbers(text, "Strengths", 0, 30)
    with pytest.raises(LabError, match="type at least one number"):
        lists.whole_numbers(text, "Seeds", 0, 9)


@pytest.mark.parametrize("text", ["3, 1, 2", "3,1,2", "3 1 2", "3;1;2", "3\n1\n2\n", "3, 1, 2, 3", "٣ ١ ٢", "3,1 2"])
def test_whole_numbers_keep_their_order(text):
    assert lists.whole_numbers(text, "Seeds", 0, 9) == (3, 1, 2)


def test_of_two_whole_numbers_a_comma_is_no_decimal():
    assert lists.whole_numbers("1,5", "Seeds", 0, 9) == (1, 5)
    for text in ("1,5; 3", "1.5", "-1", "1e1", "²", "10"):
        with pytest.raises(LabError, match="[Ww]hole number"):
            lists.whole_numbers(text, "Seeds", 0, 9)


def test_a_fraction_is_not_cut_to_a_whole_number():
    assert [lists.whole(value, "T") for value in (10, 10.0, -3)] == [10, 10, -3]
    for value in (10.7, float("nan"), float("inf"), None, "x", [], 10**400):
        with pytest.raises(LabError, match="T (is not a number|must be a whole number)"):
            lists.whole(value, "T")


@pytest.mark.parametrize("value", [1, 7, None, "x", 2.5])
def test_a_count_out_of_range_is_refused(value):
    assert lists.count(3.0, "Rows", 2, 6) == 3
    with pytest.raises(LabError, match="Rows"):
        lists.count(value, "Rows", 2, 6)
