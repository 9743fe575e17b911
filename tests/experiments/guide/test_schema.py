import pytest

from experiments.guide.schema import config_schema
from experiments.guide.settings import CONFIGS


@pytest.mark.parametrize("command", CONFIGS)
def test_the_schema_names_every_setting(command):
    schema = config_schema(command)
    kind = CONFIGS[command].kind
    assert list(schema["properties"]) == list(kind.sections)
    assert schema["properties"]["network"]["properties"]["num_filters"]["minimum"] == 2
    assert "Default 32" in schema["properties"]["network"]["properties"]["num_filters"]["description"]
    if command == "search":
        controller = schema["properties"]["controller"]["anyOf"][1]["properties"]
        assert "clip" in controller
        assert "ppo" in controller["name"]["anyOf"][0]["enum"]
