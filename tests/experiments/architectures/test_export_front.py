from __future__ import annotations

import json

from experiments.architectures.export_front import export_front
from experiments.architectures.find import NetworkOptions
from experiments.runs.run_folder import RunFolder
from nas.ledger.writer import Ledger
from nas.trial import Success


def test_every_member_is_exported_as_the_network_that_was_measured(tmp_path, make_trial):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    objectives = {"names": ["accuracy", "parameters"], "latency": {"stack": "1x4", "image_size": 16}}
    folder.write_config({"search": {"num_trials": 2}, "objectives": objectives})
    with Ledger(folder.ledger) as ledger:
        ledger.append_asked([make_trial(0), make_trial(1)])
        ledger.append_finished(Success(0, 0.5, 10))
        ledger.append_finished(Success(1, 0.9, 30))
    out = tmp_path / "front"
    files = export_front(folder.path, out, NetworkOptions())
    assert [path.name for path in files] == ["01-trial-1", "02-trial-0", "front.json", "front.svg"]
    assert all((out / name / "model.py").is_file() for name in ("01-trial-1", "02-trial-0"))
    network = json.loads((out / "01-trial-1" / "network.json").read_text())
    assert "16" in json.dumps(network)
