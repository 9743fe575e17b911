import subprocess
import sys
from pathlib import Path

import nas
import nas.export

ROOT = Path(__file__).parents[2]


def test_search_is_a_module_and_a_function():
    code = (
        "import nas.search\nfrom nas.search import SearchPlan, search\nimport nas\n"
        "space = nas.TINY\n"
        "with nas.SerialPool(lambda trial: 0.5) as pool:\n"
        "    controller = nas.RandomSearch(space.choices, seed=0)\n"
        "    print(len(list(nas.search(space, controller, pool, SearchPlan(nas.Fidelity(), num_trials=2)))))\n"
        "print(nas.search.search is search)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "True"]


def test_a_package_is_called_as_the_function_of_its_name(tmp_path):
    files = nas.export("nasnet-a", tmp_path / "exported")
    assert files[0] == tmp_path / "exported" / nas.export.folder.MODEL_FILE
