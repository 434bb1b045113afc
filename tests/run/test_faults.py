"""Faults of disks, files and people: each ends in one sentence and loses nothing that was saved. docs/reliability.md lists them all."""

import io
import json
import os
import pickle
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zlib

import cv2
import jax
import numpy as np
import pytest
from places import REPOSITORY

from jaxcnn import create_model, main
from jaxcnn.checkpoint import checksums, manager
from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, train_view, with_short_side
from jaxcnn.data.pipeline import stream
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.prepare import write
from jaxcnn.data.prepare.entries import TRAIN, list_folder, list_ilsvrc
from jaxcnn.data.prepare.tfrecords import read_tfrecords
from jaxcnn.data.sources import open
from jaxcnn.draw import plots
from jaxcnn.draw.contact_sheet import contact_sheet
from jaxcnn.errors import CheckpointError, DataError, RunError, UnreadableError
from jaxcnn.parallel import mesh as sharding
from jaxcnn.run import events as events_lib
from jaxcnn.run import logs
from jaxcnn.run import workdir as workdir_lib
from jaxcnn.train import loop, optim, preflight
from jaxcnn.train import state as state_lib

SMALL = (
    "data.batch_size=64",
    "optim.steps=12",
    "checkpoint_every=0.13",
    "eval_every=99",
    "log_every=3",
    "tensorboard=False",
)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """One device, no pictures, no optimizing: these runs last for seconds."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    one = sharding.make_mesh
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "make_mesh", lambda wanted: one(wanted, jax.devices()[:1]))
        patch.setattr(plots, "of_run", lambda *_: [])
        patch.setattr(preflight, "sheet", lambda *_: None)
        patch.chdir(REPOSITORY)
        yield
    jax.config.update("jax_disable_most_optimizations", optimizing)


def run(workdir, *settings):
    """The exit code of `jaxcnn.main`: digits, 12 steps, a checkpoint every third."""
    return main.main(
        [
            "main",
            "--config=configs/lenet.py",
            f"--workdir={workdir}",
            *(f"--config.{s}" for s in (*SMALL, *settings)),
        ]
    )


def digest(workdir):
    return logs.read_metrics(workdir)[-1]["digest"]


def saved(workdir):
    return sorted(int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit())


def one_sentence(text, *words):
    """Whether `text`, what was said on stderr, is a single line that has `words`, and that no terminal would obey."""
    line = text.removesuffix("\n")
    return line.startswith("error: ") and line.isprintable() and all(word in line for word in words)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert run(workdir) == 0
    return workdir


# Runs that are killed or stopped


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Where tests/support/sittings.py works: its undisturbed run and its compiled programs serve several tests."""
    return tmp_path_factory.mktemp("sittings")


