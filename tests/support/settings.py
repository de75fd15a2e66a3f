"""The lines of params.yaml that say how a small study runs, whatever its halves are."""

SETTINGS = {
    "seed": 0,
    "device": "cpu",
    "batch_size": 4,
    "workers": 0,
    "fold": True,
    "compiled": False,
    "retrain": False,
    "distance": "linf",
    "threshold": 0.5,
    "damage": None,
    "cells": {},
}
