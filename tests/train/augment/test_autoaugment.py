"""AutoAugment's policy: its table, and how often its parts are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pictures import noise

from jaxcnn.train.augment import autoaugment as module
from jaxcnn.train.augment.autoaugment import CHANCES, CHOICES, POLICY_V0, autoaugment, draw_step
from jaxcnn.train.augment.operations import OPERATIONS, SIGNED, apply

KEY = jax.random.key(0)


def test_the_policy_is_version_0():
    """Sums over the authors' own table, the last of which an exchange of two entries changes."""
    assert len(POLICY_V0) == 25
    used = [name for row in POLICY_V0 for name, _, _ in row]
    assert {name: used.count(name) for name in set(used)} == {
        "equalize": 12, "color": 9, "solarize": 8, "rotate": 7, "shear_y": 4, "shear_x": 2,
        "posterize": 2, "autocontrast": 2, "solarize_add": 2, "invert": 1, "translate_y": 1,
    }  # fmt: skip
    assert sum(chance for row in POLICY_V0 for _, chance, _ in row) == pytest.approx(29.8)
    assert sum(level for row in POLICY_V0 for _, _, level in row) == 240
    places = [(i + 1) * (2 * j + 1) for i in range(25) for j in range(2)]
    entries = [entry for row in POLICY_V0 for entry in row]
    products = [
        p * chance * (level + 1) for p, (_, chance, level) in zip(places, entries, strict=True)
    ]
    assert sum(products) == pytest.approx(4549)


def test_amounts_of_the_policy():
    """Level 4 of shearing is 0.12, 9 of colour 1.72, 9 of moving 225 pixels, and so on."""
    at = {(1, 0): 1.72, (0, 1): 0.12, (2, 1): 24, (3, 0): 76, (6, 1): 33, (12, 0): 2, (15, 1): 225}
    at |= {(5, 0): 0.1, (22, 0): 0, (22, 1): 256, (13, 0): 204}
    assert {place: module.AMOUNTS[place] for place in at} == pytest.approx(at)


def test_probabilities_and_directions():
    count = 4000
    policies = jnp.repeat(jnp.arange(25), count)
    for step in range(2):
        chosen, amounts, _ = jax.jit(draw_step, static_argnums=2)(KEY, policies, step)
        chosen, amounts = (np.asarray(a).reshape(25, count) for a in (chosen, amounts))
        for row, (name, chance, _) in enumerate(entry[step] for entry in POLICY_V0):
            done = chosen[row] >= 0
            assert set(chosen[row][done]) <= {OPERATIONS.index(name)}
            assert done.mean() == pytest.approx(chance, abs=0.04)
            negative = (amounts[row] < 0).mean()
            moving = name in SIGNED and module.AMOUNTS[row, step] > 0
            assert negative == pytest.approx(0.5 if moving else 0.0, abs=0.04)


def test_every_sub_policy_is_drawn_equally():
    """Each row by itself gives a set of results; drawn together they appear in the same shares."""
    size, count = 16, 5000
    image = noise(1, size)[0]
    results = {}
    for row in range(25):
        for first in signed(row, 0):
            for second in signed(row, 1):
                x = step(step(image, first), second)
                chance = first[2] * second[2]
                key = x.tobytes()
                results[key] = results.get(key, 0.0) + chance / 25
    drawn = np.asarray(jax.jit(autoaugment)(KEY, np.repeat(image[None], count, axis=0)))
    found = {}
    for x in drawn:
        found[x.tobytes()] = found.get(x.tobytes(), 0) + 1
    assert set(found) <= set(results)
    likely = {key: share for key, share in results.items() if share * count > 5}
    chi = sum((found.get(k, 0) - p * count) ** 2 / (p * count) for k, p in likely.items())
    assert chi < len(likely) + 5 * np.sqrt(2 * len(likely))


def signed(row, place):
    """[(choice, amount, probability)] of an operation of the policy: both directions, and none."""
    choice, amount, chance = (
        table[row, place] for table in (CHOICES, module.AMOUNTS, CHANCES.astype(float))
    )
    ways = [amount, -amount] if OPERATIONS[choice] in SIGNED else [amount]
    return [(choice, way, chance / len(ways)) for way in ways] + [(-1, 0.0, 1 - chance)]


_apply = jax.jit(apply)


def step(image, drawn):
    choice, amount, _ = drawn
    centre = np.zeros((1, 2), np.float32)
    x = _apply(image[None], np.array([choice]), np.array([amount], np.float32), centre)
    return np.asarray(x)[0]
