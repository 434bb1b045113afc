"""AutoAugment's policy for ImageNet (arXiv:1805.09501), version v0 of EfficientNet's code.

The policy is a table, so that a batch goes through two steps of the same arithmetic, in which each
image has its own operations (operations.py).
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.train.augment.operations import OPERATIONS, SIGNED, amount, apply

Array = jax.Array

TRANSLATE = 250.0  # pixels at level 10
CUTOUT = 100.0  # of no operation that the policy names; the code has it all the same

# tensorflow/tpu, models/official/efficientnet/autoaugment.py, policy_v0: 25 sub-policies of two
# operations each, and for each its probability and its level of 10.
# fmt: off
POLICY_V0 = (
    (("equalize",     0.8, 1), ("shear_y",      0.8, 4)),
    (("color",        0.4, 9), ("equalize",     0.6, 3)),
    (("color",        0.4, 1), ("rotate",       0.6, 8)),
    (("solarize",     0.8, 3), ("equalize",     0.4, 7)),
    (("solarize",     0.4, 2), ("solarize",     0.6, 2)),
    (("color",        0.2, 0), ("equalize",     0.8, 8)),
    (("equalize",     0.4, 8), ("solarize_add", 0.8, 3)),
    (("shear_x",      0.2, 9), ("rotate",       0.6, 8)),
    (("color",        0.6, 1), ("equalize",     1.0, 2)),
    (("invert",       0.4, 9), ("rotate",       0.6, 0)),
    (("equalize",     1.0, 9), ("shear_y",      0.6, 3)),
    (("color",        0.4, 7), ("equalize",     0.6, 0)),
    (("posterize",    0.4, 6), ("autocontrast", 0.4, 7)),
    (("solarize",     0.6, 8), ("color",        0.6, 9)),
    (("solarize",     0.2, 4), ("rotate",       0.8, 9)),
    (("rotate",       1.0, 7), ("translate_y",  0.8, 9)),
    (("shear_x",      0.0, 0), ("solarize",     0.8, 4)),
    (("shear_y",      0.8, 0), ("color",        0.6, 4)),
    (("color",        1.0, 0), ("rotate",       0.6, 2)),
    (("equalize",     0.8, 4), ("equalize",     0.0, 8)),
    (("equalize",     1.0, 4), ("autocontrast", 0.6, 2)),
    (("shear_y",      0.4, 7), ("solarize_add", 0.6, 7)),
    (("posterize",    0.8, 2), ("solarize",     0.6, 10)),
    (("solarize",     0.6, 8), ("equalize",     0.6, 1)),
    (("color",        0.8, 6), ("rotate",       0.4, 5)),
)
# fmt: on

CHOICES = np.array([[OPERATIONS.index(name) for name, _, _ in row] for row in POLICY_V0])  # [25,2]
CHANCES = np.array([[chance for _, chance, _ in row] for row in POLICY_V0], np.float32)
AMOUNTS = np.array(
    [[amount(name, level, TRANSLATE, CUTOUT) for name, _, level in row] for row in POLICY_V0],
    np.float32,
)
SIGNS = np.array([[name in SIGNED for name, _, _ in row] for row in POLICY_V0])


def autoaugment(key: Array, images: Array) -> Array:
    """One sub-policy, drawn from the 25 alike, on each of `images` [B, H, W, C], 0-255."""
    policy_key, step_key = jax.random.split(key)
    policies = jax.random.randint(policy_key, (len(images),), 0, len(POLICY_V0))  # [B]
    for step in range(2):
        chosen, amounts, centres = draw_step(jax.random.fold_in(step_key, step), policies, step)
        images = apply(images, chosen, amounts, centres)
    return images


def draw_step(key: Array, policies: Array, step: int) -> tuple[Array, Array, Array]:
    """The (choices, amounts, centres) of `apply` for operation `step` of the policies [B].

    The choice is -1 where the operation's probability leaves the image as it is.
    """
    chance_key, sign_key, place_key = jax.random.split(key, 3)
    done = jax.random.uniform(chance_key, policies.shape) < jnp.asarray(CHANCES)[policies, step]
    negative = jax.random.bernoulli(sign_key, shape=policies.shape)
    negative &= jnp.asarray(SIGNS)[policies, step]
    amounts = jnp.asarray(AMOUNTS)[policies, step]
    chosen = jnp.where(done, jnp.asarray(CHOICES)[policies, step], -1)
    centres = jax.random.uniform(place_key, (len(policies), 2))
    return chosen, jnp.where(negative, -amounts, amounts), centres
