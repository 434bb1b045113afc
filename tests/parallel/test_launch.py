"""Which processes are meant, by flags and by the environments of clusters."""

import pytest
import yaml
from places import REPOSITORY

from jaxcnn.errors import StartError
from jaxcnn.parallel.launch import Launch, plan
from jaxcnn.run.command import command

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "16",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_STEP_NODELIST": "n[1-2]",
}


FLAGS = {"coordinator_address": "10.0.0.1:1234", "num_processes": 4, "process_id": 2}


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({}, {}, None),
        (FLAGS, {}, FLAGS | {"cluster_detection_method": "deactivate"}),
        (FLAGS, SLURM, FLAGS | {"cluster_detection_method": "deactivate"}),
        ({"num_processes": 1}, SLURM, None),
        ({}, SLURM, {"num_processes": 16, "cluster_detection_method": "slurm"}),
        (
            {},
            SLURM | {"SLURM_STEP_NUM_TASKS": "1"},
            None,
        ),  # an interactive shell inside an allocation of 16
        ({}, {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"}, None),
        ({}, {"OMPI_COMM_WORLD_SIZE": "4"}, {"cluster_detection_method": "ompi"}),
        (
            {},
            {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_ML_PLATFORM": "JAX", "JOB_COMPLETION_INDEX": "0"},
            {},
        ),
        ({}, {"TPU_WORKER_HOSTNAMES": "localhost", "TPU_ML_PLATFORM": "JAX"}, None),
        (
            {},
            {"TPU_ML_PLATFORM": "JAX"},
            {},
        ),  # a Cloud TPU VM: its metadata server says how many hosts there are
        ({}, {"TPU_SKIP_MDS_QUERY": "1"}, None),
        (
            {},
            {
                "JOB_COMPLETION_INDEX": "2",
                "JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234",
                "JAX_NUM_PROCESSES": "4",
            },
            FLAGS | {"cluster_detection_method": "deactivate"},
        ),
        ({}, {"JOB_COMPLETION_INDEX": "0", "JAX_NUM_PROCESSES": "1"}, None),
    ],
)
def test_several_processes_only_where_they_are_meant(flags, environment, expected):
    assert plan(Launch(**flags), environment) == expected


@pytest.mark.parametrize(
    ("flags", "environment", "sentence"),
    [
        (
            {"num_processes": 2},
            {},
            "--coordinator_address and --process_id missing; give .* or none of them",
        ),
        ({"process_id": 0}, {}, "--coordinator_address and --num_processes missing"),
        (
            FLAGS | {"process_id": 4},
            {},
            "--process_id is 4 and --num_processes 4; processes count from 0 to 3",
        ),
        (
            FLAGS | {"coordinator_address": "10.0.0.1"},
            {},
            "--coordinator_address is '10.0.0.1'; it must read host:port",
        ),
        (
            {},
            {"SLURM_NTASKS": "8"},
            "Slurm gave 8 tasks, but this is not one of them; start it with srun",
        ),
        (
            {},
            {"JOB_COMPLETION_INDEX": "0"},
            "set JAX_COORDINATOR_ADDRESS=host:port and JAX_NUM_PROCESSES",
        ),
    ],
)
def test_half_a_start_is_one_sentence(flags, environment, sentence):
    with pytest.raises(StartError, match=sentence):
        plan(Launch(**flags), environment)


def test_the_command_line_takes_them():
    argv = [
        "main",
        "--config=configs/lenet.py",
        "--workdir=w",
        *(f"--{name}={value}" for name, value in FLAGS.items()),
    ]
    assert command([*argv, "--start_timeout=7"]).launch == Launch(**FLAGS, start_timeout=7)
    assert command(argv[:3]).launch == Launch()


def test_a_count_in_the_environment_that_is_no_number_is_one_sentence():
    with pytest.raises(StartError, match="SLURM_NTASKS is 'two'; it must be a whole number"):
        plan(Launch(), {"SLURM_NTASKS": "two"})


def test_the_jobset_starts_as_many_processes_as_it_says():
    jobset = yaml.safe_load((REPOSITORY / "scripts" / "jobset.yaml").read_text())
    job = jobset["spec"]["replicatedJobs"][0]
    spec = job["template"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    given = {entry["name"]: str(entry["value"]) for entry in container["env"] if "value" in entry}
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec[
        "completions"
    ] == int(given["JAX_NUM_PROCESSES"])
    host = f"{jobset['metadata']['name']}-{job['name']}-0-0.{jobset['metadata']['name']}"
    assert given["JAX_COORDINATOR_ADDRESS"].split(":")[0] == host
    planned = plan(
        Launch(), given | {"JOB_COMPLETION_INDEX": "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    )
    assert planned is not None
    assert (planned["num_processes"], planned["process_id"]) == (spec["parallelism"], 1)
    actions = [
        rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        if 75 in rule.get("onExitCodes", {}).get("values", [])
    ]
    assert actions == ["Ignore"]