def sittings(which, folder, *before):
    """What tests/support/sittings.py found, in a process of its own without the test's eight devices."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": str(REPOSITORY),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }  # fmt: skip
    command = [*before, sys.executable, "tests/support/sittings.py", which, str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_killed_in_the_middle_of_writing_checkpoints(shared):
    found = sittings("kills", shared)
    assert found["last"]["code"] == 0, found
    assert [kill["code"] for kill in found["kills"]] == [-signal.SIGKILL] * 3
    assert (
        sum(bool(kill["unfinished"]) for kill in found["kills"]) >= 2
    )  # they hit what they aimed at
    newest = [max(kill["steps"], default=0) for kill in found["kills"]]
    assert (
        newest == sorted(newest) and newest[-1] >= 6
    )  # what was complete stayed, and each sitting went on from it
    assert f"resuming at step {newest[-1]} of 18" in found["last"]["said"]
    assert found["killed_digest"] == found["digest"] and found["left"] == []


def test_a_second_signal_ends_at_once_and_loses_nothing_saved(
    undisturbed, tmp_path, monkeypatch, capsys
):
    log_row = loop.Run._log

    def log_and_be_asked_twice(self, meter, step_number, *rest):
        log_row(self, meter, step_number, *rest)
        if step_number == 9:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Run, "_log", log_and_be_asked_twice)
    assert run(tmp_path) == main.EXIT_KILLED == 130
    assert (
        capsys.readouterr().err
        == "interrupted at once; the newest checkpoint stands and the same command goes on from it\n"
    )
    monkeypatch.undo()
    deadline = (
        time.monotonic() + 10
    )  # a process that ended took its save along; this one lives on, and so may a save on its way
    while list(tmp_path.rglob("*orbax-checkpoint-tmp*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run(tmp_path) == 0 and digest(tmp_path) == digest(undisturbed)


# Disks


@pytest.mark.slow
def test_a_disk_that_fills_up_and_one_that_is_read_only(shared):
    """On real file systems, in a mount namespace of their own: also for root, who may write where permissions forbid it."""
    mounts = 'mount -t tmpfs -o size=6m none "$0/disk" && mount -t tmpfs -o ro none "$0/read_only"'
    for name in ("disk", "read_only"):
        (shared / name).mkdir()
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare here, to mount small disks in a namespace")
    tried = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounts, shared], capture_output=True, text=True
    )
    if tried.returncode:
        pytest.skip(
            f"this machine lets nobody mount small disks in a namespace: {tried.stderr.strip()}"
        )
    found = sittings(
        "full", shared, "unshare", "-rm", "sh", "-c", f'{mounts} && exec "$@"', str(shared)
    )
    said = found["full"]["said"].splitlines()
    assert found["full"]["code"] == 1 and one_sentence(said[-1], "No space left on device"), found[
        "full"
    ]
    assert [line for line in said if not line.startswith(("lenet,", "step "))] == said[
        -1:
    ]  # and nothing of the libraries' own
    assert found["steps"] == [3]
    assert found["again"]["code"] == 0 and "resuming at step 3" in found["again"]["said"]
    assert found["full_digest"] == found["digest"]
    for sitting in found["read_only"]:
        assert sitting["code"] == 1 and one_sentence(
            sitting["said"], "cannot be written: Read-only file system", "--workdir"
        )


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # what TensorStore leaves behind; `main` alone is silent
def test_a_save_that_cannot_be_written(undisturbed, tmp_path, monkeypatch, capsys):
    """Everywhere: the kernel refuses files above 64 KiB from the second save on, as a quota would."""
    save, limits, saves = manager.Checkpointer.save, resource.getrlimit(resource.RLIMIT_FSIZE), []

    def refused(self, *given):
        saves.append(given)
        if len(saves) == 2:
            self.poll(wait=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        save(self, *given)

    monkeypatch.setattr(manager.Checkpointer, "save", refused)
    try:
        assert run(tmp_path) == main.EXIT_FAILED == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert one_sentence(
        said, "File too large", "the newest complete one is step 3", "run the same command again"
    ), said
    monkeypatch.undo()
    assert saved(tmp_path) == [3]
    assert run(tmp_path) == 0 and digest(tmp_path) == digest(undisturbed)


def test_a_workdir_that_nobody_can_write(capsys):
    assert run("/proc/self/run") == run("/proc/self") == 1
    for line in capsys.readouterr().err.splitlines():
        assert one_sentence(
            line, "the workdir /proc/self", "cannot be written", "choose another with --workdir"
        )


def test_the_space_that_a_run_has_taken_is_not_asked_for_again(undisturbed, monkeypatch):
    held = (
        sum(p.stat().st_size for p in (undisturbed / "checkpoints").rglob("*") if p.is_file())
        / 2**20
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    workdir_lib.check_space(undisturbed, 1 + held - 0.01)
    with pytest.raises(RunError, match="free some or choose another --workdir"):
        workdir_lib.check_space(undisturbed, 1 + held + 0.01)


# Damaged files of a run


def harmed(path, harm):
    content = bytearray(path.read_bytes())
    if harm == "removed":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    """A workdir with checkpoints 1 and 2, and the abstract state they hold."""
    workdir = tmp_path_factory.mktemp("two")
    model = create_model("lenet", num_classes=10)
    tx = optim.make_optimizer(Optim(), 10.0)
    state = jax.eval_shape(
        lambda key: state_lib.init_state(key, model, tx, (32, 32, 1), ema=True), jax.random.key(0)
    )
    state = jax.tree.map(
        lambda x: np.random.default_rng(0).integers(0, 99, x.shape).astype(x.dtype), state
    )
    saver = manager.Checkpointer(workdir)
    for number in (1, 2):
        saver.save(state.replace(step=np.int32(number)), {"model": "lenet"}, {"top1": 0.5})
    saver.close()
    mesh = sharding.replicated(sharding.make_mesh(Sharding()))
    return workdir, jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=mesh), state
    )


def test_no_harm_to_any_file_of_a_checkpoint_goes_unnoticed(two_checkpoints, tmp_path):
    workdir, _ = two_checkpoints
    folder, sums = workdir / "checkpoints" / "2", workdir / "checkpoints" / "checksums" / "2.json"
    files = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    assert len(files) > 20 and checksums.damage_of(folder, sums) == ""
    for file in files:
        for harm in ("flipped", "cut", "removed"):
            if harm == "cut" and not (folder / file).stat().st_size:
                continue
            kept = (folder / file).read_bytes()
            harmed(folder / file, harm)
            assert str(file) in checksums.damage_of(folder, sums), (file, harm)
            (folder / file).write_bytes(kept)


@pytest.mark.parametrize("harm", ["flipped", "cut", "removed"])
@pytest.mark.parametrize(
    "file",
    ["_CHECKPOINT_METADATA", "metadata/metadata", "variables/_METADATA", "training/manifest.ocdbt"],
)
def test_each_kind_of_file_of_a_checkpoint(two_checkpoints, tmp_path, file, harm):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    harmed(tmp_path / "checkpoints" / "2" / file, harm)
    restored = manager.Checkpointer(tmp_path).restore(two_checkpoints[1])
    assert int(restored[0].step) == 1 and (tmp_path / "damaged" / "2").is_dir()


@pytest.mark.parametrize("content", ["", "null", "[1]", "{", '{"variables/_METADATA": "0"}'])
def test_a_damaged_checksum_file_costs_one_checkpoint_at_most(two_checkpoints, tmp_path, content):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "checksums" / "2.json").write_text(content)
    restored = manager.Checkpointer(tmp_path).restore(two_checkpoints[1])
    assert int(restored[0].step) == 1 and (tmp_path / "damaged" / "2").is_dir()


def test_checksums_that_a_kill_prevented_are_made_up_for(two_checkpoints, tmp_path):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    sums = tmp_path / "checkpoints" / "checksums" / "2.json"
    expected = json.loads(sums.read_text())
    sums.unlink()
    saver = manager.Checkpointer(tmp_path)
    assert int(saver.restore(two_checkpoints[1])[0].step) == 2
    saver.close()
    assert json.loads(sums.read_text()) == expected


def test_a_description_that_is_none_is_one_sentence(two_checkpoints, tmp_path):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "2" / "_CHECKPOINT_METADATA").write_text("[1]")
    with pytest.raises(
        CheckpointError, match=r"cannot be opened: .*move the newest checkpoint out of it"
    ):
        manager.Checkpointer(tmp_path)


def test_damaged_logs_do_not_stop_a_run(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"\xff\xfe{}\n"
        + lines[0]
        + b"7\nnull\n[1]\n{}\n"
        + b'{"step": "x"}\n'
        + lines[1][:20]
        + b"\n"
        + b"".join(lines[2:-1])
    )
    (tmp_path / "sittings.json").write_text("null")
    for left in (
        tmp_path / "checkpoints" / str(saved(tmp_path)[-1]),
        tmp_path / "checkpoints" / "checksums",
    ):
        shutil.rmtree(left)
    assert run(tmp_path) == 0
    assert (
        digest(tmp_path) == digest(undisturbed)
        and len(logs.read_metrics(tmp_path)) == len(lines) - 1
    )
    assert len(json.loads((tmp_path / "sittings.json").read_text())) == 1


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe"])
def test_a_damaged_config_of_a_run_is_one_sentence(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match="is not readable JSON; restore it"):
        workdir_lib.check_config(tmp_path, Config())


def test_events_for_tensorboard_are_written_at_once(tmp_path):
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    events = events_lib.Events(tmp_path / "events", start_step=5)
    events.write({"step": 6, "train_loss": 1.5, "digest": "x", "final": True})
    (path,) = (tmp_path / "events").iterdir()
    _, version, restart, row = (
        Event.FromString(record) for record in read_tfrecords(path)
    )  # before it is closed
    assert version.step == restart.step == 5 and restart.session_log.status == SessionLog.START
    assert row.step == 6 and [(v.tag, v.simple_value) for v in row.summary.value] == [
        ("train_loss", 1.5)
    ]
    events.close()


# Datasets


def write_images(root, classes=("cat", "dog"), count=12):
    """ROOT/{train,val}/CLASS/<i>.png of 20 x 20 pixels, bright as their class."""
    rng = np.random.default_rng(0)
    for split, n in (("train", count), ("val", 3)):
        for label, name in enumerate(classes):
            place = root / split / name
            place.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 60, (20, 20, 1), np.uint8) + np.uint8(20 * label)
                (place / f"{i}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root


def test_a_dataset_that_goes_away_and_comes_back(tmp_path, monkeypatch, capsys):
    root = write_images(tmp_path / "pets")
    settings = (
        "data.name=folder", f"data.data_dir={root}", "data.resident=no", "data.threads=2", "data.batch_size=8", "data.prefetch=1",
        "optim.learning_rate=0.0005", "optim.steps=30", "checkpoint_every=4", "log_every=6",
    )  # fmt: skip
    log_row = loop.Run._log

    def log_and_unmount(self, meter, number, *rest):
        log_row(self, meter, number, *rest)
        if number == 12:
            root.rename(tmp_path / "unmounted")

    assert run(tmp_path / "whole", *settings) == 0
    monkeypatch.setattr(loop.Run, "_log", log_and_unmount)
    capsys.readouterr()
    assert run(tmp_path / "cut", *settings) == main.EXIT_FAILED
    assert one_sentence(
        capsys.readouterr().err,
        f"{root}/train/",
        "No such file or directory",
        "mount its disk again",
    )
    assert saved(tmp_path / "cut")[-1] >= 12
    monkeypatch.undo()
    assert (
        run(tmp_path / "cut", *settings) == main.EXIT_USAGE
    )  # gone from the beginning: a dataset that cannot work
    assert one_sentence(capsys.readouterr().err, "is not a folder")
    (tmp_path / "unmounted").rename(root)
    assert run(tmp_path / "cut", *settings) == 0
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_damaged_and_vanished_record_files(tmp_path):
    listing = list_folder(write_images(tmp_path / "pets"))
    place = tmp_path / "out" / "pets" / "1.0.0"
    write.write_dataset(listing, place, write.Options(), lambda *_: None)
    settings = dict(name="pets", data_dir=str(tmp_path / "out"), batch_size=24, resident="no")
    source = open.open_source(Data(**settings), "train")
    victim = source[5]
    file = place / "pets-train.array_record-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[content.find(victim.image) + len(victim.image) // 2] ^= 1
    file.write_bytes(bytes(content))
    preprocess = Preprocess(20, 1)
    with pytest.raises(
        DataError, match=rf"pets train record 5 \({file} is damaged: .*hash mismatch"
    ):
        list(stream.batches(Data(**settings), "train", seed=0, preprocess=preprocess, train=False))
    (batch,) = stream.batches(
        Data(**settings, on_corrupt="skip"), "train", seed=0, preprocess=preprocess, train=False
    )
    assert np.flatnonzero(batch["corrupt"]).tolist() == [5] and batch["mask"].sum() == 23
    batch = next(
        stream.batches(Data(**settings, on_corrupt="skip"), "train", seed=0, preprocess=preprocess)
    )
    assert batch["corrupt"].sum() == 1 and batch["index"][batch["corrupt"] == 1].tolist() == [5]
    file.write_bytes(content[: len(content) // 3])
    with pytest.raises(DataError, match="is damaged"):
        next(stream.batches(Data(**settings), "train", seed=0, preprocess=preprocess))
    file.unlink()
    for on_corrupt in ("error", "skip"):  # a disk that is not there is nothing to skip
        with pytest.raises(
            UnreadableError, match=rf"{file} is gone; restore the file or mount its disk"
        ):
            next(
                stream.batches(
                    Data(**settings, on_corrupt=on_corrupt), "train", seed=0, preprocess=preprocess
                )
            )


# Untrusted files


def png(height, width, rows):
    """A PNG that claims height x width grey pixels and whose compressed data are `rows`."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def zeros(n):
    """`n` zero bytes, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(
        [
            *(packer.compress(bytes(1 << 20)) for _ in range(n >> 20)),
            packer.compress(bytes(n & ((1 << 20) - 1))),
            packer.flush(),
        ]
    )


def resized_header(kind, side):
    """A real image of 8 x 8 pixels whose header claims `side` x `side`."""
    image = bytearray(cv2.imencode(f".{kind}", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    if kind == "png":
        image[16:24] = struct.pack(">II", side, side)
        image[29:33] = struct.pack(">I", zlib.crc32(image[12:29]))
    else:
        frame = image.find(b"\xff\xc0")
        image[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(image)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_an_image_that_claims_gigapixels_is_not_decoded(kind):
    bomb = resized_header(kind, 60_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"photo 7 claims 60000x60000 pixels"):
        decode(bomb, 3, "photo 7")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_compressed_data_beyond_what_the_header_claims_are_not_unpacked():
    bomb = png(8, 8, zeros(256 << 20))
    assert len(bomb) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode(bomb, 1).shape == (8, 8, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_line_of_a_million_pixels_does_not_become_gigapixels():
    line = png(1_000_000, 1, zeros(2_000_000))  # each row is a filter byte and a pixel
    with pytest.raises(
        DataError, match=r"a line has 1000000x1 pixels, too long for a short side of 64"
    ):
        with_short_side(decode(line, 3), 64, "bilinear", "a line")
    assert eval_view(line, Preprocess(64)).shape == (64, 64, 3)
    for settings in (Data(area=(0.08, 1.0)), Data(resize=(64, 128))):
        view = train_view(line, settings, Preprocess(64), np.random.default_rng(0))
        assert view.shape == (64, 64, 3)


class Code:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["mean.npy", "mean.npz"])
def test_code_in_a_mean_image_or_in_colour_axes_is_not_run(tmp_path, name):
    (tmp_path / "mean.npy").write_bytes(pickle.dumps(Code(tmp_path / "ran")))
    np.savez(
        tmp_path / "mean.npz", deviations=np.array([Code(tmp_path / "ran")], object), axes=np.eye(3)
    )
    with pytest.raises(DataError, match="cannot be read as a mean image"):
        resolve(Data(pixel_mean=str(tmp_path / name), image_size=20), (32, 32, 3), None)
    with pytest.raises(DataError, match="cannot be read as colour axes"):
        stream.augment.load_pca(str(tmp_path / name))
    assert not (tmp_path / "ran").exists()


NAMES = [
    "-rf",
    "$x_{",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb",
    "a\r\tb",
    "..a",
    os.fsdecode(b"caf\xe9"),
    "n" * 255,
    "\u202eright to left",
    "日本",
]


def test_names_of_classes_cannot_move_the_terminal_or_the_labels(tmp_path):
    root = write_images(
        tmp_path / "root", [name for name in NAMES if not name.startswith(".")], count=1
    )
    source = open.open_source(Data(name="folder", data_dir=str(root)), "train")
    assert len(source.class_names) == len(NAMES) - 1 and all(
        name.isprintable() for name in source.class_names
    )
    assert {"-rf", "a\\nb", "\\x1b[2J\\x1b]0;title\\x07", "caf\\udce9", "日本"} < set(
        source.class_names
    )
    assert [example.label for example in source] == list(range(len(source)))
    images = np.stack([eval_view(example.image, Preprocess(20, 1)) for example in source])
    batch = {"image": images, "label": np.arange(len(images)), "mask": np.ones(len(images))}
    assert contact_sheet(batch, source.class_names, tmp_path / "sheet.png").is_file()
    kept = [name for name in source.class_names if len(name) < 30 and name.isascii()]
    assert plots.confusion_matrix(
        tmp_path / "confusion.png", np.eye(len(kept), dtype=int), kept
    ).is_file()
    for path in (root / "train").rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    for index in range(len(source)):
        with pytest.raises(DataError) as caught:
            decode(source[index].image, 1, source[index].key)
        assert str(caught.value).isprintable()


def test_names_of_classes_survive_preparation_line_by_line(tmp_path):
    root = write_images(
        tmp_path / "root", [name for name in NAMES if not name.startswith(".")], count=1
    )
    (root / "train" / "-rf" / os.fsdecode(b"\xff\x1b.png")).write_bytes(
        (root / "train" / "-rf" / "0.png").read_bytes()
    )
    (root / "train" / "-rf" / "a\nb.png").write_bytes(b"not an image")
    write.write_dataset(
        list_folder(root), tmp_path / "out" / "pets" / "1.0.0", write.Options(), lambda *_: None
    )
    folder, prepared = (
        open.open_source(Data(name=name, data_dir=str(place)), "train")
        for name, place in (("folder", root), ("pets", tmp_path / "out"))
    )
    assert prepared.class_names == folder.class_names and len(prepared) == len(folder) - 1
    (bad,) = (tmp_path / "out" / "pets" / "1.0.0" / "bad_files.txt").read_text().splitlines()
    assert bad.startswith("train/-rf/a\\nb.png is not a JPEG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "root"]


def test_pipes_circles_and_links_out_of_a_folder(tmp_path):
    root = write_images(tmp_path / "root", count=2)
    settings = Data(name="folder", data_dir=str(root))
    os.mkfifo(root / "train" / "cat" / "pipe.png")  # reading it would wait for ever
    (root / "train" / "cat" / "up").symlink_to("/")
    assert len(open.open_source(settings, "train")) == 4
    for target, expected in (("../../../secret.png", "outside"), ("loop.png", "leads nowhere")):
        (tmp_path / "secret.png").write_bytes(b"")
        (root / "train" / "cat" / "loop.png").symlink_to(target)
        with pytest.raises(DataError, match=expected):
            open.open_source(settings, "train")
        (root / "train" / "cat" / "loop.png").unlink()


def tar_of(files, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return buffer.getvalue()


def test_archives_with_absolute_names_dots_and_links_write_nothing_outside(tmp_path):
    image = cv2.imencode(".jpg", np.full((20, 20, 3), 80, np.uint8))[1].tobytes()
    escape = tmp_path / "escaped"
    names = [f"{escape}.JPEG", "../../escaped.JPEG", "a/../../../escaped.JPEG", "plain.JPEG"]
    inner = {
        "../../n00000001.tar": tar_of(dict.fromkeys(names, image), [("link.JPEG", "/etc/passwd")]),
        f"{tmp_path}/n00000002.tar": tar_of({"x\ny.JPEG": image}),
    }
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / TRAIN).write_bytes(tar_of(inner, [("n00000003.tar", "/etc/passwd")]))
    place = tmp_path / "out" / "imagenet2012" / "5.1.0"
    write.write_dataset(list_ilsvrc(archives), place, write.Options(), lambda *_: None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archives", "out"] and not escape.exists()
    source = open.open_source(Data(name="imagenet2012", data_dir=str(tmp_path / "out")), "train")
    assert source.class_names == ["n00000001", "n00000002"] and sorted(e.label for e in source) == [
        0,
        0,
        0,
        0,
        1,
    ]
    assert all(e.image == image and e.key.isprintable() for e in source)
    (archives / TRAIN).write_bytes(tar_of({"n00000001\nn00000009.tar": tar_of({"x.JPEG": image})}))
    with pytest.raises(DataError, match=r"is no synset name like n01440764"):
        list_ilsvrc(archives)


def test_every_fault_of_the_document_names_a_test_that_exists():
    rows = re.findall(
        r"^\|.*\|$",
        (REPOSITORY / "docs" / "reliability.md").read_text().split("## What a run writes")[0],
        re.MULTILINE,
    )[2:]
    assert len(rows) > 25
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, name in named:
            assert f"\ndef {name}(" in (REPOSITORY / "tests" / file).read_text(), (file, name)
