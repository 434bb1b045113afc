"""The launchers for Slurm and Cloud TPU, with stubs in place of srun, scontrol and gcloud."""

import os
import subprocess
import time

import pytest
from places import REPOSITORY


@pytest.mark.parametrize("name", ["launch_slurm.sh", "launch_tpu_pod.sh"])
def test_launch_scripts_are_bash(name):
    path = REPOSITORY / "scripts" / name
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "jaxcnn.main" in path.read_text()


@pytest.mark.parametrize(
    ("script", "stub", "environment"),
    [
        ("launch_slurm.sh", "srun", {"SLURM_JOB_ID": "5"}),
        ("launch_tpu_pod.sh", "gcloud", {"TPU": "slice", "ZONE": "zone"}),
    ],
)
def test_launch_scripts_pass_a_signal_on_and_the_exit_code_back(
    tmp_path, script, stub, environment
):
    place = tmp_path / "bin"
    place.mkdir()
    bodies = {
        "srun": f"""trap 'exit 75' TERM
            echo "$@" > {tmp_path}/said; while true; do sleep 0.1; done""",
        "scontrol": f'echo "$@" > {tmp_path}/requeued; exit 1',
        "gcloud": f"""case "$*" in *pkill*) touch {tmp_path}/stop;; *) echo "$@" > {tmp_path}/said
            until [ -f {tmp_path}/stop ]; do sleep 0.1; done; exit 75;; esac""",
    }
    for name, body in bodies.items():
        (place / name).write_text(f"#!/bin/bash\n{body}\n")
        (place / name).chmod(0o755)
    path = {"PATH": f"{place}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["bash", str(REPOSITORY / "scripts" / script), "--workdir=a b"],
        env=os.environ | environment | path,
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "said").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=30) == 75
    said = (tmp_path / "said").read_text()
    assert "jaxcnn.main --workdir=a" in said and (tmp_path / "requeued").is_file() == (
        stub == "srun"
    )


def test_launch_scripts_say_what_is_missing():
    for script, environment in (
        ("launch_slurm.sh", {}),
        ("launch_tpu_pod.sh", {}),
        ("launch_slurm.sh", {"SLURM_JOB_ID": ""}),
    ):
        command = [
            "bash",
            str(REPOSITORY / "scripts" / script),
            *(["--workdir=x"] if environment else []),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=20
        )
        assert done.returncode == 2 and done.stderr.startswith(
            ("usage: ", "error: this is not a Slurm job")
        )
