"""A packet: its checks, its edits, its JSON, and the files made of it."""

import dataclasses
import datetime as dt
import io
import math
import re
import zipfile

import pytest
from docx import Document
from docx.oxml.ns import qn
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html
from pptx import Presentation
from pptx.util import Inches
from python_calamine import CalamineWorkbook

from components.brief import (
    choices_of,
    choices_text,
    chosen_keys,
    figure_href,
    paper_margins,
    paper_page,
)
from components.brief_canvas import (
    COVER,
    FORMS,
    LONGEST_TITLE,
    answer_of,
    canvas_page,
    cards_of,
)
from components.exports.annex import annex
from components.exports.document import document
from components.exports.office_suite import ConversionError, converter, pdf_of
from components.exports.slides import slides
from components.figures.brief import chart_svg, least_width, text_width
from components.formatting import numeral
from domain.brief import (
    LONGEST_EDIT,
    SECTIONS,
    Chart,
    EditError,
    Figure,
    Number,
    Packet,
    Paragraph,
    Restated,
    Section,
    Series,
    Table,
    TableColumn,
    broken,
    differences,
    edited,
    from_json,
    heading,
    sections_of,
    to_json,
    unequal,
)

NAN = math.nan
MOMENT = dt.datetime(2021, 4, 13, 9, 30)
FORMULA = '=HYPERLINK("http://x.example","点我")'


def figure(value=0.889, label="全市解决率", metric="resolution", n=11617, filters="?period=a"):
    return Figure(label, metric, value, f"{100 * value:.1f} %", n, "2021年第14周", filters)


def chart(key, kind, unit="件", **more):
    series = Series("甲", (3.0, 2.0, NAN), **more)
    axis = (1.0, 9.0) if kind == "ranks" else None
    return Chart(key, f"图{key}", kind, ("东城", "西城", "朝阳"), (series,), unit, axis, "注", "期")


def packet(value=0.889, cases=(30, 12), total=42, sections=None, **more):
    columns = (TableColumn("区"), TableColumn("受理", "count", "件", summed=True),
               TableColumn("率", "share"))  # fmt: skip
    rows = tuple(
        (name, Number(float(n), str(n)), Number(0.5, "50.0 %"))
        for name, n in zip((FORMULA, "西城区"), cases, strict=True)
    )
    whole = ("汇总", Number(float(total), str(total)), Number(NAN, "—"))
    own = (
        Section(
            "overall", "总体情况",
            (
                Paragraph("overall.1", ("全市解决率 ", figure(value), "。")),
                Paragraph("overall.more"),
            ),
            (
                chart("1", "bars"), chart("2", "columns"), chart("3", "lines", "%"),
                chart("4", "ranks", "名"),
                chart("5", "dots", low=(2.5, 1.5, NAN), high=(3.5, 2.5, NAN)),
            ),
            (Table("t", "各区：[受理]", columns, rows, whole, "考核口径", "2021年第14周", "?p"),),
        ),
        Section("decisions", "需领导决定的事项", (Paragraph("decisions.1", ("没有。",)),)),
    )  # fmt: skip
    fields = {
        "title": "北京市接诉即办周报", "place": "北京市", "kind": "week",
        "period_key": "week-2021-W14", "period": "2021年第14周（2021.4.5–4.11）",
        "cutoff": "数据截至 2021-04-12 23:59（周一）", "basis": "考核口径", "rules": "默认-2025",
        "data_version": "demo.1", "is_demo": True, "filters": "?period=week-2021-W14",
        "about": (("范围", "全市"),), "sections": own if sections is None else sections,
    }  # fmt: skip
    return Packet(**(fields | more))


# --- The model ----------------------------------------------------------------------------------


def test_json_gives_the_same_packet_back():
    settled = edited(packet(), {"overall.more": "补充"})
    again = from_json(to_json(settled))
    # NaN is not equal to itself: compared as text.
    assert to_json(again) == to_json(settled)
    assert again.sections[0].charts[4].series[0].high[:2] == (3.5, 2.5)
    assert again.edits == {"overall.more": "补充"}
    assert from_json(to_json(packet(sections=()))) == packet(sections=())


@pytest.mark.parametrize("text", ["", "[]", "null", '{"layout": 99}', '{"layout": 1}'])
def test_what_is_no_packet_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        from_json(text)


