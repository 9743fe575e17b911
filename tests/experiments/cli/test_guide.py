import json

from experiments.cli.main import main


def test_commands_print(capsys):
    assert main(["configs"]) == 0
    assert "digits_ppo" in capsys.readouterr().out
    assert main(["configs", "--json"]) == 0
    assert {"digits_ppo", "coco_small"} <= {each["name"] for each in json.loads(capsys.readouterr().out)}
    assert main(["config", "digits_ppo"]) == 0
    assert capsys.readouterr().out.startswith("# The configuration digits_ppo of `nas search`.")
    assert main(["config", "digits_pop"]) == 2
    assert "did you mean digits_ppo" in capsys.readouterr().err
    assert main(["schema", "train"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "configuration of nas train"
    assert main(["schema", "nothing"]) == 2
    assert main(["plugins"]) == 0
    assert "sep_conv_7x7" in capsys.readouterr().out
