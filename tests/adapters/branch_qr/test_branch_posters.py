"""What the bank prints and hangs on the counter."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from adapters.branch_qr.channel import open_channel
from adapters.branch_qr.settings import ChannelSettings
from adapters.branch_qr.simulator import SETTINGS
from config.branches import BranchEntry
from gateway.contract.ports import House
from tests.contract.house import make_house
from tests.running import run_cli, write_config

FORMATS = ("svg", "png", "pdf")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make_house(tmp_path)


def write(house: House, folder: Path, code: str = "F0591001") -> tuple[str, dict[str, Path]]:
    """-> (the branch's link, ending -> file)."""
    channel = open_channel("branch", ChannelSettings.model_validate(SETTINGS), house)
    paths = channel.write_posters([code], folder, FORMATS)
    assert [path.suffix for path in paths] == [f".{ending}" for ending in FORMATS]
    return channel.find_branch_link(code), {path.suffix[1:]: path for path in paths}


def test_the_code_in_the_picture_reads_back_as_the_branchs_link(house: House, tmp_path: Path) -> None:
    link, files = write(house, tmp_path)
    (code,) = zxingcpp.read_barcodes(Image.open(files["png"]))
    assert code.text == link


def test_a_small_and_blurred_print_can_still_be_read(house: House, tmp_path: Path) -> None:
    link, files = write(house, tmp_path)
    picture = Image.open(files["png"]).convert("L")
    small = picture.resize((picture.width // 5, picture.height // 5), Image.Resampling.BILINEAR)
    code = zxingcpp.read_barcode(small.resize(picture.size, Image.Resampling.BICUBIC))
    assert code is not None
    assert code.text == link


def test_the_pdf_opens_on_one_a4_page_and_says_branch_and_hotline(house: House, tmp_path: Path) -> None:
    _, files = write(house, tmp_path)
    reader = PdfReader(files["pdf"])
    (page,) = reader.pages
    assert [round(float(side) / 72 * 25.4) for side in (page.mediabox.width, page.mediabox.height)] == [210, 297]
    text = page.extract_text()
    for words in ("福州五一支行", "行长秘书", "95561", "示例银行"):
        assert words in text


def test_the_code_drawn_in_the_pdf_reads_back_as_well(house: House, tmp_path: Path) -> None:
    link, files = write(house, tmp_path)
    # The dark bars of the page, painted as a reader would paint them.
    page = PdfReader(files["pdf"]).pages[0]
    scale = 4
    picture = Image.new(
        "L", (round(float(page.mediabox.width) * scale), round(float(page.mediabox.height) * scale)), 255
    )
    for operands, operator in page.get_contents().operations:  # type: ignore[union-attr]
        if operator == b"re":
            x, y, width, height = (float(each) * scale for each in operands)
            box = tuple(round(each) for each in (x, picture.height - y - height, x + width, picture.height - y))
            picture.paste(0, box)  # type: ignore[arg-type]
    code = zxingcpp.read_barcode(picture)
    assert code is not None
    assert code.text == link


def test_the_svg_is_whole_and_says_branch_and_hotline(house: House, tmp_path: Path) -> None:
    _, files = write(house, tmp_path)
    root = ET.parse(files["svg"]).getroot()
    words = "".join(root.itertext())
    assert root.get("width") == "210mm"
    assert "福州五一支行" in words
    assert "95561" in words
    assert root.findall("{http://www.w3.org/2000/svg}svg")


def test_a_branch_name_with_signs_and_of_any_length_stays_on_the_page(house: House, tmp_path: Path) -> None:
    name = "示例银行股份有限公司福建省福州市鼓楼区<五一>&广场北路贰佰肆拾壹号营业部"
    long = BranchEntry("../X&Y", name)
    _, files = write(replace(house, branches={long.code: long}), tmp_path, long.code)
    assert all(path.parent == tmp_path for path in files.values())
    texts = ET.parse(files["svg"]).getroot().iter("{http://www.w3.org/2000/svg}text")
    (size,) = [float(each.get("font-size", "0")) for each in texts if each.text == name]
    assert size * len(name) <= 210
    assert name in PdfReader(files["pdf"]).pages[0].extract_text()


def test_the_same_poster_is_the_same_file(house: House, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first, second = write(house, one)[1], write(house, two)[1]
    assert [first[each].read_bytes() for each in FORMATS] == [second[each].read_bytes() for each in FORMATS]


def test_the_command_writes_posters_whose_address_is_the_banks(tmp_path: Path) -> None:
    (tmp_path / "branches.csv").write_text("code,name\nF0591001,福州五一支行\n", "utf-8")
    config = write_config(
        tmp_path,
        f"""
[bank]
branches = "{tmp_path}/branches.csv"
[server]
public_url = "https://echo.bank.example"
[channels.branch]
adapter = "branch_qr"
""",
    )
    out = tmp_path / "posters"
    options = ("--config", str(config), "--data", str(tmp_path), "--out", str(out), "--format", "png,pdf")
    done = run_cli("qr", "F0591001", *options)
    assert done.returncode == 0, done.stderr
    code = zxingcpp.read_barcode(Image.open(BytesIO((out / "F0591001.png").read_bytes())))
    assert code is not None
    assert code.text.startswith("https://echo.bank.example/b/qr1.")
    unknown = run_cli("qr", "NOWHERE", *options)
    assert unknown.returncode != 0
    assert "NOWHERE" in unknown.stderr
