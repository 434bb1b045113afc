"""What makes a directory of ArrayRecord files a dataset that TFDS reads: its description."""

import json
from pathlib import Path
from typing import Any

from jaxcnn.data.prepare.journal import JOURNAL, Shard

IMAGENET = {"train": 1_281_167, "validation": 50_000}


def image_features(class_names: list[str], *, jpeg: bool) -> dict[str, Any]:
    """TFDS's features.json of records {file_name, image, label}."""
    kind = "tensorflow_datasets.core.features."
    image = {
        "dtype": "uint8",
        "shape": {"dimensions": ["-1", "-1", "3"]},
        **({"encodingFormat": "jpeg"} if jpeg else {}),
    }
    features = {
        "file_name": {"pythonClassName": f"{kind}text_feature.Text", "text": {}},
        "image": {"pythonClassName": f"{kind}image_feature.Image", "image": image},
        "label": {
            "pythonClassName": f"{kind}class_label_feature.ClassLabel",
            "classLabel": {"numClasses": str(len(class_names))},
        },
    }
    return {
        "pythonClassName": f"{kind}features_dict.FeaturesDict",
        "featuresDict": {"features": features},
    }


def write_metadata(
    place: Path,
    shards: list[Shard],
    features: dict[str, Any],
    *,
    class_names: list[str] | None = None,
) -> None:
    """Makes `place` a TFDS dataset: features, splits, class names and checksums.

    The checksums are as sha256sum writes them. dataset_info.json comes last.
    """
    splits = []
    for split in dict.fromkeys(shard.split for shard in shards):
        here = sorted(shard for shard in shards if shard.split == split)
        splits.append(
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "shardLengths": [str(shard.records) for shard in here],
                "numBytes": str(sum(shard.size for shard in here)),
            }
        )
    info = {
        "name": place.parent.name,
        "version": place.name,
        "fileFormat": "array_record",
        "splits": splits,
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
    }
    (place / "features.json").write_text(json.dumps(features, indent=2))
    if class_names:
        (place / "label.labels.txt").write_text("".join(f"{name}\n" for name in class_names))
    (place / "checksums.txt").write_text(
        "".join(f"{shard.sha256}  {shard.file}\n" for shard in sorted(shards))
    )
    bad = [sentence for shard in shards for sentence in shard.bad]
    if bad:
        (place / "bad_files.txt").write_text("".join(f"{sentence}\n" for sentence in bad))
    (place / "dataset_info.json").write_text(json.dumps(info, indent=2))
    (place / JOURNAL).unlink(missing_ok=True)


def miscounted(shards: list[Shard], expected: dict[str, int]) -> list[str]:
    """A sentence for each split that does not have its expected number of images."""
    found = {
        split: sum(s.records for s in shards if s.split == split)
        for split in {s.split for s in shards}
    }
    return [
        f"{k}: {found[k]:,} images, not the {n:,} there should be"
        for k, n in expected.items()
        if k in found and found[k] != n
    ]
