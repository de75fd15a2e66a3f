"""The torchmetrics metrics: sums over batches and processes, collections, precision, plots, refusals."""

import math
import pickle
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor, nn
from torchmetrics import BootStrapper, MetricCollection, MetricTracker

from rrlib.errors import InputError
from rrlib.metrics import (
    DISTANCES,
    RobustAccuracy,
    RobustRatio,
    Stability,
    keeps_label,
    probability_shift,
    robust_accuracy,
    robust_ratio,
    stability,
)

mpl.use("agg")

SOME_TOLERANCES = [0.5, 0.1, 0.3]
OTHER_SETTINGS = (
    r"^the state of RobustRatio\(tolerance=.*\) was counted by a metric with other settings; load it into a metric "
    r"with the settings that it was counted with, or give each its own compute group$"
)
NO_SAMPLES = "no samples were given; a share needs at least 1, so check the data is not empty"


def batch(samples: int, seed: int, classes: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(samples, classes, generator=generator)
    return {
        "p_clean": logits.softmax(dim=1),
        "p_attacked": (logits + torch.randn(samples, classes, generator=generator)).softmax(dim=1),
        "labels": torch.randint(classes, (samples,), generator=generator),
    }


def update(metric, given: dict[str, Tensor]):
    return metric.update(**metric._filter_kwargs(**given))


def still(samples: int) -> dict[str, Tensor]:
    """A batch in which nothing moves and all is right: all counts are equal after it."""
    p = torch.tensor([[0.9, 0.1]]).expand(samples, 2)
    return {"p_clean": p, "p_attacked": p, "labels": torch.zeros(samples, dtype=torch.long)}


def two_of(*differing) -> dict:
    return dict(zip("ab", differing, strict=True))


# In collections

COLLECTIONS = {
    "RA and RR": lambda: [RobustAccuracy(), RobustRatio()],
    "all three by name": lambda: {"ra": RobustAccuracy(), "rr": RobustRatio(), "stability": Stability()},
    "two tolerances": lambda: two_of(RobustRatio(0.01), RobustRatio(0.5)),
    "two tolerances, close": lambda: two_of(RobustRatio(1e-9), RobustRatio(2e-9)),
    "a tolerance and a list of it": lambda: two_of(RobustRatio(0.1), RobustRatio([0.1])),
    "two lists of tolerances": lambda: two_of(RobustRatio([0.1, 0.2]), RobustRatio([0.1, 0.5])),
    "two distances of RR": lambda: two_of(RobustRatio(0.1, "linf"), RobustRatio(0.1, "js")),
    "two distances of stability": lambda: two_of(Stability("linf"), Stability("js")),
    "two label rules": lambda: two_of(RobustRatio(0.5), RobustRatio(0.5, require_same_label=True)),
    "two thresholds of RR": lambda: two_of(RobustRatio(0.5, "linf", True, 0.2), RobustRatio(0.5, "linf", True, 0.8)),
    "two thresholds of RA": lambda: two_of(RobustAccuracy(0.2), RobustAccuracy(0.8)),
}
COLLECTED = pytest.mark.parametrize("metrics", COLLECTIONS.values(), ids=COLLECTIONS)


@COLLECTED
@pytest.mark.parametrize("compute_groups", [True, False])
@pytest.mark.parametrize("way", ["update", "forward"])
def test_each_metric_of_a_collection_tells_its_own_value(metrics, compute_groups, way):
    collection = MetricCollection(metrics(), compute_groups=compute_groups)
    alone = {name: metric.clone() for name, metric in collection.items()}
    for given in (still(8), batch(8, seed=1), batch(32, seed=2)):
        told = getattr(collection, way)(**given)
        for name, metric in alone.items():
            value = metric(**metric._filter_kwargs(**given))
            assert told is None or torch.equal(told[name], value)
    assert len(collection.compute_groups) == (len(alone) if compute_groups else 0)
    together = collection.compute()
    for name, metric in alone.items():
        assert torch.equal(together[name], metric.compute())
    collection.reset()
    collection.update(**still(4))
    assert all((value == 1).all() for value in collection.compute().values())


def test_the_probe_that_told_one_number_twice_tells_two():
    collection = MetricCollection([RobustAccuracy(), RobustRatio()])
    for given in (still(8), batch(50, seed=3)):
        collection.update(**given)
    values = collection.compute()
    assert values["RobustAccuracy"] != values["RobustRatio"]


def test_equal_metrics_are_counted_once():
    collection = MetricCollection(two_of(RobustRatio(0.1), RobustRatio(0.1)))
    for given in (still(8), batch(8, seed=4)):
        collection.update(**given)
    assert collection.compute_groups == {0: ["a", "b"]}
    values = collection.compute()
    assert values["a"] == values["b"] == RobustRatio(0.1)(*list(merged(still(8), batch(8, seed=4)).values())[:2])


def merged(*batches: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: torch.cat([given[key] for given in batches]) for key in batches[0]}


def test_a_compute_group_by_hand_of_metrics_that_differ_is_refused():
    groups = [["RobustAccuracy", "RobustRatio"]]
    collection = MetricCollection([RobustAccuracy(), RobustRatio()], compute_groups=groups)
    collection.update(**still(8))
    collection.update(**batch(8, seed=5))
    with pytest.raises(InputError, match=OTHER_SETTINGS):
        collection.compute()


def test_wrappers_of_torchmetrics_take_the_metrics():
    given = batch(64, seed=6)
    pair = given["p_clean"], given["p_attacked"]
    bootstrap = BootStrapper(RobustRatio([0.1, 0.3]), num_bootstraps=5)
    bootstrap.update(*pair)
    assert bootstrap.compute()["mean"].shape == (2,)
    tracker = MetricTracker(RobustRatio(0.1))
    for rows in (slice(0, 32), slice(32, 64)):
        tracker.increment()
        tracker.update(pair[0][rows], pair[1][rows])
    assert tracker.best_metric() == tracker.compute_all().max()
    loss = 1 - RobustRatio(0.1)
    loss.update(*pair)
    assert loss.compute() == 1 - robust_ratio(probability_shift(*pair), 0.1)


# Over batches


@pytest.mark.parametrize("require_same_label", [False, True])
@pytest.mark.parametrize("tolerance", [0.1, SOME_TOLERANCES])
@pytest.mark.parametrize("distance", DISTANCES)
def test_metrics_over_uneven_batches_equal_the_functions(distance, tolerance, require_same_label):
    whole = batch(23, seed=7, classes=3)
    rr, ra = RobustRatio(tolerance, distance, require_same_label), RobustAccuracy()
    for p_clean, p_attacked, labels in zip(*(whole[key].split([7, 1, 0, 15]) for key in whole), strict=True):
        rr.update(p_clean, p_attacked)
        ra.update(p_attacked, labels)
    p, q = whole["p_clean"], whole["p_attacked"]
    same_label = p.argmax(dim=1) == q.argmax(dim=1) if require_same_label else None
    expected = robust_ratio(probability_shift(p, q, distance), tolerance, same_label)
    assert torch.equal(rr.compute(), expected)
    assert 0 < expected.mean() < 1
    assert ra.compute() == robust_accuracy(q, whole["labels"])


@pytest.mark.parametrize("distance", ["linf", "tv", "js"])
def test_stability_is_that_of_the_function_and_the_same_to_the_bit_in_any_order(distance):
    given = batch(1000, seed=8)
    p, q = given["p_clean"], given["p_attacked"]
    forwards, backwards = Stability(distance), Stability(distance)
    forwards.update(p, q)
    for rows in torch.arange(1000).flip(0).split(7):
        backwards.update(p[rows], q[rows])
    assert forwards.compute() == backwards.compute()
    expected = stability(probability_shift(p, q, distance)).item()
    assert forwards.compute().item() == pytest.approx(expected, abs=2**-33)


def test_stability_is_one_where_nothing_moves_and_zero_where_all_turns():
    assert Stability()(torch.tensor([0.3, 0.9]), torch.tensor([0.3, 0.9])) == 1
    assert Stability()(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])) == 0


