from pathlib import Path

import pytest

from config.branches import BranchEntry, load_branches
from config.load import SettingsError

TABLE = "code,name,region,aliases\r\nF1,福州五一支行,福建福州,五一支行| 五一网点 |\r\n,,,\r\nF2, 厦门思明支行 ,,\r\n"


def write(folder: Path, content: bytes) -> Path:
    path = folder / "branches.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_read_however_a_spreadsheet_saved_it(tmp_path: Path, encoding: str):
    branches = load_branches(write(tmp_path, TABLE.encode(encoding)))
    assert list(branches.values()) == [
        BranchEntry("F1", "福州五一支行", "福建福州", ("五一支行", "五一网点")),
        BranchEntry("F2", "厦门思明支行"),
    ]


def test_columns_may_stand_in_any_order_and_others_beside_them(tmp_path: Path):
    branches = load_branches(write(tmp_path, "name, code ,opened\n五一支行,F1,1999\n".encode()))
    assert branches == {"F1": BranchEntry("F1", "五一支行")}


def test_no_table_is_no_branches():
    assert load_branches(None) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code,region\nF1,x\n", "line 1 has no column name"),
        ("", "line 1 has no column code and name"),
        ("code,name\nF1,a\nF2,b\nF1,c\n", "line 4: the code F1 is there twice"),
        ("code,name\nF1,a\nF2,\n", "line 3: a branch needs its code and its name"),
        (f'code,name\nF1,"{"x" * 10_000_001}"\n', "is no table in CSV"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path: Path, text: str, said: str):
    path = write(tmp_path, text.encode())
    with pytest.raises(SettingsError, match=said) as refusal:
        load_branches(path)
    assert str(path) in str(refusal.value)


def test_a_missing_table_is_said_with_its_path(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nothing\.csv cannot be read"):
        load_branches(tmp_path / "nothing.csv")
