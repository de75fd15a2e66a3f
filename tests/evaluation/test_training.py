"""Training: repeatable, selected and calibrated on validation data, and honest when it fails."""

import copy
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, rel_entr
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from rrlib.analysis.summary import correct
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError
from rrlib.evaluation import evaluate
from rrlib.evaluation.adversarial import Madry, Trades, divergence
from rrlib.evaluation.training import Recipe, _batches, fit_temperature, train, try_training

QUICK = Recipe(epochs=2, batch_size=16)


def trained(separable, recipe: Recipe = QUICK, seed: int = 0) -> tuple[torch.nn.Module, dict]:
    detector = build("resnet", 32, seed=0)
    report = train(detector, separable(32, seed=1), separable(16, seed=2), recipe, seed=seed)
    return detector, report


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def calibration() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are three times too sure: labels are drawn with the probabilities of a third of them."""
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(400, 2, generator=generator)
    p_fake = (logits / 3).softmax(dim=1)[:, 1]
    return logits, (torch.rand(400, generator=generator) < p_fake).long()


METHODS = [Madry(epsilon=0.05, steps=1), Trades(epsilon=0.05, steps=1, beta=2)]


@pytest.mark.parametrize("adversarial", [None, *METHODS])
def test_the_same_seed_gives_the_same_weights_and_report(separable, adversarial):
    recipe = Recipe(epochs=2, batch_size=16, adversarial=adversarial)
    (first, first_report), (second, second_report) = trained(separable, recipe), trained(separable, recipe)
    assert same_weights(first, second)
    assert first_report == second_report


def test_another_seed_gives_other_weights(separable):
    assert not same_weights(trained(separable, seed=0)[0], trained(separable, seed=1)[0])


@pytest.mark.parametrize("adversarial", [None, *METHODS])
def test_what_was_drawn_before_does_not_matter_and_training_draws_nothing_globally(separable, adversarial):
    results, recipe = [], Recipe(epochs=2, batch_size=16, adversarial=adversarial)
    for drawn in (0, 5):
        torch.rand(drawn)
        state = torch.get_rng_state()
        detector = build("meso4", 32, seed=0)  # it has dropout
        train(detector, separable(32, seed=1), separable(16, seed=2), recipe, seed=0)
        assert torch.equal(torch.get_rng_state(), state)
        results.append(detector)
    assert same_weights(*results)


def test_a_set_that_is_easy_to_tell_apart_is_learnt(separable):
    detector, report = trained(separable, Recipe(epochs=12, batch_size=16))
    assert report["history"][report["best_epoch"] - 1]["validation_accuracy"] == 1.0
    table = evaluate(detector, separable(64, seed=3), "noise", [0])
    assert correct(table).mean() == 1.0


def test_a_detector_ends_in_eval_mode_and_ready_to_be_trained_again(separable):
    detector, _ = trained(separable)
    assert not any(module.training for module in detector.modules())
    assert all(parameter.requires_grad for parameter in detector.parameters())


def test_the_weights_kept_are_those_of_the_epoch_of_least_validation_loss(separable, in_memory):
    # what is learnt makes this validation set worse and worse: its labels are the wrong way round
    images, labels = separable(16, seed=2).images, 1 - torch.arange(16) % 2
    detector = build("resnet", 32, seed=0)
    report = train(detector, separable(32, seed=1), in_memory(images, labels.tolist()), Recipe(epochs=5), seed=0)
    losses = [row["selection_loss"] for row in report["history"]]
    assert [row["epoch"] for row in report["history"]] == [1, 2, 3, 4, 5]
    assert report["best_epoch"] == 1 + losses.index(min(losses)) < 5
    with torch.no_grad():
        kept = float(cross_entropy(detector(images), labels))
    assert kept == pytest.approx(min(losses), rel=1e-5)
    assert report["validation_loss"] == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("adversarial", "described"),
    [
        (METHODS[0], {"method": "madry", "epsilon": 0.05, "steps": 1}),
        (METHODS[1], {"method": "trades", "epsilon": 0.05, "steps": 1, "beta": 2}),
    ],
)
def test_adversarial_training_selects_by_both_losses_and_reports_its_recipe(separable, adversarial, described):
    _, report = trained(separable, Recipe(epochs=2, batch_size=16, adversarial=adversarial))
    for row in report["history"]:
        assert 0 <= row["validation_robust_accuracy"] <= row["validation_accuracy"] <= 1
        assert row["selection_loss"] > row["validation_loss"] > 0  # attacked images add to it
    assert report["recipe"]["adversarial"] == described


def test_validation_weighs_clean_and_attacked_samples_as_training_does():
    clean, attacked, labels = torch.tensor([[0.0, 3.0]]), torch.tensor([[0.0, -1.0]]), torch.tensor([1])
    p, q = expit([3.0, -1.0])
    assert METHODS[0].weigh(clean, attacked, labels) == pytest.approx(-(math.log(p) + math.log(q)) / 2)
    kl = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert METHODS[1].weigh(clean, attacked, labels) == pytest.approx(-math.log(p) + 2 * kl, rel=1e-5)


@pytest.mark.parametrize("method", [Madry(epsilon=0.05, steps=2), Trades(epsilon=0.05, steps=2, beta=3)])
def test_adversarial_training_raises_robust_accuracy(separable, method):
    robust_accuracy = []
    for adversarial in (None, method):
        detector, _ = trained(separable, Recipe(epochs=16, batch_size=16, adversarial=adversarial))
        table = evaluate(detector, separable(32, seed=3), "pgd", [0, 0.05])
        clean, attacked = pd.Series(correct(table)).groupby(table["epsilon"]).mean()
        assert clean == 1.0
        robust_accuracy.append(attacked)
    plain, adversarial = robust_accuracy
    assert adversarial > plain + 0.2


def batch(brightness: list[float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Grey 4 px images of this brightness, all of them fakes, and their numbers."""
    x = torch.tensor(brightness).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
    return x, torch.ones(len(x), dtype=torch.int64), torch.arange(len(x))