def test_one_probability_of_two_and_a_threshold():
    given = batch(64, seed=9)
    p, q, labels = given["p_clean"][:, 1], given["p_attacked"][:, 1], given["labels"]
    assert RobustAccuracy(0.8)(q, labels) == robust_accuracy(q, labels, 0.8)
    assert RobustRatio(0.3)(p, q) == robust_ratio(probability_shift(p, q), 0.3)
    kept = RobustRatio(0.3, require_same_label=True, threshold=0.8)(p, q)
    assert kept == robust_ratio(probability_shift(p, q), 0.3, keeps_label(p, q, 0.8))


def test_a_threshold_moves_what_counts_as_the_same_label():
    p, q = torch.tensor([0.45, 0.75]), torch.tensor([0.55, 0.85])
    assert RobustRatio(0.5, require_same_label=True)(p, q) == 0.5
    assert RobustRatio(0.5, require_same_label=True, threshold=0.6)(p, q) == 1
    assert RobustRatio(0.5, require_same_label=True, threshold=0.8)(p, q) == 0.5
    assert RobustRatio(0.5, threshold=0.8)(p, q) == 1


@pytest.mark.parametrize("metric", [RobustAccuracy(), RobustRatio(0.3), RobustRatio(SOME_TOLERANCES), Stability()])
def test_a_metric_called_on_a_batch_returns_that_batch_and_keeps_the_whole(metric):
    whole = batch(8, seed=10)
    metric, fresh = metric.clone(), metric.clone()
    for rows in (slice(0, 3), slice(3, 8)):
        part = metric._filter_kwargs(**{key: values[rows] for key, values in whole.items()})
        assert torch.equal(metric(**part), reset(metric.clone())(**part))
    update(fresh, whole)
    assert torch.equal(metric.compute(), fresh.compute())


