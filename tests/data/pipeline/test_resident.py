"""What is kept in memory, and how its decoding reports."""

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import is_resident, resident_arrays
from jaxcnn.data.sources.open import open_source


def test_what_is_resident():
    source = open_source(Data(), "train")  # 1,442 images
    preprocess = Preprocess(32, 1)  # 1.4 MiB
    assert is_resident(Data(), source, preprocess) and is_resident(Data(), source)
    assert is_resident(Data(resident_mib=2), source, preprocess)
    assert not is_resident(Data(resident_mib=1), source, preprocess)
    assert not is_resident(Data(resident="no"), source, preprocess)
    assert is_resident(Data(resident="yes", resident_mib=0), source, preprocess)
    assert not is_resident(Data(resident="yes", area=(0.1, 1.0)), source, preprocess)


def test_progress_is_reported_to_the_end():
    seen = []
    resident_arrays(
        Data(), "train[:900]", Preprocess(9, 1), lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (900, 900)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 1