def test_the_loss_of_madry_has_every_second_sample_attacked(brightness):
    z = 20 * np.array([0.1, 0.1, -0.2, -0.2])
    z[::2] -= 20 * 0.05  # what is furthest from the label in the ball of 0.05
    loss = Madry(epsilon=0.05).loss(brightness(20), *batch([0.6, 0.6, 0.3, 0.3]))
    assert loss.item() == pytest.approx(-np.log(expit(z)).mean(), rel=1e-5)


@pytest.mark.parametrize("beta", [0, 1, 6.5])
def test_the_loss_of_trades_is_that_of_the_paper(brightness, beta):
    z = 20 * np.array([0.1, -0.2, 0.02])
    p, q = expit(z), expit(z - np.sign(z) * 20 * 0.05)  # from the verdict, right or wrong, as far as the ball goes
    kl = rel_entr(p, q) + rel_entr(1 - p, 1 - q)
    loss = Trades(epsilon=0.05, beta=beta).loss(brightness(20), *batch([0.6, 0.3, 0.52]))
    assert loss.item() == pytest.approx((-np.log(p) + beta * kl).mean(), rel=1e-5)


def test_the_kl_of_trades_is_never_negative_and_zero_where_nothing_moved(separable):
    logits = torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0)) * 10
    for clean, attacked in zip(*logits, strict=True):
        assert divergence(clean[None], attacked[None]) > 0
        assert divergence(clean[None], clean[None]) == 0
    detector, x = build("resnet", 32, seed=0), separable(8).images
    labels, samples = torch.arange(8) % 2, torch.arange(8)
    still = Trades(epsilon=0, beta=5).loss(detector, x, labels, samples)
    assert torch.equal(still, cross_entropy(detector(x), labels))


def test_trades_finds_a_larger_kl_than_noise_does(separable):
    detector, x = trained(separable)[0], separable(16, seed=3).images
    with torch.no_grad():
        clean = detector(x)
        found = Trades(epsilon=0.02, beta=1).attacked(detector, x, clean.argmax(dim=1), torch.arange(16))
        corners = [x + 0.02 * torch.empty_like(x).uniform_(-1, 1).sign() for _ in range(20)]
        assert divergence(clean, detector(found)) > 2 * max(divergence(clean, detector(other)) for other in corners)


def test_trades_with_beta_0_is_plain_training_bit_for_bit(separable):
    plain, _ = trained(separable)
    trades, _ = trained(separable, Recipe(epochs=2, batch_size=16, adversarial=Trades(epsilon=0.05, beta=0)))
    assert same_weights(plain, trades)


@pytest.mark.parametrize("adversarial", METHODS)
def test_the_search_for_attacked_samples_is_in_eval_mode_and_changes_no_statistics(separable, adversarial):
    detector, x = build("resnet", 32, seed=0).train(), separable(8).images
    before = copy.deepcopy(detector.state_dict())
    found = adversarial.attacked(detector, x, torch.arange(8) % 2, torch.arange(8))
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())
    assert all(module.training for module in detector.modules())
    again = adversarial.attacked(detector.eval(), x, torch.arange(8) % 2, torch.arange(8))
    assert torch.equal(found, again)


