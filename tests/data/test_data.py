"""Sources, batches and their guarantees: every image once, batch k a function of (seed, k), streamed and resident alike."""

import itertools
import os
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import IMAGENET_MEAN, Preprocess
from jaxcnn.data.pipeline.order import index_batches, permutation
from jaxcnn.data.pipeline.resident import is_resident, resident_arrays
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources import open
from jaxcnn.data.sources.base import split_indices
from jaxcnn.data.sources.open import open_source
from jaxcnn.data.sources.records import parse_example
from jaxcnn.errors import DataError

DIGITS = Preprocess(12, 1, pad=2, mean=(0.0,), std=(1.0,))


def take(n, iterator):
    return list(itertools.islice(iterator, n))


def same(first, second):
    return (
        all(np.array_equal(first[name], second[name]) for name in first)
        and first.keys() == second.keys()
    )


@pytest.fixture
def folder(tmp_path):
    """ROOT/{train,val}/{cat,dog}/*.jpg with 6 and 3 images of a class, awkward names and clutter included."""
    rng = np.random.default_rng(0)
    names = ["a.jpg", "b b.JPEG", "ü–#%.png", "deep/e.jpg", "f.jpeg", "g.jpg"]
    for split, count in (("train", 6), ("val", 3)):
        for label, name in enumerate(["cat", "dog"]):
            for file in names[:count]:
                path = tmp_path / split / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.full((20, 24, 3), 100 * label, np.uint8) + rng.integers(
                    0, 50, (20, 24, 3), np.uint8
                )
                path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    (tmp_path / "train" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "train" / "cat" / "._a.jpg").write_bytes(b"x")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    return tmp_path


# Order


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_every_epoch_holds_every_example_once_in_another_order(n):
    stream = np.concatenate(take(3 * n, index_batches(n, 5, seed=3)))[: 3 * n].reshape(3, n)
    assert all(np.array_equal(np.sort(epoch), np.arange(n)) for epoch in stream)
    if n > 5:
        assert not np.array_equal(stream[0], stream[1]) and not np.array_equal(
            permutation(3, 0, n), permutation(4, 0, n)
        )