def reset(metric):
    metric.reset()
    return metric


@pytest.mark.parametrize("metric", [RobustAccuracy(0.4), RobustRatio(SOME_TOLERANCES, "js", True), Stability("tv")])
def test_clones_pickles_and_saved_states_go_on_where_the_metric_stood(metric):
    metric = metric.clone()
    first, second = batch(8, seed=11), batch(8, seed=12)
    update(metric, first)
    metric.persistent(True)
    loaded = reset(metric.clone())
    loaded.load_state_dict(metric.state_dict())
    copies = [metric.clone(), pickle.loads(pickle.dumps(metric)), loaded]
    update(metric, second)
    for copy in copies:
        update(copy, second)
        assert repr(copy) == repr(metric)
        assert torch.equal(copy.compute(), metric.compute())
    update(reset(metric), second)
    assert not any(torch.equal(metric.compute(), copy.compute()) for copy in copies)


def test_batches_within_and_without_inference_mode_add_up():
    metric, whole = RobustRatio(0.1), batch(16, seed=13)
    with torch.inference_mode():
        metric(whole["p_clean"][:8], whole["p_attacked"][:8])
    metric(whole["p_clean"][8:], whole["p_attacked"][8:])
    assert metric.compute() == RobustRatio(0.1)(whole["p_clean"], whole["p_attacked"])


def test_settings_show_in_the_representation():
    assert repr(RobustRatio(SOME_TOLERANCES, "js", True, 0.3)) == (
        "RobustRatio(tolerance=[0.5, 0.1, 0.3], distance='js', require_same_label=True, threshold=0.3)"
    )
    assert repr(RobustRatio(torch.tensor(0.25))) == (
        "RobustRatio(tolerance=0.25, distance='linf', require_same_label=False, threshold=0.5)"
    )
    assert "(rr): RobustRatio(tolerance=0.1, " in repr(MetricCollection({"rr": RobustRatio()}))


def test_more_is_better_for_all_metrics():
    assert RobustAccuracy.higher_is_better
    assert RobustRatio.higher_is_better
    assert Stability.higher_is_better


# Over processes


def metrics_of_a_run() -> dict:
    return {"ra": RobustAccuracy(), "rr": RobustRatio(0.1), "rrs": RobustRatio(SOME_TOLERANCES), "s": Stability("js")}


