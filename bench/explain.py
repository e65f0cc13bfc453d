"""Explanations of trees by other libraries on the rows that ours explain: rows a CPU second, as JSON.

Arguments: a folder with train.f32, labels.u8 and test.f32, and the number of columns.
"""
import json
import sys
import time

import lightgbm
import numpy as np
import shap
from sklearn.ensemble import RandomForestClassifier

folder, width = sys.argv[1], int(sys.argv[2])
train = np.fromfile(f"{folder}/train.f32", dtype=np.float32).reshape(-1, width)
labels = np.fromfile(f"{folder}/labels.u8", dtype=np.uint8)
test = np.fromfile(f"{folder}/test.f32", dtype=np.float32).reshape(-1, width)


def rate(rows, explain):
    explain(test[:10])
    seconds = []
    for _ in range(3):
        start = time.process_time()
        explain(test[:rows])
        seconds.append(time.process_time() - start)
    return rows / sorted(seconds)[1]


boosting = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1).fit(train, labels)
forest = RandomForestClassifier(n_estimators=100, n_jobs=1, random_state=1).fit(train, labels)
of_boosting, of_forest = shap.TreeExplainer(boosting), shap.TreeExplainer(forest)
print(json.dumps({
    "lightgbm": rate(3000, lambda rows: boosting.predict(rows, pred_contrib=True, num_threads=1)),
    "shap_boosting": rate(3000, of_boosting.shap_values),
    "shap_forest": rate(100, lambda rows: of_forest.shap_values(rows, check_additivity=False)),
    "leaves": float(np.mean([tree.get_n_leaves() for tree in forest.estimators_])),
}))