def test_the_order_does_not_change_between_versions():
    """Philox4x64-10 under key (seed, epoch), computed here by its definition (Salmon et al. 2011); a run must resume after an upgrade."""

    def philox(key, count):
        mask, words = 2**64 - 1, []
        for block in range(1, -(-count // 4) + 1):
            counter, (k0, k1) = [block, 0, 0, 0], key
            for _ in range(10):
                high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
                high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
                counter = [high1 ^ counter[1] ^ k0, low1, high0 ^ counter[3] ^ k1, low0]
                k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
            words += counter
        return words[:count]

    assert (
        permutation(5, 2, 50).tolist()
        == np.argsort(np.array(philox((5, 2), 50), np.uint64), kind="stable").tolist()
    )


def test_the_shuffle_is_uniform():
    places = np.stack(
        [np.argsort(permutation(seed, epoch, 16)) for seed in range(50) for epoch in range(20)]
    )
    counts = np.stack(
        [np.bincount(places[:, i], minlength=16) for i in range(16)]
    )  # [example, place], 62.5 expected
    assert ((counts - 62.5) ** 2 / 62.5).sum() == pytest.approx(
        225, abs=6 * 21
    )  # chi-squared of 15 x 15 degrees of freedom


# Batches


def test_a_training_batch_is_a_function_of_seed_and_step(folder):
    """However many threads, wherever the run starts, into however many processes it is split; random crops included."""
    plain = Data(name="folder", data_dir=str(folder), batch_size=20, area=(0.2, 1.0), threads=1)
    preprocess = Preprocess(16)
    whole = take(5, batches(plain, "train", seed=1, preprocess=preprocess))
    threaded = Data(**{**vars(plain), "threads": 5})
    assert all(map(same, whole, take(5, batches(threaded, "train", seed=1, preprocess=preprocess))))
    assert all(
        map(
            same,
            whole[3:],
            take(2, batches(plain, "train", seed=1, preprocess=preprocess, start_step=3)),
        )
    )
    parts = [
        take(
            5,
            batches(
                plain, "train", seed=1, preprocess=preprocess, process_index=i, process_count=4
            ),
        )
        for i in range(4)
    ]
    joined = [
        {name: np.concatenate([part[name] for part in shares]) for name in shares[0]}
        for shares in zip(*parts, strict=True)
    ]
    assert all(map(same, whole, joined))
    other = next(batches(plain, "train", seed=2, preprocess=preprocess))
    assert not np.array_equal(other["index"], whole[0]["index"])


def test_an_example_is_cropped_anew_each_epoch(folder):
    data = Data(name="folder", data_dir=str(folder), batch_size=12, area=(0.2, 1.0))
    first, second = (
        b["image"][np.argsort(b["index"])]
        for b in take(2, batches(data, "train", seed=1, preprocess=Preprocess(16)))
    )
    assert all((a != b).any() for a, b in zip(first, second, strict=True))


def test_the_contract_of_a_batch():
    batch = next(batches(Data(batch_size=6), "train", seed=0, preprocess=DIGITS))
    assert {name: (value.shape, str(value.dtype)) for name, value in batch.items()} == {
        "image": ((6, 12, 12, 1), "uint8"),
        "label": ((6,), "int32"),
        "mask": ((6,), "float32"),
        "index": ((6,), "int32"),
        "corrupt": ((6,), "float32"),
    }
    assert batch["mask"].min() == 1 and batch["corrupt"].max() == 0


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_streamed_and_resident_give_identical_batches(name, request):
    root = "" if name == "digits" else str(request.getfixturevalue("test_data"))
    data = Data(name=name, data_dir=root, batch_size=128)
    split = "train" if name == "digits" else "train[:700]"
    preprocess = resolve(data, (32, 32, 1), open_source(data, split))
    images, labels = resident_arrays(data, split, preprocess)
    streamed = batches(data, split, seed=7, preprocess=preprocess, start_step=2)
    for batch, index in zip(
        take(14, streamed), index_batches(len(labels), 128, seed=7, start_step=2), strict=False
    ):
        assert np.array_equal(batch["index"], index)
        assert np.array_equal(batch["image"], images[index]) and np.array_equal(
            batch["label"], labels[index]
        )


@pytest.mark.parametrize("resident", ["yes", "no"])
@pytest.mark.parametrize(("processes", "size"), [(1, 100), (1, 355), (1, 500), (4, 100), (8, 64)])
def test_evaluation_counts_every_image_once(processes, size, resident):
    data = Data(eval_batch_size=size, resident=resident)
    images, labels = resident_arrays(data, "test", DIGITS)
    shares = [
        list(
            batches(
                data,
                "test",
                seed=0,
                preprocess=DIGITS,
                train=False,
                process_index=i,
                process_count=processes,
            )
        )
        for i in range(processes)
    ]
    assert len({len(share) for share in shares}) == 1
    seen = []
    for batch in itertools.chain(*shares):
        real = batch["mask"] == 1
        assert batch["image"].shape[0] == size // processes and np.array_equal(
            real, batch["index"] >= 0
        )
        assert np.array_equal(batch["image"][real], images[batch["index"][real]])
        assert np.array_equal(batch["label"][real], labels[batch["index"][real]])
        seen += batch["index"][real].tolist()
    assert seen == list(range(355))


def test_a_batch_that_does_not_divide_is_one_sentence():
    with pytest.raises(DataError, match=r"data.batch_size=10 does not divide over 4 processes"):
        next(batches(Data(batch_size=10), "train", seed=0, preprocess=DIGITS, process_count=4))


def test_a_corrupt_record_is_named_or_replaced_and_counted(folder):
    damaged = folder / "train" / "dog" / "a.jpg"  # the first of the dogs, record 6
    damaged.write_bytes(damaged.read_bytes()[:200])
    data = Data(name="folder", data_dir=str(folder), batch_size=12)
    preprocess = Preprocess(16)
    for resident in ("yes", "no"):
        data.resident = resident
        data.on_corrupt = "error"
        with pytest.raises(DataError, match=r"train/dog/a.jpg is cut short"):
            list(batches(data, "train", seed=0, preprocess=preprocess, train=False))
        data.on_corrupt = "skip"
        (evaluated,) = batches(data, "train", seed=0, preprocess=preprocess, train=False)
        assert (
            np.flatnonzero(evaluated["corrupt"]).tolist() == [6]
            and evaluated["mask"].tolist() == [1] * 6 + [0] + [1] * 5
        )
    with pytest.raises(DataError, match=r"train/dog/a.jpg is cut short"):
        take(
            1,
            batches(
                Data(**{**vars(data), "on_corrupt": "error"}),
                "train",
                seed=0,
                preprocess=preprocess,
            ),
        )
    batch = next(batches(data, "train", seed=0, preprocess=preprocess))
    row, neighbour = (int(np.flatnonzero(batch["index"] == i)[0]) for i in (6, 7))
    assert batch["corrupt"].sum() == batch["corrupt"][row] == 1 and batch["mask"].min() == 1
    assert (
        np.array_equal(batch["image"][row], batch["image"][neighbour])
        and batch["label"][row] == batch["label"][neighbour]
    )
    images, labels = resident_arrays(data, "train", preprocess)
    assert np.array_equal(batch["image"], images[batch["index"]]) and np.array_equal(
        batch["label"], labels[batch["index"]]
    )


def test_a_folder_of_nothing_but_corrupt_files_ends(folder):
    for file in (folder / "train").rglob("*.*"):
        file.write_bytes(b"\xff\xd8")
    data = Data(name="folder", data_dir=str(folder), batch_size=2, on_corrupt="skip")
    with pytest.raises(DataError, match="after it are corrupt"):
        next(batches(data, "train", seed=0, preprocess=Preprocess(16)))


# Preprocessing


def test_mean_and_deviation_are_measured_on_small_sets():
    data = Data(train_split="train[:500]", pad=2)
    preprocess = resolve(data, (12, 12, 1), open_source(data, "train[:500]"))
    images, _ = resident_arrays(data, "train[:500]", preprocess)
    assert preprocess.mean == pytest.approx((images.mean(dtype=np.float64),), abs=1e-4)
    assert preprocess.std == pytest.approx((images.std(dtype=np.float64),), abs=1e-4)
    assert preprocess.shape == (12, 12, 1) and images.shape == (500, 12, 12, 1)
    assert (
        resolve(
            Data(**{**vars(data), "resident": "no"}), (12, 12, 1), open_source(data, "train[:500]")
        )
        == preprocess
    )


def test_large_sets_get_imagenets_moments_and_given_ones_win(tmp_path):
    large = Data(resident_mib=0)
    assert resolve(large, (224, 224, 3), open_source(large, "train")).mean == IMAGENET_MEAN
    assert resolve(large, (32, 32, 1), open_source(large, "train")).mean == pytest.approx(
        (117.03,), abs=0.01
    )
    given = resolve(Data(mean=(127.5,), std=(1.0, 2.0, 3.0), image_size=20), (32, 32, 3), None)
    assert given.mean == (127.5,) * 3 and given.std == (1.0, 2.0, 3.0) and given.image_size == 20
    np.save(tmp_path / "mean.npy", np.full((24, 26, 3), 99.5, np.float32))
    with_image = resolve(
        Data(pixel_mean=str(tmp_path / "mean.npy"), image_size=20, std=(1.0,)), (32, 32, 3), None
    )
    assert (
        with_image.offset().shape == (20, 20, 3)
        and with_image.offset().mean() == 99.5
        and with_image.mean == ()
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (dict(pad=16), "leaves no image"),
        (dict(mean=(1.0, 2.0)), "2 values for 3 channels"),
        (dict(std=(0.0,), mean=(0.0,)), "must be positive"),
        (dict(pixel_mean="nowhere.npy"), "is not a file"),
    ],
)
def test_preprocessing_that_cannot_work(fields, expected):
    with pytest.raises(DataError, match=expected):
        resolve(Data(**fields), (32, 32, 3), None)


