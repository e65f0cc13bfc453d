"""The other side of `lapwing-bench parity`: what scikit-learn, and PyOD where scikit-learn has nothing, make of the same rows.

`parity.py tables FOLDER` writes the tables that come with scikit-learn there; `parity.py fit FOLDER` reads `plan.json` and
writes, for each job and all its splits one after the other, what its estimator tells of the test rows: probabilities, class
by class, or one anomaly score a row. Numbers are little-endian: values f4, classes and rows u4, answers f8.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.covariance import EmpiricalCovariance, LedoitWolf, MinCovDet
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

try:
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
except ImportError:
    # The plan names neither then.
    pass


def logarithm(rows):
    return np.sign(rows) * np.log1p(np.abs(rows))


class Calibrated:
    """A classifier that learns from every other row, calibrated by the rows between."""

    def __init__(self, classifier, method):
        self.classifier, self.method = classifier, method

    def fit(self, rows, truth):
        fitted = FrozenEstimator(self.classifier.fit(rows[::2], truth[::2]))
        self.calibrated = CalibratedClassifierCV(fitted, method=self.method).fit(rows[1::2], truth[1::2])

    def predict_proba(self, rows):
        return self.calibrated.predict_proba(rows)


class Residual:
    """The squared distance from what principal components reconstruct."""

    def __init__(self, **settings):
        self.components = PCA(**settings)

    def fit(self, rows, _):
        self.components.fit(rows)

    def anomaly(self, rows):
        again = self.components.inverse_transform(self.components.transform(rows))
        return ((rows - again) ** 2).sum(axis=1)


class MeanDistance:
    """The mean distance from the nearest training rows."""

    def __init__(self, **settings):
        self.neighbours = NearestNeighbors(**settings)

    def fit(self, rows, _):
        self.neighbours.fit(rows)

    def anomaly(self, rows):
        return self.neighbours.kneighbors(rows)[0].mean(axis=1)


class Outliers:
    """A detector of PyOD."""

    def __init__(self, detector):
        self.detector = detector

    def fit(self, rows, _):
        self.detector.fit(rows)

    def anomaly(self, rows):
        return self.detector.decision_function(rows)


def tell(estimator, rows):
    """Probabilities, or an anomaly score of which more is worse."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    if isinstance(estimator, IsolationForest):
        return -estimator.score_samples(rows)
    return estimator.mahalanobis(rows) if hasattr(estimator, "mahalanobis") else estimator.anomaly(rows)


def write_tables(folder):
    loaders = {"breast cancer": datasets.load_breast_cancer, "digits": datasets.load_digits, "wine": datasets.load_wine}
    for name, load in loaders.items():
        table = load()
        # Class 0 is benign: of the tumours 1 says so, of digits and wines the first is taken for it.
        classes = 1 - table.target if name == "breast cancer" else table.target
        table.data.astype("<f4").tofile(folder / f"{name}.values")
        classes.astype("<u4").tofile(folder / f"{name}.classes")


def fit(folder):
    plan = json.loads((folder / "plan.json").read_text())
    tables = {}
    for name, width in plan["tables"].items():
        values = np.fromfile(folder / f"{name}.values", "<f4").astype(float).reshape(-1, width)
        tables[name] = values, np.fromfile(folder / f"{name}.classes", "<u4").astype(int)
    for number, job in enumerate(plan["jobs"]):
        values, classes = tables[job["table"]]
        answers = []
        for seed in range(1, plan["seeds"] + 1):
            train, test = (
                np.fromfile(folder / f"{job['table']}.{part}.{seed}", "<u4") for part in ("train", "test")
            )
            if job["benign"]:
                train = train[classes[train] == 0]
            learned, asked = values[train], values[test]
            if job["standard"]:
                scaler = StandardScaler().fit(learned)
                learned, asked = scaler.transform(learned), scaler.transform(asked)
            estimator = eval(job["estimator"], globals(), {"seed": seed})
            estimator.fit(learned, classes[train])
            answers.append(np.asarray(tell(estimator, asked), "<f8").ravel())
        np.concatenate(answers).tofile(folder / f"{number}.answers")
        name = " ".join(job["estimator"].split())
        print(f"theirs: {time.process_time():.0f} s, {job['table']}, {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    {"tables": write_tables, "fit": fit}[sys.argv[1]](Path(sys.argv[2]))