def on_one_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    whole, rows = batch(10, seed=14), slice(0, 7) if rank == 0 else slice(7, 10)
    part = {key: values[rows] for key, values in whole.items()}
    collection = MetricCollection(metrics_of_a_run())
    collection.update(**part)
    values = collection.compute()

    refusals = []
    for mine in (RobustRatio([0.1, 0.5][rank]), RobustRatio([[0.1], [0.1, 0.5]][rank]), Stability(["tv", "js"][rank])):
        update(mine, part)
        counted = mine.total.clone()
        try:
            mine.compute()
        except InputError as error:
            refusals.append(str(error))
        assert torch.equal(mine.total, counted)
    torch.save((values, refusals), Path(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


def test_two_processes_add_up_to_the_whole_and_refuse_to_add_what_differs(tmp_path):
    torch.multiprocessing.spawn(on_one_rank, (str(tmp_path),), nprocs=2)
    alone = MetricCollection(metrics_of_a_run())
    alone.update(**batch(10, seed=14))
    expected = alone.compute()
    for rank in (0, 1):
        values, refusals = torch.load(tmp_path / f"{rank}.pt")
        assert all(torch.equal(values[name], expected[name]) for name in expected)
        assert refusals == 3 * [
            "metrics of different tolerance, distance, label rule or threshold were to be added up; "
            "give the same settings in every process"
        ]


def test_states_of_equal_settings_merge():
    first, second = RobustRatio(0.1), RobustRatio(0.1)
    update(first, batch(8, seed=15))
    update(second, batch(8, seed=16))
    first.merge_state(second)
    whole = merged(batch(8, seed=15), batch(8, seed=16))
    assert first.compute() == RobustRatio(0.1)(whole["p_clean"], whole["p_attacked"])


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (RobustRatio(0.1), RobustRatio(0.5)),
        (RobustRatio(0.1), RobustRatio([0.1, 0.5])),
        (RobustRatio(0.1), RobustRatio(0.1, "js")),
        (RobustRatio(0.1), RobustRatio(0.1, require_same_label=True)),
        (RobustAccuracy(0.5), RobustAccuracy(0.4)),
        (Stability("linf"), Stability("js")),
    ],
)
def test_states_of_other_settings_do_not_merge(mine, other):
    mine, other = mine.clone(), other.clone()
    update(mine, batch(8, seed=17))
    update(other, batch(8, seed=18))
    before = mine.compute()
    message = f"{other!r} cannot be merged into {mine!r}; merge metrics of equal settings"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        mine.merge_state(other)
    with pytest.raises(InputError, match=r"^metrics of different tolerance, distance, label rule or threshold were to"):
        mine.merge_state(other.metric_state)
    assert torch.equal(mine.compute(), before)


def test_a_saved_state_of_other_settings_is_refused():
    saved, other = RobustRatio(0.1), RobustRatio(0.5)
    saved.persistent(True)
    update(saved, batch(8, seed=17))
    other.load_state_dict(saved.state_dict())
    update(other, batch(8, seed=18))
    with pytest.raises(InputError, match=OTHER_SETTINGS):
        other.compute()


# In half precision


def fresh_metrics() -> list:
    return [RobustAccuracy(), RobustRatio(0.1), RobustRatio(SOME_TOLERANCES), Stability()]


@pytest.mark.parametrize("index", range(4), ids=["RA", "RR", "RR at several", "stability"])
@pytest.mark.parametrize(
    "convert",
    [
        lambda module: module.half(),
        lambda module: module.to(torch.bfloat16),
        lambda module: module.metric.set_dtype(torch.float16),
        lambda module: MetricCollection([module.metric]).set_dtype(torch.bfloat16),
    ],
    ids=["module.half", "module.to", "set_dtype", "collection.set_dtype"],
)
def test_a_module_in_half_precision_counts_as_before(index, convert):
    module, metric = nn.Module(), fresh_metrics()[index]
    module.metric = fresh_metrics()[index]
    convert(module)
    for seed in range(3):  # 6,003 samples; float16 counts to 2,048 and bfloat16 to 256
        given = batch(2001, seed)
        update(module.metric, given)
        update(metric, given)
    assert torch.equal(module.metric.compute(), metric.compute())
    assert module.metric.samples == 6003


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_the_metrics_tell_what_the_functions_tell_without_it(dtype):
    generator = torch.Generator().manual_seed(19)
    layer, x = nn.Linear(8, 2), torch.randn(64, 8, generator=generator)
    nn.init.normal_(layer.weight, generator=generator)
    moved = x + 0.1 * torch.randn(64, 8, generator=generator)
    labels = torch.randint(2, (64,), generator=generator)
    rr, ra, mean = RobustRatio(SOME_TOLERANCES), RobustAccuracy(), Stability("js")
    with torch.autocast("cpu", dtype), torch.no_grad():
        p, q = layer(x).softmax(dim=1).to(dtype), layer(moved).softmax(dim=1).to(dtype)
        assert p.dtype == dtype
        told = rr(p, q), ra(q, labels), mean(p, q)
    shift = probability_shift(p, q)
    assert torch.equal(told[0], robust_ratio(shift, SOME_TOLERANCES))
    assert told[1] == robust_accuracy(q, labels)
    assert told[2].item() == pytest.approx(stability(probability_shift(p, q, "js")).item(), abs=2**-33)
    assert all(value.dtype == torch.float64 for value in told)


