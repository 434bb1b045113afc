"""What public weights expect to be fed."""

import pytest

from jaxcnn import create_model
from jaxcnn.errors import WeightsError
from jaxcnn.weights.ports import PORTS
from jaxcnn.weights.preprocessing import ENTRIES, entry_of_file, preprocessing


@pytest.mark.parametrize("name", PORTS)
def test_every_port(name):
    model = create_model(PORTS[name].model)
    for entry in ENTRIES[name]:
        fields = preprocessing(name, entry)
        assert fields["channels"] == 3 and 0.8 < fields["crop_fraction"] <= 1
        # torchvision's B2 is evaluated at 288, timm's Lite3 and Lite4 at the sizes of B3 and B4.
        others = ("efficientnet_b2", "tf_efficientnet_lite3", "tf_efficientnet_lite4")
        assert fields["image_size"] == model.input_shape[0] or name in others


def test_files_and_entries():
    assert entry_of_file("resnet50", "resnet50-11ad3fa6.pth") == "IMAGENET1K_V2"
    assert entry_of_file("tf_efficientnet_b0", "tf_efficientnet_b0_ap-f262efe1.pth") == "ap_in1k"
    assert entry_of_file("resnet20", "resnet20-12fca82f.th") == "CIFAR10"
    assert entry_of_file("resnet50", "my_resnet.pth") == ""
    with pytest.raises(WeightsError, match="did you mean IMAGENET1K_V2"):
        preprocessing("resnet50", "IMAGENET1K_V3")


def test_inception_is_fed_what_it_sees_after_torchvisions_transform_input():
    assert preprocessing("inception_v3")["mean"] == [127.5, 127.5, 127.5]