def test_what_is_resident():
    source = open_source(Data(), "train")  # 1,442 images
    preprocess = Preprocess(32, 1)  # 1.4 MiB
    assert is_resident(Data(), source, preprocess) and is_resident(Data(), source)
    assert is_resident(Data(resident_mib=2), source, preprocess) and not is_resident(
        Data(resident_mib=1), source, preprocess
    )
    assert not is_resident(Data(resident="no"), source, preprocess)
    assert is_resident(Data(resident="yes", resident_mib=0), source, preprocess)
    assert not is_resident(Data(resident="yes", area=(0.1, 1.0)), source, preprocess)


def test_progress_is_reported_to_the_end():
    seen = []
    resident_arrays(
        Data(), "train[:900]", Preprocess(9, 1), lambda done, total: seen.append((done, total))
    )
    assert (
        seen[-1] == (900, 900)
        and [done for done, _ in seen] == sorted(done for done, _ in seen)
        and len(seen) > 1
    )


# Sources


def test_digits():
    train, test = (open_source(Data(), split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1442, 355) and train.splits == {"train": 1442, "test": 355}
    assert train.class_names == list("0123456789") and open.default_eval_split(train) == "test"
    keys = {example.key for source in (train, test) for example in source}
    assert len(keys) == 1797
    assert min(np.bincount([e.label for e in test])) >= 34
    assert train[0].image.shape == (8, 8, 1) and max(e.image.max() for e in test) == 255


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", range(1000)),
        ("train[:10]", range(10)),
        ("train[-3:]", range(997, 1000)),
        ("train[10%:20%]", range(100, 200)),
        ("train[ 995 : 50000 ]", range(995, 1000)),
        ("train[99%:]+val[:2]", [*range(990, 1000), 0, 1]),
    ],
)
def test_split_slices(split, expected):
    assert [
        i for _, part in split_indices(split, {"train": 1000, "val": 7}, "x") for i in part
    ] == list(expected)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("test", 'no split "test"; it has train, val'),
        ("train[", "does not read"),
        ("train[5]", "does not read"),
        ("train[5:5]", "is empty"),
    ],
)
def test_split_that_do_not_exist(split, expected):
    with pytest.raises(DataError, match=expected):
        split_indices(split, {"train": 1000, "val": 7}, "x")