# Drawn


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        (RobustAccuracy(), "robust accuracy RA (share of samples, upper bound)"),
        (RobustRatio(0.1), "robust ratio RR(τ = 0.1) (share of samples, upper bound)"),
        (RobustRatio(0.1, "js", True), "robust ratio RR(τ = 0.1, label kept) (share of samples, upper bound)"),
        (Stability("tv"), "stability (1 − mean total variation, upper bound)"),
    ],
)
def test_one_number_is_drawn_as_torchmetrics_draws_it(metric, label):
    metric = metric.clone()
    update(metric, batch(32, seed=20))
    figure, ax = metric.plot()
    assert ax.get_ylabel() == label
    assert ax.get_lines()[0].get_ydata()[0] == metric.compute()
    figure, given_ax = plt.subplots()
    figure, ax = metric.plot([torch.tensor(0.5), torch.tensor(0.75)], ax=given_ax)
    assert figure is None
    assert ax is given_ax
    assert ax.get_xlabel() == "Step"
    assert list(ax.get_lines()[0].get_ydata()) == [0.5, 0.75]


def test_several_tolerances_are_drawn_as_a_curve():
    metric = RobustRatio(SOME_TOLERANCES, "js")
    update(metric, batch(32, seed=21))
    _, ax = metric.plot()
    assert ax.get_xlabel() == "tolerance τ (Jensen–Shannon distance of probabilities)"
    assert ax.get_ylabel() == "robust ratio RR(τ) (share of samples, upper bound)"
    (line,) = ax.get_lines()
    assert list(line.get_xdata()) == [0.1, 0.3, 0.5]
    assert list(line.get_ydata()) == metric.compute()[[1, 2, 0]].tolist()
    assert ax.get_legend() is None
    _, ax = metric.plot([torch.tensor([0.9, 0.2, 0.5]), torch.tensor([0.8, 0.1, 0.4])])
    assert [list(line.get_ydata()) for line in ax.get_lines()] == [
        pytest.approx([0.2, 0.5, 0.9]),
        pytest.approx([0.1, 0.4, 0.8]),
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["step 0", "step 1"]


def test_a_collection_draws_each_of_its_metrics():
    collection = MetricCollection(metrics_of_a_run())
    collection.update(**batch(32, seed=22))
    assert len(collection.plot()) == 4


# Failures


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RobustRatio(-0.1), "the tolerance -0.1 was given; use a finite number ≥ 0"),
        (lambda: RobustRatio([0.1, math.inf]), "the tolerance inf was given; use a finite number ≥ 0"),
        (lambda: RobustRatio([]), "no tolerance was given; use one number ≥ 0 or a list of them"),
        (lambda: RobustRatio(distance="l1"), "distance.l1 is not known; choose from linf, tv, l2, js"),
        (lambda: Stability("l2"), "distance.l2 is not known; choose from linf, tv, js"),
        (lambda: RobustRatio(threshold=2), "the threshold 2 was given; use a probability of fake, from 0 to 1"),
        (lambda: RobustAccuracy(-0.5), "the threshold -0.5 was given; use a probability of fake, from 0 to 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused_at_once(make, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize("metric", [RobustAccuracy, RobustRatio, Stability])
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_a_metric_without_samples_has_no_value(metric):
    with pytest.raises(InputError, match=f"^{re.escape(NO_SAMPLES)}$"):
        metric().compute()
