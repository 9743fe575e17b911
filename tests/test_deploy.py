"""Checks deploy/ and docs/cluster.md as far as possible without a cluster."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import typer
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from experiments.cli.main import app
from experiments.config.documents import apply_setting, load_document
from experiments.config.kinds import SEARCH
from experiments.config.search_config import SearchConfig

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("nas", "search_spaces", "controllers", "workers", "experiments")
RAY_CLUSTER = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
RAY_JOB = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())

PAGES = [DEPLOY / "Containerfile", DEPLOY / "rayjob.yaml", DEPLOY / "ray-cluster.yaml", ROOT / "docs" / "cluster.md"]
COMMAND = re.compile(r"(?:^|[\s'\"])((?:nas|ray|kubectl|podman) [a-z-]+\b[^#`'\n]*)", re.MULTILINE)


def commands(path):
    """Returns the commands of a file, with continuation lines joined; of a Markdown page those in code blocks."""
    text = path.read_text()
    if path.suffix == ".md":
        text = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    text = re.sub(r"\\\n(?:#\s*)?", " ", text)
    if path.name == "rayjob.yaml":
        text = re.sub(r"entrypoint: >-\n(?:.*\n)*?(?=  #)", f"entrypoint: {RAY_JOB['spec']['entrypoint']}\n", text)
    return [" ".join(found.split()) for found in COMMAND.findall(text)]


ALL = [(path.name, command) for path in PAGES for command in commands(path)]
SUBMITTED = [(page, command.partition(" -- ")[2]) for page, command in ALL if " -- nas " in command]
OF_NAS = [
    (page, command)
    for page, command in (*ALL, *SUBMITTED)
    if command.startswith("nas ") and not command.startswith("nas nas")
]
OF_RAY = [(page, command) for page, command in ALL if command.startswith("ray ")]


def parse(group, words):
    """Parses a command as click would before running it: names, options and types must be valid."""
    context = click.Context(group, info_name="program")
    while isinstance(group, click.Group) or hasattr(group, "get_command"):
        name, *words = words
        command = group.get_command(context, name)
        assert command is not None, f"there is no command {name}"
        group = command
    return group.make_context(group.name, list(words), parent=context).params


def test_commands_are_found():
    assert {page for page, _ in OF_NAS} >= {"rayjob.yaml", "ray-cluster.yaml", "cluster.md"}
    assert len(OF_NAS) >= 8
    assert len(OF_RAY) >= 8


@pytest.mark.parametrize(("page", "command"), OF_NAS)
def test_nas_commands_are_valid(page, command):
    words = shlex.split(command)[1:]
    settings = parse(typer.main.get_command(app), words)
    if words[0] == "search":
        document = load_document(settings["config"], SEARCH)
        for setting in settings["settings"] or ():
            apply_setting(document, setting)
        SearchConfig.parse(document)


@pytest.mark.parametrize(("page", "command"), OF_RAY)
def test_ray_commands_are_valid(page, command):
    words = shlex.split(command.split(";")[0].split("&")[0])[1:]
    parse(ray_cli, [word.replace("$RAY_HEAD_IP", "10.0.0.1") for word in words])


def test_the_cluster_file_matches_the_schema_of_ray(monkeypatch):
    monkeypatch.chdir(ROOT)
    validate_config(prepare_config(RAY_CLUSTER))
    broken = {**RAY_CLUSTER, "max_worker": 3}
    with pytest.raises(Exception, match="max_worker"):
        validate_config(broken)


def test_the_cluster_file_is_consistent():
    types = RAY_CLUSTER["available_node_types"]
    head, gpu = types.pop("head"), types.pop("gpu")
    assert not types
    assert RAY_CLUSTER["head_node_type"] == "head"
    assert head["resources"] == {"CPU": 0}
    assert gpu["max_workers"] == RAY_CLUSTER["max_workers"]
    assert min_workers(ROOT / "deploy" / "ray-cluster.yaml") == num_trials(gpu["resources"], RAY_CLUSTER["max_workers"])
    assert "--dashboard-host=127.0.0.1" in " ".join(RAY_CLUSTER["head_start_ray_commands"])


def num_trials(resources, num_nodes):
    """The number of cifar10_ppo trials that the nodes hold at a time."""
    workers = SearchConfig.parse(load_document("cifar10_ppo", SEARCH)).workers
    return num_nodes * int(min(resources["CPU"] / workers.cpus, resources["GPU"] / workers.gpus))


def min_workers(path):
    (found,) = {int(number) for number in re.findall(r"workers\.min_workers=(\d+)", path.read_text())}
    return found


def test_the_job_file_has_the_fields_of_kuberay():
    assert (RAY_JOB["apiVersion"], RAY_JOB["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", RAY_JOB["metadata"]["name"])
    spec = RAY_JOB["spec"]
    assert set(spec) <= {
        *("entrypoint", "rayClusterSpec", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit"),
        *("activeDeadlineSeconds", "runtimeEnvYAML", "submissionMode", "submitterPodTemplate", "jobId", "suspend"),
    }
    cluster = spec["rayClusterSpec"]
    assert set(cluster) <= {
        *("rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"),
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", cluster["rayVersion"])
    (group,) = cluster["workerGroupSpecs"]
    assert set(group) == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for part in (cluster["headGroupSpec"], group):
        assert all(type(value) is str for value in part["rayStartParams"].values())  # KubeRay accepts strings only
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_pods_of_the_job_share_an_image_and_a_volume():
    cluster = RAY_JOB["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    images = set()
    for part in (cluster["headGroupSpec"], group):
        pod = part["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}["shared"] == "/shared"
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == "nas-shared"
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert len(images) == 1
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    resources = {"CPU": int(limits["cpu"]), "GPU": int(limits["nvidia.com/gpu"])}
    assert min_workers(DEPLOY / "rayjob.yaml") == num_trials(resources, group["maxReplicas"])
    assert "--out /shared/" in RAY_JOB["spec"]["entrypoint"]
    assert "--address auto" in RAY_JOB["spec"]["entrypoint"]


def instructions():
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_container_file_copies_existing_files():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions()} <= known
    stages, copied = set(), set()
    for name, value in instructions():
        if name == "FROM":
            image, *alias = value.split(" AS ")
            assert tuple(map(int, re.search(r"python:(\d+)\.(\d+)-", image).groups())) >= (3, 11)
            stages |= set(alias)
        elif name == "COPY" and value.startswith("--from="):
            assert value.split()[0].removeprefix("--from=") in stages
        elif name == "COPY":
            *sources, _ = value.split()
            copied |= set(sources)
            assert all((ROOT / source).exists() for source in sources)
    project = PYPROJECT["project"]
    assert copied >= {*PACKAGES, "pyproject.toml", project["readme"], *project["license-files"]}


def test_the_entry_point_of_the_container_is_the_command():
    found = dict(instructions())
    (script,) = yaml.safe_load(found["ENTRYPOINT"])
    assert script in PYPROJECT["project"]["scripts"]
    assert found["USER"] != "root"
