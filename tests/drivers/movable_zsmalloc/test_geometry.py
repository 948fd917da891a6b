"""Size classes, row for row: the tables of kernels up to 6.2 and from 6.3, and the numbers of their document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from movable import UsageError
from movable_zsmalloc import (
    ClassRow,
    distinct_classes,
    huge_watermark,
    pages_by_least_waste,
    pages_by_percent,
    size_class_index,
    size_class_table,
    zs_huge_class_size,
)

DATA = Path(__file__).parents[2] / "data" / "parity"

# index:size/pages/objs
PERCENT_4 = """
0:32/1/128  1:48/3/256  2:64/1/64  3:80/1/51  4:96/3/128  5:112/2/73
6:128/1/32  7:144/3/85  8:160/2/51  9:176/4/93  10:192/3/64  11:208/2/39
12:224/4/73  13:240/1/17  14:256/1/16  15:272/1/15  16:288/1/14  17:304/3/40
18:320/4/51  19:336/1/12  20:352/2/23  21:368/1/11  22:384/3/32  23:400/1/10
24:416/4/39  25:432/3/28  26:448/1/9  27:464/4/35  28:480/2/17  29:496/4/33
30:512/1/8  31:528/4/31  32:544/2/15  33:560/4/29  34:576/1/7  35:592/4/27
36:608/3/20  37:624/2/13  38:640/3/19  40:672/1/6  42:704/4/23  43:720/3/17
44:736/2/11  46:768/3/16  49:816/1/5  51:848/4/19  52:864/3/14  54:896/2/9
57:944/3/13  58:960/4/17  62:1024/1/4  66:1088/4/15  67:1104/3/11  71:1168/2/7
74:1216/3/10  76:1248/4/13  83:1360/1/3  91:1488/4/11  94:1536/3/8  100:1632/2/5
107:1744/3/7  111:1808/4/9  126:2048/1/2  144:2336/4/7  151:2448/3/5  168:2720/2/3
190:3072/3/4  202:3264/4/5  254:4096/1/1
"""
LEAST_WASTE_8 = """
0:32/1/128  1:48/3/256  2:64/1/64  3:80/5/256  4:96/3/128  5:112/7/256
6:128/1/32  7:144/7/199  8:160/5/128  9:176/4/93  10:192/3/64  11:208/3/59
12:224/7/128  13:240/1/17  14:256/1/16  15:272/1/15  16:288/5/71  17:304/7/94
18:320/5/64  19:336/6/73  20:352/8/93  21:368/8/89  22:384/3/32  23:400/5/51
24:416/6/59  25:432/7/66  26:448/7/64  27:464/5/44  28:480/2/17  29:496/4/33
30:512/1/8  31:528/4/31  32:544/2/15  33:560/7/51  34:576/1/7  35:592/8/55
36:608/7/47  37:624/2/13  38:640/5/32  39:656/5/31  40:672/1/6  41:688/8/47
42:704/5/29  43:720/3/17  44:736/2/11  45:752/7/38  46:768/3/16  47:784/5/26
49:816/1/5  50:832/8/39  51:848/5/24  52:864/7/33  53:880/8/37  54:896/7/32
55:912/7/31  56:928/5/22  57:944/3/13  58:960/4/17  59:976/6/25  60:992/8/33
62:1024/1/4  64:1056/8/31  65:1072/5/19  66:1088/4/15  67:1104/3/11  68:1120/8/29
69:1136/5/18  71:1168/2/7  72:1184/7/24  73:1200/5/17  74:1216/3/10  75:1232/7/23
76:1248/4/13  78:1280/5/16  79:1296/7/22  83:1360/1/3  87:1424/8/23  88:1440/6/17
89:1456/5/14  91:1488/4/11  92:1504/7/19  94:1536/3/8  95:1552/8/21  96:1568/5/13
97:1584/7/18  100:1632/2/5  103:1680/7/17  104:1696/5/12  105:1712/8/19  107:1744/3/7
110:1792/7/16  111:1808/4/9  114:1856/5/11  116:1888/6/13  117:1904/7/15  118:1920/8/17
126:2048/1/2  134:2176/8/15  135:2192/7/13  137:2224/6/11  140:2272/5/9  144:2336/4/7
147:2384/7/12  151:2448/3/5  155:2512/8/13  158:2560/5/8  160:2592/7/11  168:2720/2/3
177:2864/7/10  180:2912/5/7  184:2976/8/11  190:3072/3/4  197:3184/7/9  202:3264/4/5
211:3408/5/6  217:3504/6/7  222:3584/7/8  225:3632/8/9  254:4096/1/1
"""
LEAST_WASTE_16_FROM_202 = """
202:3264/4/5 206:3328/13/16 207:3344/9/11 208:3360/14/17 211:3408/5/6 213:3440/16/19
214:3456/11/13 217:3504/6/7 219:3536/13/15 222:3584/7/8 223:3600/15/17 225:3632/8/9
228:3680/9/10 230:3712/10/11 232:3744/11/12 234:3776/12/13 235:3792/13/14 236:3808/14/15
238:3840/15/16 254:4096/1/1
"""

# chain length: classes by the percent rule (the kernel's document prints these), by the least-waste rule, huge watermark
COUNTS = {
    4: (69, 69, 3264),
    5: (86, 86, 3408),
    6: (93, 94, 3504),
    7: (112, 110, 3584),
    8: (123, 119, 3632),
    9: (140, 136, 3680),
    10: (143, 141, 3712),
    11: (159, 153, 3744),
    12: (164, 159, 3776),
    13: (180, 173, 3792),
    14: (183, 179, 3808),
    15: (188, 186, 3840),
    16: (191, 192, 3840),
}


def parse(text: str) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in row.replace(":", "/").split("/")) for row in text.split()]


def fields(row: ClassRow) -> tuple[int, int, int, int]:
    return row.index, row.size, row.pages, row.objs


def rows(chain: int, rule: str) -> list[tuple[int, ...]]:
    return [fields(row) for row in distinct_classes(chain, rule)]


def test_table_of_kernels_up_to_6_2() -> None:
    assert len(parse(PERCENT_4)) == 69
    assert rows(4, "percent") == parse(PERCENT_4)


def test_table_that_the_recorded_kernel_used() -> None:
    recorded = json.loads((DATA / "size_classes_chain4.json").read_text())
    assert rows(4, "percent") == [(row["index"], row["size"], row["pages"], row["objs"]) for row in recorded]


def test_least_waste_differs_from_percent_in_one_row_for_chains_of_4() -> None:
    different = set(rows(4, "least-waste")) ^ set(rows(4, "percent"))
    assert different == {(11, 208, 3, 59), (11, 208, 2, 39)}


def test_table_of_kernels_from_6_3() -> None:
    assert len(parse(LEAST_WASTE_8)) == 119
    assert rows(8, "least-waste") == parse(LEAST_WASTE_8)


def test_top_of_the_table_for_chains_of_16() -> None:
    assert [row for row in rows(16, "least-waste") if row[0] >= 202] == parse(LEAST_WASTE_16_FROM_202)


def test_document_row_of_chains_of_16_comes_from_the_percent_rule() -> None:
    assert (212, 3424) in [row[:2] for row in rows(16, "percent")]
    assert (212, 3424) not in [row[:2] for row in rows(16, "least-waste")]


@pytest.mark.parametrize("chain", COUNTS)
def test_numbers_of_classes_and_huge_watermarks(chain: int) -> None:
    by_percent, by_waste, watermark = COUNTS[chain]
    assert len(rows(chain, "percent")) == by_percent
    assert len(rows(chain, "least-waste")) == by_waste
    assert huge_watermark(chain, "percent") == huge_watermark(chain, "least-waste") == watermark
    assert zs_huge_class_size(chain) == watermark - 7


@pytest.mark.parametrize("rule", ["percent", "least-waste"])
@pytest.mark.parametrize("chain", COUNTS)
def test_every_slot_leads_to_a_class_that_fits(chain: int, rule: str) -> None:
    table = size_class_table(chain, rule)
    assert len(table) == 255
    for slot, row in enumerate(table):
        assert row.size >= min(32 + 16 * slot, 4096)
        assert row.index >= slot
        assert row.objs == row.pages * 4096 // row.size
        assert row.huge == ((row.pages, row.objs) == (1, 1))


def test_sizes_of_objects_find_their_slots() -> None:
    assert [size_class_index(size) for size in (1, 32, 33, 48, 49, 108, 3264, 3265, 4096, 4104)] == [
        0, 0, 1, 1, 2, 5, 202, 203, 254, 254,
    ]  # fmt: skip
    table = size_class_table()
    assert fields(table[size_class_index(100 + 8)]) == (5, 112, 2, 73)
    assert fields(table[size_class_index(3256 + 8)]) == (202, 3264, 4, 5)
    assert table[size_class_index(3257 + 8)].huge
    assert fields(table[size_class_index(1560 + 8)]) == (100, 1632, 2, 5)
    long = size_class_table(8, "least-waste")
    assert fields(long[size_class_index(1560 + 8)]) == (96, 1568, 5, 13)
    assert fields(long[size_class_index(100 + 8)]) == (5, 112, 7, 256)


def test_the_two_rules_on_one_size() -> None:
    # 1568 wastes 960, 352, 1312, 704 and 96 bytes in 1 to 5 pages: 76, 95, 89, 95 and 99 percent used.
    assert [pages * 4096 % 1568 for pages in range(1, 6)] == [960, 352, 1312, 704, 96]
    assert (pages_by_percent(1568, 4), pages_by_percent(1568, 5)) == (2, 5)
    assert (pages_by_least_waste(1568, 4), pages_by_least_waste(1568, 5)) == (2, 5)
    assert pages_by_least_waste(2048, 16) == 1


@pytest.mark.parametrize(
    ("chain", "rule", "message"),
    [
        (3, "percent", "chain length 3 is not possible; choose 4 to 16 pages"),
        (17, "percent", "chain length 17 is not possible"),
        ("8", "percent", "chain length '8' is not possible"),
        (4, "best", "unknown size class rule 'best'; choose from percent, least-waste"),
    ],
)
def test_bad_geometry_is_refused_in_one_line(chain: Any, rule: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        size_class_table(chain, rule)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
