"""The page: what it holds, its checklist, its tables, and results that were kept by earlier commands."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from neurornn import figures, report
from neurornn.claim import card_of
from neurornn.cli import app
from neurornn.comparison.checklist import CHECKLIST, ENOUGH_FAMILIES
from neurornn.errors import FitError
from neurornn.library import find
from neurornn.page.checklist import FILLED_BY, lines, verdict
from neurornn.page.kept import keep, load_fit, load_network, page_of, write_run
from neurornn.page.section import section
from neurornn.page.table import table
from neurornn.recipe import load_fit_recipe
from neurornn.study import Findings
from tests.page_parts import HOSTILE, Told, a_fit, a_lesion

run = CliRunner()


def rows_of(html: str) -> dict[str, str]:
    """Each line of the checklist on a page, by key: its row."""
    return dict(re.findall(r'<tr id="line-(\w+)"(.*?)</tr>', html, flags=re.S))


def test_every_line_of_the_checklist_is_on_every_page() -> None:
    bare = rows_of(report(None, one=Told()).html)
    assert list(bare) == list(CHECKLIST) == list(FILLED_BY)
    assert all("not filled" in row and "unfilled" in row for row in bare.values())
    full = rows_of(report(None, one=Told({key: f"said of {key}" for key in CHECKLIST})).html)
    for key, row in full.items():
        assert f"said of {key}" in row and ">filled<" in row and 'href="#one"' in row


def test_what_the_results_say_fills_the_lines() -> None:
    rows = rows_of(report(a_fit(), lesion=a_lesion()).html)
    assert "1 trained network, seed 0" in rows["seeds"]
    assert "199 matched random sets" in rows["nulls"] and 'href="#lesion"' in rows["nulls"]
    assert "Silence of 2 of 24 units" in rows["generalisation"]
    assert "no replication over networks" in rows["interval"]
    assert "torch" in rows["manifest"] and "seed 0" in rows["manifest"]
    for key in ("split", "choices", "ceiling", "units", "effective", "matched", "families"):
        assert ("not filled" in rows[key] and "neurornn compare" in rows[key]) or key in ("matched", "families")


def test_three_families_must_be_seen_together() -> None:
    parts = {name: Told(families=(name,)) for name in ENOUGH_FAMILIES}
    for left_out in ENOUGH_FAMILIES:
        some = [section(name, part) for name, part in parts.items() if name != left_out]
        (line,) = (line for line in lines(some, "") if line.key == "families")
        assert not line.filled and line.fill.startswith("So far only ") and left_out not in line.fill.split(".")[0]
    (line,) = (line for line in lines([section(*part) for part in parts.items()], "") if line.key == "families")
    assert line.filled and line.answers[0].text == "Dynamics, geometry, mapping."


def test_the_verdict_counts() -> None:
    some = lines([section("one", Told({"split": "whole trials"}))], "")
    assert verdict(some).startswith("1 of 12 lines are filled by the results on this page; 11 are not")
    assert "All 12" in verdict(lines([section("one", Told(dict.fromkeys(CHECKLIST, "yes")))], ""))


def test_a_line_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Told.checklist: `key` must be a line of the checklist; got 'ceilin'"):
        report(None, one=Told({"ceilin": "x"}))


def test_words_of_strangers_are_words() -> None:
    html = report(None, title=HOSTILE, notes=[HOSTILE], one=Told(methods=HOSTILE, references=(HOSTILE,))).html
    assert "<script" not in html and "example.com/x.png&#34;" in html
    assert html.count("<style>") == html.count("</style>") == 1
    assert not re.findall(r'src="(?!data:)', html)


def test_each_part_has_a_place_methods_and_a_table() -> None:
    html = report(a_fit(), lesion=a_lesion(), odd=Told(), quantities={"a_number": 0.12345, "no_number": np.nan}).html
    for anchor in ("training", "lesion", "odd", "quantities", "checklist", "references", "again"):
        assert f'<li><a href="#{anchor}">' in html and f'<h2 id="{anchor}">' in html
    assert "<code>numpy</code>" in html, "backticks are set as code"
    assert "the first 40 of 50 rows" in html and html.count("<figure>") == 3
    assert re.findall(r"Figure (\d)\. ", html) == ["1", "2", "3"]
    assert "Trained for 3 steps of 4 new trials each, Adam" in html
    assert '<th scope="row">a_number</th><td>0.123</td>' in html and "<td></td>" in html


def test_references_say_what_they_are_cited_for() -> None:
    html = report(None, odd=Told(), cited={"10.1038/s41593-018-0310-2": ["LeakyRate"], "https://a.b/c": ["data"]}).html
    assert re.search(r'doi.org/10.1038/s41593-018-0310-2">.*?</a> <span class="small">Odd, LeakyRate</span>', html)
    assert '<a href="https://a.b/c">https://a.b/c</a> <span class="small">data</span>' in html


def test_cells_are_readable() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "none": [np.nan, np.nan],
            "n": [3, 4],
            "x": [1234.5678, np.nan],
            "units": [(1, 2), tuple(range(20))],
        },
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["kind", None]),
    )
    shown = table(frame)
    assert shown.head == ("kind", "", "flag", "n", "x", "units")
    assert shown.rows[0] == ("a", "1", "yes", "3", "1,235", "1, 2")
    assert shown.rows[1][4] == "" and shown.rows[1][5].endswith("11 ... (20)")
    assert not any(shown.words) and table(pd.DataFrame({"a": ["two words"]})).words == (True,)
    assert table(frame.reset_index(drop=True), most=1).rest == "the first 1 of 2 rows"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    findings = Findings(
        {"score": 0.5, "never": float("inf")},
        a_fit(),
        pd.DataFrame({"network": ["0.50"], "null": [""]}, index=["score"]),
        {"hurt": a_lesion()},
        ("A note with `code`.",),
        "A run",
    )
    write_run(tmp_path / "run", findings, recipe="odd, size small", cited={"10.1/x": ("Cell",)})
    return tmp_path / "run"


def test_a_run_is_whole_and_its_page_comes_back(folder: Path) -> None:
    first = (folder / "report.html").read_text(encoding="utf-8")
    names = {path.name for path in folder.iterdir()}
    assert names == {"fit", "results", "page.json", "report.html", "hurt.csv", "quantities.csv"}
    assert page_of(folder).html == first == page_of(folder / "fit").html
    for text in ("<h1>A run</h1>", "A note with <code>code</code>", "recipe odd, size small", "0.50", "10.1/x", "inf"):
        assert text in first
    assert pd.read_csv(folder / "quantities.csv")["value"].tolist() == [0.5, np.inf]


def test_commands_add_to_the_page(folder: Path) -> None:
    told = run.invoke(app, ["lesion", str(folder), "--units", "0,2", "--controls", "0"])
    assert told.exit_code == 0 and "neurornn report" in told.output
    told = run.invoke(app, ["report", str(folder)])
    assert told.exit_code == 0, told.output
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Lesion: 0,2" in html and '<h2 id="hurt">' in html
    assert html.index('<h2 id="hurt">') < html.index('<h2 id="lesion-0-2">'), "what the study measured comes first"
    run.invoke(app, ["report", str(folder), "--to", str(folder / "other.html")])
    assert (folder / "other.html").read_text(encoding="utf-8") == html


def test_results_of_another_fit_are_left_out_and_named(folder: Path) -> None:
    a_fit().untrained(5).save(folder / "fit")
    html = page_of(folder).html
    assert "Left out, as they were measured of another fit: Hurt." in html and '<h2 id="hurt">' not in html
    assert "Nothing was measured of this fit yet." in html and "neurornn lesion" in html


def test_a_fit_that_was_saved_alone_has_a_page(tmp_path: Path) -> None:
    a_fit().save(tmp_path / "mine")
    assert "Nothing was measured of this fit yet." in page_of(tmp_path / "mine").html
    assert keep(tmp_path / "mine", "odd", Told()) == tmp_path / "mine" / "results" / "odd.json"
    assert '<h2 id="odd">' in page_of(tmp_path / "mine").html


def test_results_without_a_fit_have_a_page(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Findings({"a": 1.0}, parts={"odd": Told({"split": "by trial"})}, title="No fit"))
    html = page_of(tmp_path / "run").html
    assert "<h1>No fit</h1>" in html and '<h2 id="odd">' in html and "by trial" in html
    with pytest.raises(FitError, match=r"run: holds no fit. Give a folder that `neurornn fit` wrote"):
        load_fit(tmp_path / "run")


def test_the_table_at_the_top_is_read_not_computed_with(tmp_path: Path) -> None:
    headline = pd.DataFrame(
        {"bits/spike": [0.7560557361504392, 2.0], "kept": ["4 of 4", "3 of 4"]}, index=["ln", "cnn"]
    )
    write_run(tmp_path / "run", Findings({}, parts={"odd": Told()}, headline=headline))
    html = page_of(tmp_path / "run").html
    assert "0.756" in html and "0.75605" not in html and "4 of 4" in html
    doubled = pd.concat({"place cell": headline, "without": headline}, axis=1).rename_axis("with")
    write_run(tmp_path / "two", Findings({}, parts={"odd": Told()}, headline=doubled))
    html = page_of(tmp_path / "two").html
    assert "place cell bits/spike" in html and "place cell.1" not in html


def test_where_nothing_is_found_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"holds no fit and no results. Run `neurornn fit NAME --out "):
        page_of(tmp_path)
    assert run.invoke(app, ["report", str(tmp_path / "nowhere")]).exit_code == 2


def test_a_claim_that_was_checked_shows_its_gates(tmp_path: Path) -> None:
    recipe = find("fits", "timescales_spiking")
    digest = load_fit_recipe(recipe).sized("small").digest()
    card = card_of(recipe, "small", digest)
    assert card is not None and card_of(recipe, "small", "other") is None and card_of(recipe, "full", digest) is None
    write_run(tmp_path, Findings({}, parts={"odd": Told()}), card=card)
    html = page_of(tmp_path).html
    assert html.index('<h2 id="odd">') < html.index('<h2 id="claim">')
    for gate in card["gates"]:
        assert gate["quantity"] in html and gate["because"].split(",")[0] in html
    assert "neurornn check timescales_spiking" in html and "3 trained networks" in rows_of(html)["seeds"]


def test_a_command_that_needs_a_network_says_so(tmp_path: Path) -> None:
    from neurornn import GLM, Evoked, fit_encoding

    rng = np.random.default_rng(0)
    evoked = Evoked(rng.normal(size=(300, 1)), rng.poisson(0.5, size=(1, 300, 1)).astype(float), dt=1.0)
    fit_encoding(GLM(1, (1,), lags=2), evoked, progress=False).save(tmp_path)
    with pytest.raises(FitError, match=r"holds a EncodingFit, not a trained network. Give the folder of one."):
        load_network(tmp_path)
    html = page_of(tmp_path).html
    assert "GLM of 1 neurons" in html and "Poisson likelihood" in html


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda told: told["section"].pop("title"), "hurt.json: `section.title` is damaged .* Measure it again."),
        (lambda told: told.update(format=9), "written in format 9, which this version does not read. Measure it"),
        (lambda told: told["section"]["checklist"].update(splitt="x"), "'splitt' is no line of the checklist"),
        (
            lambda told: told["section"]["figures"][0].update(svg='"><script>'),
            "a figure is not base64, so the file was changed or damaged. Measure it again.",
        ),
    ],
)
def test_a_damaged_result_is_refused(folder: Path, change, match: str) -> None:
    path = folder / "results" / "hurt.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(FitError, match=match):
        page_of(folder)


def test_a_truncated_result_is_refused(folder: Path) -> None:
    path = folder / "results" / "hurt.json"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FitError, match=r"hurt.json: `content` is damaged .* Measure it again."):
        page_of(folder)


@pytest.mark.parametrize("kind", [kind for kind in figures.registry if kind is not object], ids=lambda k: k.__name__)
def test_whatever_can_be_drawn_says_how_it_was_made(kind: type) -> None:
    for name in ("frame", "methods"):
        assert hasattr(kind, name) or name in {one.name for one in fields(kind)}, f"{kind.__name__} has no `{name}`"


def test_the_methods_of_a_fit_say_how_it_was_kept() -> None:
    fit = a_fit()
    training = {**fit.recipe["training"], "validate_every": 5, "patience": 3, "clip": 0.0}
    told = replace(fit, recipe={**fit.recipe, "training": training}).methods
    assert "every 5 steps; the best weights within 3 validations were kept." in told and "not clipped" in told
    terms = {"a": {"type": "SquaredError"}, "b": {"type": "RatePenalty"}}
    told = replace(fit, recipe={**fit.recipe, "objective": {"terms": terms, "weights": {"b": 0.1}}}).methods
    assert "Minimised: mean squared error + 0.1 x rate penalty." in told
    assert fit.untrained(4).methods == "Untrained weights, seed 4."