def test_an_edit_replaces_the_draft_and_keeps_it():
    settled = edited(packet(), {"overall.1": "  解决率 已近\n九成\x07。 "})
    paragraph = settled.paragraphs["overall.1"]
    assert paragraph.text == "解决率 已近 九成。"
    assert paragraph.draft == "全市解决率 88.9 %。"
    assert paragraph.figures == (figure(),)
    assert list(settled.edits) == ["overall.1"]


def test_the_draft_sent_back_is_no_edit():
    assert edited(packet(), {"overall.1": "全市解决率 88.9 %。", "overall.more": " "}).edits == {}


def test_edits_out_of_bounds_are_refused():
    with pytest.raises(EditError, match=str(LONGEST_EDIT)):
        edited(packet(), {"overall.1": "长" * (LONGEST_EDIT + 1)})
    with pytest.raises(EditError, match="不在"):
        edited(packet(), {"ranking.1": "没有这一段"})


def test_a_table_that_does_not_add_up_names_its_section():
    (problem,) = broken(packet(total=43))
    assert problem.section == "总体情况"
    assert "42" in problem.words
    assert "43" in problem.words
    assert broken(packet()) == ()


def test_one_indicator_of_the_same_cases_is_one_number():
    again = Section("news", "新情况", (Paragraph("news.1", (figure(0.9),)),))
    (problem,) = broken(packet(sections=(*packet().sections, again)))
    assert problem.section == "新情况"
    other = Section("news", "新情况", (Paragraph("news.1", (figure(0.9, filters="?period=b"),)),))
    assert broken(packet(sections=(*packet().sections, other))) == ()


def test_ways_of_counting_the_same_cases_must_agree():
    assert unequal({"各区之和": 5, "各分类之和": 5}) == ""
    assert unequal({}) == ""
    assert "各分类之和6件" in unequal({"各区之和": 5, "各分类之和": 6})


def test_differences_are_those_of_indicators_with_the_same_name():
    (found,) = differences(packet(0.9), packet(0.889))
    assert (found.label, found.before.value, found.now.value) == ("全市解决率", 0.889, 0.9)
    assert differences(packet(), packet()) == ()
    moved = Section("news", "", (Paragraph("news.1", (figure(1.2, metric="resolution.change"),)),))
    still = Section("news", "", (Paragraph("news.1", (figure(0.2, metric="resolution.change"),)),))
    assert differences(packet(sections=(moved,)), packet(sections=(still,))) == ()


@pytest.mark.parametrize(
    ("value", "n", "changed"), [(0.889, 11617, False), (0.889, 11618, True), (0.88, 11617, True)]
)
def test_a_figure_is_restated_by_another_value_or_sample(value, n, changed):
    assert Restated(figure(), value, n).changed is changed


@given(st.text(max_size=200))
def test_any_text_names_some_sections_and_an_order_of_all(text):
    assert set(sections_of(text)) <= set(SECTIONS)
    choices = choices_of(text)
    assert sorted(each.key for each in choices) == sorted(SECTIONS)
    assert choices_of(choices_text(choices)) == choices


def test_choice_and_order():
    assert chosen_keys("") == tuple(SECTIONS)
    assert chosen_keys("topics,-overall,ranking") == ("topics", "ranking")
    assert sections_of("topics,x,topics,overall") == ("topics", "overall")
    assert heading("promises", "week") == "上周承诺回看"
    assert heading("exceptions", "assess") == "本期例外"


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "一"), (10, "十"), (11, "十一"), (14, "十四"), (20, "二十"), (35, "三十五")],
)
def test_numerals(number, words):
    assert numeral(number) == words


def test_a_number_leads_to_the_page_that_shows_it():
    assert figure_href(figure()) == "/?period=a"
    assert figure_href(figure(metric="stock.挂账")) == "/cases?period=a"
    assert figure_href(figure(metric="signal.rate_fall")) == "/?period=a"


def picture(each, width=720, height=300, size=13.0):
    return etree.fromstring(chart_svg(each, width, height, size, "在文字里"))


def told_in(root):
    return ["".join(each.itertext()) for each in root.iter("{*}text")]


def test_pictures_on_the_screen_have_the_numbers_of_the_packet():
    printed = {
        "bars": ("3", "2"), "columns": ("3", "2"), "lines": ("300.0 %", "200.0 %"),
        "ranks": ("第3名", "第2名"), "dots": ("3（2.5–3.5）", "2（1.5–2.5）"),
    }  # fmt: skip
    for each in packet().sections[0].charts:
        tips = ["".join(tip.itertext()) for tip in picture(each).iter("{*}title")]
        assert tips == [
            f"甲，{name}：{value}"
            for name, value in zip(("东城", "西城"), printed[each.kind], strict=True)
        ]


