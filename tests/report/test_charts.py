"""Every chart is a valid specification of Vega-Lite, by the schema that altair has."""

import json
from importlib.resources import files

import pytest
from report.renderers.test_page import facts

from evo_ensyth.report.charts.disagreement import disagreement_chart
from evo_ensyth.report.charts.front import front_chart
from evo_ensyth.report.charts.front_rows import front_data
from evo_ensyth.report.charts.history import history_chart
from evo_ensyth.report.notebook import VEGA_LITE


@pytest.fixture(scope="module")
def schema():
    altair = pytest.importorskip("altair", reason="altair is not installed, which has the schema of Vega-Lite")
    from jsonschema import Draft7Validator

    text = (files(altair) / "vegalite" / "v6" / "schema" / "vega-lite-schema.json").read_text("utf-8")
    return Draft7Validator(json.loads(text))


@pytest.mark.parametrize("goals", [("error", "ms"), ("ms", "bytes"), ("error", "ms", "bytes")])
def test_charts_of_a_run_are_valid(schema, goals):
    shown = facts(goals=goals)
    schema.validate(front_chart(shown, front_data(shown)))
    schema.validate(shown.main._repr_mimebundle_()[VEGA_LITE])
    schema.validate(shown.main.front._repr_mimebundle_()[VEGA_LITE])


def test_other_charts_are_valid_and_what_is_not_is_found(schema):
    schema.validate(history_chart())
    schema.validate(disagreement_chart(["a", "b"]))
    assert not schema.is_valid({**history_chart(), "mark": "lines"})
