"""The stage `trust`: a few more looks at each detector, from which pages tell whether the attacks on it can be trusted.

See `rrlib.evaluation.probe`. It takes seconds; an interrupted one is begun again.
"""

import hashlib
from collections.abc import Mapping

import pandas as pd

from rrlib.attacks import RULES, Rule
from rrlib.devices import resolve
from rrlib.evaluation import probe
from rrlib.study import paths
from rrlib.study.checkpoint import load_detector
from rrlib.study.measure import half_of, load_test_set
from rrlib.study.params import Study

WITHOUT_HIGHLIGHT = 0.01  # the radius that is looked at where a study singles out ε = 0


def make_probe(study: Study, dataset: str, detector: str) -> None:
    """The probe of a detector on a data set, where pages look for it."""
    half_of(study, dataset, detector)
    epsilon = study.highlight.epsilon or WITHOUT_HIGHLIGHT
    loaded = load_detector(study, dataset, detector)
    whole = load_test_set(dataset, loaded.metadata["input_size"])
    table = probe.probe(
        loaded.detector,
        probe.part(whole, probe.CLIPS if hasattr(whole, "frames") else probe.IMAGES, study.seed),
        epsilon,
        distance=study.distance,
        seed=study.seed,
        device=resolve(study.device),
        fold=study.fold,
        name=detector,
    )
    about = {"dataset": dataset, "detector": detector, "epsilon": epsilon, "seed": study.seed}
    probe.write(paths.probe_path(dataset, detector), table, about)


def read_probe(dataset: str, detector: str) -> pd.DataFrame:
    """What `make_probe` wrote; its `attrs` say the ε."""
    return probe.read(paths.probe_path(dataset, detector))


def read_probes(study: Study) -> dict[tuple[str, str], pd.DataFrame]:
    """The probes of the whole study, by data set and detector."""
    return {pair: read_probe(*pair) for pair in study.pairs()}


def attacks_digest(rules: Mapping[str, Rule]) -> str:
    """Twelve hexadecimal digits of the rules that a worst case is over, whatever they are called."""
    return hashlib.sha256(repr(sorted(map(repr, rules.values()))).encode()).hexdigest()[:12]


def attack_kinds(rules: Mapping[str, Rule]) -> dict[str, list[str]]:
    """Which attacks are noise, which take one step along a gradient, and which many ("iterated")."""
    kinds: dict[str, list[str]] = {"noise": [], "one_step": [], "iterated": []}
    for name, rule in rules.items():
        if not rule.adversarial:
            kinds["noise"].append(name)
        elif isinstance(rule, RULES["fgsm"]) or getattr(rule, "steps", None) == 1:
            kinds["one_step"].append(name)
        elif hasattr(rule, "steps"):
            kinds["iterated"].append(name)
    return kinds