def test_marks_stand_where_their_numbers_are():
    bars, columns, lines, ranks, _ = map(picture, packet().sections[0].charts)
    long = [float(each.get("width")) for each in bars.iter("{*}rect")]
    assert long[1] == pytest.approx(long[0] * 2 / 3, abs=0.2)
    high = [float(each.get("height")) for each in columns.iter("{*}rect")]
    assert high[1] == pytest.approx(high[0] * 2 / 3, abs=0.2)
    above = [float(each.get("cy")) for each in lines.iter("{*}circle")]
    assert above[0] < above[1]
    # The first rank is on top.
    below = [float(each.get("cy")) for each in ranks.iter("{*}circle")]
    assert below[0] > below[1]


@pytest.mark.parametrize("width", [340, 720, 1500])
def test_everything_in_a_picture_stands_inside(width):
    names = tuple(f"第{number}个很长的街道乡镇" for number in range(23))
    values = tuple(1_000.0 * number for number in range(23))
    for kind in ("bars", "columns", "lines", "dots"):
        told = Chart(
            "1", "图", kind, names, (Series("甲", values), Series("乙", values[::-1])), "件"
        )
        wide = max(width, least_width(told, 13.0))
        root = picture(told, wide, 700)
        for text in root.iter("{*}text"):
            if text.getparent().tag.endswith("}g"):
                continue
            size = float(text.get("font-size"))
            long = text_width("".join(text.itertext()), size)
            anchor = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
            left = float(text.get("x")) - anchor * long
            assert left >= -1, (kind, width)
            assert left + long <= wide + 1, (kind, width)
            assert 0 <= float(text.get("y")) <= 700, (kind, width)


def test_a_picture_holds_any_text_and_no_number_at_all():
    strange = Chart("1", "图", "columns", ("<b>&", '"'), (Series("甲", (NAN, NAN)),), "件")
    root = picture(strange)
    assert "<b>&" in told_in(root)
    assert not list(root.iter("{*}rect"))
    for kind in ("bars", "lines", "dots", "ranks"):
        picture(dataclasses.replace(strange, kind=kind, categories=(), series=(Series("甲", ()),)))


# --- Canvases -----------------------------------------------------------------------------------


def test_a_canvas_says_what_it_covers_and_lets_no_text_become_markup():
    told = packet(title="<script>alert(1)</script>")
    for form in FORMS:
        page = canvas_page(told, form, "overall", "草稿", "/fonts.css")
        assert "<script" not in page
        assert page.count('data-ready="true"') == 1
        text = " ".join(html.fromstring(page).find("body").itertext())
        for word in (told.period, told.basis, told.cutoff, told.rules, told.data_version,
                     "演示数据", "草稿", "来源", "图1"):  # fmt: skip
            assert word in text
    assert "演示数据" not in canvas_page(packet(is_demo=False), "slide", COVER, "", "")
    with pytest.raises(KeyError):
        canvas_page(told, "slide", "nothing", "", "")


def test_the_answer_of_a_section_is_what_a_person_wrote_there():
    settled = edited(packet(), {"overall.1": "人写的。后面还有。"})
    section = settled.sections[0]
    assert answer_of(section, settled) == ("人写的", True)
    assert cards_of(section) == []
    assert answer_of(packet().sections[0], packet()) == ("全市解决率 88.9 %", False)
    assert [each.text for each, _ in cards_of(packet().sections[0])] == ["88.9 %"]
    # One that is changed elsewhere is told as it stands, not by rule.
    assert answer_of(Section("news", "新情况", ()), settled) is None


def test_a_long_answer_ends_where_a_part_of_it_ends():
    long = "，".join(["每一部分都不长"] * 30)
    section = Section("news", "新情况", (Paragraph("news.1", (long + "。",)),))
    text = answer_of(section, packet()).text
    assert len(text) <= LONGEST_TITLE + 2
    assert text.removesuffix("……").endswith("不长")


def test_a_table_that_does_not_fit_says_how_much_of_it_is_there():
    rows = tuple(
        (f"第{n}街道", Number(float(n), str(n)), Number(0.5, "50.0 %")) for n in range(900)
    )
    table = dataclasses.replace(packet().sections[0].tables[0], rows=rows)
    section = Section("rates_streets", "附表", (), (), (table,))
    page = canvas_page(packet(sections=(section,)), "slide", "rates_streets", "", "")
    shown = len(html.fromstring(page).findall(".//tbody/tr")) - 1
    assert 10 < shown < 900
    assert f"此处列前{shown}行，共900行" in page
    # The last row is always there.
    assert page.count('class="canvas-total"') == 1