def test_folder(folder):
    data = Data(name="folder", data_dir=str(folder))
    train = open_source(data, "train")
    assert (
        len(train) == 12
        and train.class_names == ["cat", "dog"]
        and open.default_eval_split(train) == "val"
    )
    assert [e.label for e in train] == [0] * 6 + [1] * 6
    assert [os.path.relpath(e.key, folder / "train" / "cat") for e in train][:6] == [
        "a.jpg",
        "b b.JPEG",
        "deep/e.jpg",
        "f.jpeg",
        "g.jpg",
        "ü–#%.png",
    ]
    assert [e.key for e in open_source(data, "train[4:8]")] == [e.key for e in train][4:8]
    assert len(open_source(data, "train[50%:]+val")) == 12
    images, labels = resident_arrays(data, "val", Preprocess(20, 1))
    assert images.shape == (6, 20, 20, 1) and all(
        (images[labels == k].mean() // 100) == k for k in (0, 1)
    )


def test_a_class_may_be_missing_from_validation_but_not_be_new_there(folder):
    data = Data(name="folder", data_dir=str(folder))
    for file in (folder / "val" / "cat").rglob("*.*"):
        file.unlink()
    assert [e.label for e in open_source(data, "val")] == [1, 1, 1]
    (folder / "val" / "fox").mkdir()
    with pytest.raises(DataError, match="classes that the training folder does not have: fox"):
        open_source(data, "val")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda root: (root / "train" / "ant").mkdir(), "train/ant holds no images"),
        (lambda root: (root / "train" / "cat" / "z.jpg").symlink_to("/etc/hostname"), "outside"),
        (
            lambda root: (root / "train" / "cat" / "z.jpg").symlink_to(root / "gone.jpg"),
            "leads nowhere",
        ),
    ],
)
def test_folders_that_cannot_be_used(folder, spoil, expected):
    spoil(folder)
    with pytest.raises(DataError, match=expected):
        open_source(Data(name="folder", data_dir=str(folder)), "train")


def test_folder_without_splits_or_classes(tmp_path):
    (tmp_path / "img.jpg").write_bytes(b"x")
    for root, expected in (
        (tmp_path, "holds 1 files but no split folders"),
        (tmp_path / "no", "is not a folder"),
        ("", "needs data.data_dir"),
    ):
        with pytest.raises(DataError, match=expected):
            open_source(Data(name="folder", data_dir=str(root)), "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        open_source(Data(name="folder", data_dir=str(tmp_path)), "train")


def test_tfds_splits_are_tfds_own(test_data):
    import tensorflow_datasets as tfds

    data = Data(name="mnist", data_dir=str(test_data))
    source = open_source(data, "train[10%:11%]+test[-5:]")
    expected = tfds.builder_from_directory(
        str(next((test_data / "mnist").iterdir()))
    ).as_data_source("train[10%:11%]+test[-5:]")
    assert len(source) == len(expected) == 605
    images, labels = resident_arrays(data, "train[10%:11%]+test[-5:]", Preprocess(28, 1))
    for i in (0, 1, 599, 600, 604):
        record = expected[i]
        assert labels[i] == record["label"] and np.array_equal(images[i], record["image"])


def test_tfds_colour_jpeg_and_names(test_data):
    imagenet = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "validation")
    assert (
        open.default_eval_split(imagenet) == "validation"
        and len(imagenet.class_names) == 1000
        and len(imagenet) == 50
    )
    example = imagenet[3]
    assert (
        example.image[:2] == b"\xff\xd8"
        and "validation record 3 (" in example.key
        and ".JPEG" in example.key
    )
    cifar = open_source(Data(name="cifar10:3.0.2", data_dir=str(test_data)), "test[:3]")
    assert cifar.class_names[:2] == ["airplane", "automobile"] and cifar.image_shape == (32, 32, 3)
    with pytest.raises(IndexError):
        cifar[3]