def test_the_report_gives_the_temperature_of_the_weights_that_were_kept(separable):
    detector, report = trained(separable)
    validation = separable(16, seed=2)
    labels = torch.tensor(validation.table["label"].to_numpy())
    with torch.no_grad():
        logits = detector(validation.images)
    assert report["temperature"] == pytest.approx(fit_temperature(logits, labels), rel=1e-4)
    calibrated = cross_entropy(logits / report["temperature"], labels)
    assert report["validation_loss_calibrated"] == pytest.approx(float(calibrated), rel=1e-4)
    assert report["validation_loss_calibrated"] <= report["validation_loss"] + 1e-7


def test_the_temperature_is_where_the_slope_of_the_loss_is_zero(calibration):
    logits, labels = (tensor.double().numpy() for tensor in calibration)
    z = logits[:, 1] - logits[:, 0]

    def slope(inverse: float) -> float:
        """d loss / d (1/T): the mean of z · (sigmoid(z / T) − y), increasing in 1/T."""
        return float((z * (expit(inverse * z) - labels)).mean())

    assert fit_temperature(*calibration) == pytest.approx(1 / brentq(slope, 0.05, 20), rel=1e-4)


def test_the_temperature_undoes_too_sure_logits_and_lowers_the_loss(calibration):
    logits, labels = calibration
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(3, rel=0.2)
    scaled = (logits / temperature).numpy()
    after = (logsumexp(scaled, axis=1) - scaled[range(len(labels)), labels]).mean()
    assert after < float(cross_entropy(logits, labels)) - 0.1


@pytest.mark.parametrize("factor", [0.25, 4])
def test_the_temperature_scales_with_the_logits(calibration, factor):
    logits, labels = calibration
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * fit_temperature(logits, labels), rel=1e-4)


def test_the_temperature_stays_within_its_bounds_where_every_answer_is_right():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, torch.tensor([0, 1])) == pytest.approx(0.05, rel=1e-4)
    assert fit_temperature(logits, torch.tensor([1, 0])) == pytest.approx(20, rel=1e-4)