def test_paper_has_its_margins_whatever_the_title_is():
    told = packet(title='甲"; } </style><b>\\')
    assert "</style>" not in paper_margins(told)
    assert paper_page(told, ["/a.css"]).count("</style>") == 1


# --- Files --------------------------------------------------------------------------------------


def settled_packet():
    return edited(packet(issuer="市政府督查室"), {"overall.1": FORMULA})


@pytest.mark.parametrize("make", [document, slides, annex])
def test_a_file_is_the_same_bytes_but_for_its_own_times(make):
    first = make(settled_packet(), MOMENT)
    assert make(from_json(to_json(settled_packet())), MOMENT) == first
    _all_times_are(first, "2021-04-13T01:30:00Z")
    later = make(settled_packet(), MOMENT + dt.timedelta(days=400))
    assert _without_times(later) == _without_times(first)


def _all_times_are(content, stamp):
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert {each.date_time for each in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for name in file.namelist():
            data = file.read(name)
            if name.endswith(".xlsx"):
                _all_times_are(data, stamp)
            elif name == "docProps/core.xml":
                times = re.findall(r"dcterms:(?:created|modified)[^>]*>([^<]+)<", data.decode())
                assert set(times) == {stamp}


def _without_times(content):
    parts = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        for name in file.namelist():
            data = file.read(name)
            parts[name] = (
                _without_times(data)
                if name.endswith(".xlsx")
                else re.sub(rb"20\d\d-\d\d-\d\dT[\d:]+Z", b"", data)
            )
    return parts


def test_word_has_the_text_the_tables_and_the_marks():
    content = document(settled_packet(), MOMENT)
    paper = Document(io.BytesIO(content))
    texts = [paragraph.text.replace("\u00a0", " ") for paragraph in paper.paragraphs]
    assert "市政府督查室" in texts
    assert f"{FORMULA}〔已改〕" in texts
    assert "一、总体情况" in texts
    assert "二、需领导决定的事项" in texts
    (comment,) = paper.comments
    assert comment.text.replace("\u00a0", " ") == "原稿：全市解决率 88.9 %。"
    rows = [
        [cell.text.replace("\u00a0", " ") for cell in row.cells] for row in paper.tables[0].rows
    ]
    assert rows == [
        ["区", "受理（件）", "率"], [FORMULA, "30", "50.0 %"], ["西城区", "12", "50.0 %"],
        ["汇总", "42", "—"],
    ]  # fmt: skip
    head, foot = paper.sections[0].header, paper.sections[0].footer
    assert "演示数据" in "".join(each.text for each in head.paragraphs)
    below = "".join(each.text for each in foot.paragraphs)
    assert "数据截至 2021-04-12" in below.replace("\u00a0", " ")
    assert "考核口径" in below
    assert "PAGE" in foot._element.xml
    assert "NUMPAGES" in foot._element.xml


def test_word_keeps_headings_and_tables_together_and_repeats_heads():
    paper = Document(io.BytesIO(document(packet(), MOMENT)))
    assert paper.styles["Heading 1"].paragraph_format.keep_with_next
    assert paper.styles["题注"].paragraph_format.keep_with_next
    rows = paper.tables[0]._tbl.findall(qn("w:tr"))
    assert rows[0].find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
    assert all(row.find(f"{qn('w:trPr')}/{qn('w:cantSplit')}") is not None for row in rows)
    assert all(next(row.iter(qn("w:keepNext")), None) is not None for row in rows)
    for name in ("Normal", "Heading 1", "表文"):
        fonts = paper.styles[name].element.rPr.rFonts
        assert fonts.get(qn("w:eastAsia")) in ("仿宋_GB2312", "黑体")
        assert fonts.get(qn("w:asciiTheme")) is None


def test_word_charts_are_native_and_carry_their_numbers():
    with zipfile.ZipFile(io.BytesIO(document(packet(), MOMENT))) as file:
        charts = sorted(name for name in file.namelist() if name.startswith("word/charts/chart"))
        books = sorted(name for name in file.namelist() if name.startswith("word/embeddings/"))
        assert len(charts) == len(books) == len(packet().sections[0].charts)
        assert not [name for name in file.namelist() if name.startswith("word/media/")]
        for chart_name, book_name in zip(charts, books, strict=True):
            relations = file.read(f"word/charts/_rels/{chart_name.split('/')[-1]}.rels").decode()
            assert book_name.split("/")[-1] in relations
            assert 'r:id="rId1"' in file.read(chart_name).decode()
            rows = CalamineWorkbook.from_filelike(io.BytesIO(file.read(book_name)))
            assert rows.get_sheet_by_index(0).to_python() == [
                ["", "甲"], ["东城", 3.0], ["西城", 2.0], ["朝阳", ""],
            ]  # fmt: skip
        dots = next(text for name in charts if b"errBars" in (text := file.read(name)))
        assert dots.index(b"c:errBars") < dots.index(b"<c:cat>")


def test_slides_are_wide_with_native_charts_and_a_foot():
    pack = Presentation(io.BytesIO(slides(packet(), MOMENT)))
    assert pack.slide_width / pack.slide_height == pytest.approx(16 / 9, rel=1e-3)
    drawn = [shape.chart for slide in pack.slides for shape in slide.shapes if shape.has_chart]
    assert [list(each.plots[0].series[0].values) for each in drawn] == [[3.0, 2.0, None]] * 5
    assert not [s for slide in pack.slides for s in slide.shapes if s.shape_type == 13]  # pictures
    tables = [shape.table for slide in pack.slides for shape in slide.shapes if shape.has_table]
    assert [cell.text for cell in tables[0].rows[1].cells] == [FORMULA, "30", "50.0 %"]
    for number, slide in enumerate(pack.slides, 1):
        words = " ".join(s.text_frame.text for s in slide.shapes if s.has_text_frame)
        assert "演示数据" in words
        assert "数据截至 2021-04-12" in words
        assert number == 1 or f"{number} / {len(pack.slides)}" in words
        for shape in slide.shapes:
            assert shape.left >= 0
            assert shape.left + shape.width <= pack.slide_width
            assert shape.top + shape.height <= pack.slide_height


def test_no_table_of_a_slide_runs_into_its_foot():
    rows = tuple((f"第{n}区" * 6, Number(float(n), str(n))) for n in range(44))
    table = Table("t", "长表", (TableColumn("区"), TableColumn("件", "count")), rows)
    section = Section(
        "overall", "总体情况", (Paragraph("overall.1", ("很长。" * 400,)),), (), (table,)
    )
    pack = Presentation(io.BytesIO(slides(packet(sections=(section,)), MOMENT)))
    shown = []
    for slide in pack.slides:
        for shape in slide.shapes:
            if shape.has_table:
                assert shape.top + shape.height <= Inches(6.65)
                shown += [row.cells[1].text for row in list(shape.table.rows)[1:]]
    assert shown == [str(n) for n in range(44)]


def test_the_annex_has_every_number_and_runs_nothing():
    content = annex(settled_packet(), MOMENT)
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert len(set(book.sheet_names)) == len(book.sheet_names) == 9
    assert max(map(len, book.sheet_names)) <= 31
    numbers = book.get_sheet_by_name("文中数字").to_python()
    assert numbers[1] == [
        "总体情况", "全市解决率", "88.9 %", 0.889, 11617.0, "解决率", "2021年第14周", "?period=a",
    ]  # fmt: skip
    words = book.get_sheet_by_name("文字").to_python()
    assert words[1] == ["总体情况", FORMULA, "已改", "全市解决率 88.9 %。"]
    table = book.get_sheet_by_name("表 各区： 受理").to_python()
    assert table[1] == [FORMULA, 30.0, 0.5]
    assert table[3] == ["汇总", 42.0, ""]
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        for name in file.namelist():
            if name.startswith("xl/worksheets/"):
                assert b"<f>" not in file.read(name)
                assert b"<hyperlink" not in file.read(name)


def test_without_libreoffice_a_pdf_is_refused_with_a_reason(monkeypatch):
    monkeypatch.setattr("components.exports.office_suite.shutil.which", lambda name: None)
    assert converter() is None
    with pytest.raises(ConversionError, match="LibreOffice"):
        pdf_of(b"", "docx")


@pytest.mark.skipif(converter() is None, reason="LibreOffice is not installed")
def test_word_becomes_a_pdf():
    made = pdf_of(document(packet(), MOMENT), "docx")
    assert made.startswith(b"%PDF")
    # Charts and text as vectors: no picture in it.
    assert b"/Subtype/Image" not in made.replace(b" ", b"")