def test_records_parse_as_protocol_buffers_define_them():
    # Example{features{feature{key:"label" value{int64_list{300, -2}}} feature{key:"image" value{bytes_list{"ab","c"}}}}}
    numbers = b"\x0a\x0c" + b"\xac\x02" + b"\xfe" + b"\xff" * 8 + b"\x01"
    label = (
        b"\x0a\x05label\x12" + bytes([len(numbers) + 2]) + b"\x1a" + bytes([len(numbers)]) + numbers
    )
    image = b"\x0a\x05image\x12\x09\x0a\x07\x0a\x02ab\x0a\x01c"
    features = b"".join(b"\x0a" + bytes([len(part)]) + part for part in (label, image))
    record = b"\x0a" + bytes([len(features)]) + features
    with pytest.raises(ValueError, match="cut short"):
        parse_example(record[:-1])
    assert parse_example(record)["image"] == [b"ab", b"c"]
    assert parse_example(record)["label"][0] == 300 and parse_example(record)["label"][-1] == -2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnistt", "did you mean mnist, "),
        (
            "cifar100",
            r"which holds cifar10, imagenet2012, mnist; .*tfds build cifar100 --file_format=array_record --data_dir=",
        ),
        ("mnist:1.0.0", r"no version 1.0.0 in .*the versions there are \d.*tfds build mnist:1.0.0"),
    ],
)
def test_missing_data_says_what_lies_where_and_what_to_run(test_data, name, expected):
    with pytest.raises(DataError, match=expected) as error:
        open_source(Data(name=name, data_dir=str(test_data)), "train")
    assert str(test_data) in str(error.value) and "\n" not in str(error.value)


def test_unfinished_foreign_and_missing_directories(tmp_path):
    with pytest.raises(DataError, match="which does not exist"):
        open_source(Data(name="mnist", data_dir=str(tmp_path / "nowhere")), "train")
    version = tmp_path / "mnist" / "3.0.1"
    version.mkdir(parents=True)
    with pytest.raises(DataError, match=r"no finished version .*only 3\.0\.1"):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")
    (version / "features.json").write_text("{")
    (version / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")


def test_a_tfrecord_directory_names_the_converter(test_data, tmp_path):
    place = next((test_data / "mnist").iterdir())
    copy = tmp_path / "mnist" / place.name
    copy.mkdir(parents=True)
    for name in ("features.json", "dataset_info.json"):
        (copy / name).write_text((place / name).read_text().replace("array_record", "tfrecord"))
    with pytest.raises(
        DataError, match=r"in the format tfrecord.*scripts/prepare_data.py --source .*mnist"
    ):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")


def test_no_tensorflow_is_imported(test_data, tmp_path):
    """Reading, an unknown name and an unknown split, beside a TensorFlow that may not be touched."""
    (tmp_path / "tensorflow.py").write_text("import os\nos._exit(77)")
    code = f"""
        from jaxcnn import data
        from jaxcnn.config import Data
        place = {str(test_data)!r}
        assert len(data.open_source(Data(name="cifar10", data_dir=place), "test[:5]")[4].image) > 100
        for name, split in (("cifarr10", "test"), ("cifar10", "tset"), ("svhn_cropped", "test")):
            try:
                data.open_source(Data(name=name, data_dir=place), split)
                raise SystemExit("no error")
            except data.DataError:
                pass
        print("fine")
    """
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stdout[-5:]) == (0, "fine\n"), done.stderr
