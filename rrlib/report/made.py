"""How a detector came to be, in words, from the metadata of its checkpoint."""

from collections.abc import Mapping

from rrlib import text


def how_made(metadata: Mapping, samples: str) -> str:
    """Markdown: where the weights come from or how they were trained; `samples` is what the data set's are called.

    >>> how_made({"report": None, "weights": "Meso4_DF.h5"}, "images")
    'The weights were not trained here: they come from `Meso4_DF.h5`.'
    """
    report = metadata.get("report")
    if not report:
        return f"The weights were not trained here: they come from {text.code(metadata.get('weights'))}."
    moved = f"{report['validation_loss']:.4f} to {report['validation_loss_calibrated']:.4f}"
    begun = metadata.get("begun_from")
    on = f" on from {text.code(begun['weights'])}" if begun else ""
    said = [
        f"Trained{on} {_method(report['recipe'].get('adversarial'), samples)}; the weights are those of epoch "
        f"{report['best_epoch']} of {report['recipe']['epochs']}, which has the least validation loss.",
        f"Calibration: the logits are divided by a temperature of {report['temperature']:.3f}, which moves the "
        f"validation loss from {moved} nats.",
    ]
    if apart := metadata.get("against_given"):
        said.append(
            "This detector was trained anew. Beside the checkpoint that the repository gives, on the validation split, "
            f"its P(fake) differs by {apart['mean']:.3f} on average and by {apart['largest']:.3f} at most, and "
            f"{apart['same_labels']:.3f} of the labels agree."
        )
    else:
        said.append("`python -m rrlib train` trains it anew and says how far the result is from these weights.")
    return "\n\n".join(said)


def _method(adversarial: Mapping | None, samples: str) -> str:
    if adversarial is None:
        return f"on clean {samples}"
    by = f"(ε = {adversarial['epsilon']:g}, {adversarial['steps']} steps)"
    if adversarial["method"] == "trades":
        return (
            f"by TRADES (Zhang et al. 2019, arXiv 1901.08573), β = {adversarial['beta']:g}: on clean {samples}, with a "
            f"penalty on how far PGD {by} moves the probabilities"
        )
    return (
        f"adversarially (Madry et al. 2018, arXiv 1706.06083): half on clean {samples}, half on {samples} that PGD "
        f"attacked {by}"
    )