@pytest.mark.parametrize(
    ("images", "learning_rate", "adversarial", "which"),
    [
        (32, 1e30, None, "training"),  # no number from the second step on
        (16, 1e6, None, "validation"),  # one step, and none after it
        *((16, 1e6, method, "validation") for method in METHODS),
        (32, 1e30, METHODS[1], "training"),
    ],
)
def test_a_loss_that_is_no_number_ends_training_with_advice(separable, images, learning_rate, adversarial, which):
    recipe = Recipe(epochs=1, batch_size=16, learning_rate=learning_rate, adversarial=adversarial)
    message = f"the {which} loss of faces/resnet became nan in epoch 1; lower its learning_rate"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        train(build("resnet", 32, 0), separable(images), separable(16), recipe, seed=0, name="faces/resnet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "training.epochs is 0; it is a whole number ≥ 1"),
        ({"epochs": 1.5}, "training.epochs is 1.5; it is a whole number ≥ 1"),
        ({"epochs": True}, "training.epochs is True; it is a whole number ≥ 1"),
        ({"batch_size": "64"}, "training.batch_size is '64'; it is a whole number ≥ 1"),
        ({"learning_rate": 0}, "training.learning_rate is 0; it is a finite number > 0"),
        ({"learning_rate": -1e-3}, "training.learning_rate is -0.001; it is a finite number > 0"),
        ({"learning_rate": math.nan}, "training.learning_rate is nan; it is a finite number > 0"),
        ({"learning_rate": None}, "training.learning_rate is None; it is a finite number > 0"),
        ({"weight_decay": math.inf}, "training.weight_decay is inf; it is a finite number ≥ 0"),
    ],
)
def test_a_recipe_says_what_it_cannot_be(options, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        Recipe(**options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (Madry, {"epsilon": 1.5}, "epsilon: 1.5 is given; epsilon is a number of pixel units in [0, 1]"),
        (Madry, {"epsilon": "0.1"}, "epsilon: '0.1' is given; epsilon is a number of pixel units in [0, 1]"),
        (Madry, {"epsilon": 0.1, "steps": 0}, "steps is 0; it is a whole number ≥ 1"),
        (Trades, {"epsilon": 0.1, "beta": 1, "steps": 1.5}, "steps is 1.5; it is a whole number ≥ 1"),
        (Trades, {"epsilon": 0.1, "beta": -1}, "beta is -1; it is a finite number ≥ 0; 1 to 6 are usual"),
        (Trades, {"epsilon": 0.1, "beta": math.inf}, "beta is inf; it is a finite number ≥ 0; 1 to 6 are usual"),
        (Trades, {"epsilon": 0.1, "beta": True}, "beta is True; it is a finite number ≥ 0; 1 to 6 are usual"),
        (Trades, {"epsilon": 0.1, "beta": "6"}, "beta is '6'; it is a finite number ≥ 0; 1 to 6 are usual"),
    ],
)
def test_adversarial_training_says_what_it_cannot_be(method, options, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        method(**options)


# What cannot be trained is told before the first step


class Mean(torch.nn.Module):
    """A linear layer over the mean colour, whose output in train mode is what `change` makes of it."""

    def __init__(self, change=lambda logits: logits, outputs: int = 2):
        super().__init__()
        self.linear, self.change = torch.nn.Linear(3, outputs), change

    def forward(self, x):
        logits = self.linear(x.mean(dim=(2, 3)))
        return self.change(logits) if self.training else logits


def frozen_mean() -> Mean:
    return Mean().requires_grad_(False)


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (
            Mean(lambda logits: (logits, logits)),  # as Inception with its second head
            "in train mode mine returned a tuple; a detector returns a tensor of shape (2, 2), the logits [real, fake]",
        ),
        (
            Mean(lambda logits: {"logits": logits}),
            "in train mode mine returned a dict; a detector returns a tensor of ",
        ),
        (Mean(outputs=3), "in train mode mine returned shape (2, 3); a detector returns (2, 2), the logits [real, "),
        (Mean(torch.detach), "mine has nothing to train: no weight changes its logits in train mode; its forward may "),
        (frozen_mean(), "mine has nothing to train: all weights are frozen (requires_grad is False); leave training "),
        (torch.nn.Flatten(), "mine has nothing to train: it has no weights; leave training out of its entry, or let "),
        (Mean(lambda logits: logits[:, 5]), "mine raised IndexError (index 5 is out of bounds for dimension 1 with "),
    ],
)
@pytest.mark.parametrize("adversarial", [None, *METHODS])
def test_what_cannot_be_trained_is_told_before_the_first_step(separable, detector, adversarial, message):
    recipe = Recipe(epochs=1, batch_size=16, adversarial=adversarial)
    with pytest.raises(InputError, match="^" + re.escape(message)):
        train(detector, separable(32), separable(16), recipe, seed=0, name="mine")


def test_a_single_sample_is_told_where_batch_norm_needs_two(separable):
    message = "xception raised ValueError (Expected more than 1 value per channel when training, got input size "
    with pytest.raises(
        InputError, match="^" + re.escape(message) + ".*train mode for a batch of 1; choose a batch_size"
    ):
        train(build("xception", 32, 0), separable(4), separable(4), Recipe(1, 1), seed=0, name="xception")


def test_a_last_sample_alone_joins_the_batch_before_it():
    seen: list[list[int]] = []
    for count, size in ((5, 4), (9, 4), (8, 4), (10, 4), (3, 1), (1, 4), (2, 4)):
        order = torch.Generator().manual_seed(0)
        samples = [(torch.zeros(1), 0, number) for number in range(count)]
        batches = _batches(samples, size, order)
        found = [numbers.tolist() for _, _, numbers in batches]
        assert len(batches) == len(found)
        assert sorted(number for numbers in found for number in numbers) == list(range(count))
        seen.append(sorted(map(len, found)))
    assert seen == [[5], [4, 5], [4, 4], [2, 4, 4], [1, 1, 1], [1], [2]]


def test_samples_come_in_the_same_order_however_the_last_is_batched():
    samples = [(torch.zeros(1), 0, number) for number in range(9)]
    loaders = (
        _batches(samples, 4, torch.Generator().manual_seed(3)),
        DataLoader(samples, 4, shuffle=True, generator=torch.Generator().manual_seed(3)),
    )
    joined, plain = ([int(n) for _ in range(2) for *_, batch in each for n in batch] for each in loaders)
    assert joined == plain


def test_a_trial_of_training_leaves_no_trace():
    detector = build("resnet", 32, seed=0)
    before, drawn = copy.deepcopy(detector.state_dict()), torch.random.get_rng_state()
    detector.eval()
    try_training(detector, torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())
    assert not any(module.training for module in detector.modules())
    assert torch.equal(torch.random.get_rng_state(), drawn)
