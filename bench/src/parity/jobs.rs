//! Which of our estimators stand beside which of theirs, with the same settings in both tongues.

use model::Calibration;

/// One of our estimators and one of theirs.
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) ours: Ours,
    /// A Python expression; `seed` is the number of the split.
    pub(super) theirs: &'static str,
    pub(super) columns: Columns,
    pub(super) asks: Asks,
    /// Whether both have but one right answer, so that answers are compared row by row.
    pub(super) exact: bool,
    /// What the two define differently.
    pub(super) note: &'static str,
}

/// How ours is made.
#[derive(Clone, Copy)]
pub(super) enum Ours {
    /// From a matrix, by these settings; `SQRT` stands for the square root of the number of columns.
    Method(&'static str),
    /// From a table: an ensemble, whose parts encode their columns themselves.
    Ensemble(&'static str),
    /// From every other row, calibrated by the rows between.
    Calibrated(&'static str, Calibration),
}

/// What becomes of columns beforehand, on both sides.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Columns {
    AsTheyAre,
    /// Mean 0 and deviation 1 of the training rows.
    Standard,
}

/// What is asked, and of which tables.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Asks {
    /// Classes, of breast cancer, digits and wine: accuracy, macro-F1, ROC-AUC of two classes.
    Classes,
    /// Probabilities, of breast cancer: the Brier score.
    Probabilities,
    /// Anomaly scores, of the same three after benign training rows alone, and of the shapes of http and smtp after rows
    /// with their outliers: ROC-AUC and PR-AUC.
    Anomalies(Http),
}

/// How much of the shape of http, of which some estimators would take minutes for a fit.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Http {
    Whole,
    /// Every fourth row.
    Quarter,
    /// Every twentieth row.
    Twentieth,
}

const fn classes(name: &'static str, ours: &'static str, theirs: &'static str) -> Job {
    Job {
        name,
        ours: Ours::Method(ours),
        theirs,
        columns: Columns::AsTheyAre,
        asks: Asks::Classes,
        exact: false,
        note: "",
    }
}

const fn anomalies(name: &'static str, ours: &'static str, theirs: &'static str) -> Job {
    Job { asks: Asks::Anomalies(Http::Whole), columns: Columns::Standard, ..classes(name, ours, theirs) }
}

const fn standard(job: Job) -> Job {
    Job { columns: Columns::Standard, ..job }
}

const fn of_http(http: Http, job: Job) -> Job {
    Job { asks: Asks::Anomalies(http), ..job }
}

const fn noted(note: &'static str, job: Job) -> Job {
    Job { note, ..job }
}

const fn exact(job: Job) -> Job {
    Job { exact: true, ..job }
}

const fn ensemble(name: &'static str, ours: &'static str, theirs: &'static str) -> Job {
    Job { ours: Ours::Ensemble(ours), ..classes(name, ours, theirs) }
}

const fn calibrated(name: &'static str, ours: &'static str, how: Calibration, theirs: &'static str) -> Job {
    Job { ours: Ours::Calibrated(ours, how), asks: Asks::Probabilities, ..classes(name, ours, theirs) }
}

pub(super) const JOBS: &[Job] = &[
    exact(classes("majority class", r#"{"majority": {}}"#, r#"DummyClassifier(strategy="prior")"#)),
    noted(
        "another rule: as many ranges of one column as pay, against one cut",
        classes(
            "one rule (1R) beside a tree of one cut",
            r#"{"one-rule": {}}"#,
            "DecisionTreeClassifier(max_depth=1, random_state=seed)",
        ),
    ),
    classes(
        "decision tree of one cut",
        r#"{"decision-tree": {"max-depth": 1, "min-samples-leaf": 1}}"#,
        "DecisionTreeClassifier(max_depth=1, random_state=seed)",
    ),
    classes(
        "decision tree, gini",
        r#"{"decision-tree": {"max-depth": 1000, "min-samples-leaf": 1}}"#,
        "DecisionTreeClassifier(random_state=seed)",
    ),
    classes(
        "decision tree, entropy, depth 6, 5 rows a leaf, balanced",
        r#"{"decision-tree": {"criterion": "entropy", "max-depth": 6, "class-weight": "balanced"}}"#,
        r#"DecisionTreeClassifier(criterion="entropy", max_depth=6, min_samples_leaf=5, class_weight="balanced", random_state=seed)"#,
    ),
    classes(
        "decision tree, gini, pruned by 0.01",
        r#"{"decision-tree": {"max-depth": 1000, "min-samples-leaf": 1, "ccp-alpha": 0.01}}"#,
        "DecisionTreeClassifier(ccp_alpha=0.01, random_state=seed)",
    ),
    classes(
        "decision tree, entropy, pruned by 0.03",
        r#"{"decision-tree": {"criterion": "entropy", "max-depth": 1000, "min-samples-leaf": 1, "ccp-alpha": 0.03}}"#,
        r#"DecisionTreeClassifier(criterion="entropy", ccp_alpha=0.03, random_state=seed)"#,
    ),
    classes(
        "random forest of 100",
        r#"{"random-forest": {"max-features": SQRT, "class-weight": "equal"}}"#,
        "RandomForestClassifier(random_state=seed)",
    ),
    noted(
        "a row drawn twice counts as two rows of a leaf here, as one there",
        classes(
            "random forest of 100, entropy, depth 8, 3 rows a leaf, balanced",
            r#"{"random-forest": {"criterion": "entropy", "max-depth": 8, "min-samples-leaf": 3, "max-features": SQRT}}"#,
            r#"RandomForestClassifier(criterion="entropy", max_depth=8, min_samples_leaf=3, class_weight="balanced", random_state=seed)"#,
        ),
    ),
    classes(
        "extra trees of 100",
        r#"{"extra-trees": {"max-features": SQRT, "class-weight": "equal"}}"#,
        "ExtraTreesClassifier(random_state=seed)",
    ),
    classes(
        "gradient boosting, 100 × 31 leaves",
        r#"{"gradient-boosting": {"trees": 100, "colsample-bytree": 1.0, "reg-lambda": 0.0}}"#,
        "HistGradientBoostingClassifier(early_stopping=False, random_state=seed)",
    ),
    classes(
        "gradient boosting, 200 × 8 leaves, rate 0.05, L2 1",
        r#"{"gradient-boosting": {"trees": 200, "num-leaves": 8, "learning-rate": 0.05, "colsample-bytree": 1.0, "reg-lambda": 1.0}}"#,
        "HistGradientBoostingClassifier(max_iter=200, max_leaf_nodes=8, learning_rate=0.05, l2_regularization=1, early_stopping=False, random_state=seed)",
    ),
    exact(standard(classes(
        "logistic regression, L2, C 1",
        r#"{"logistic-regression": {"tol": 1e-7, "max-iter": 5000, "class-weight": "equal"}}"#,
        "LogisticRegression(tol=1e-7, max_iter=5000)",
    ))),
    exact(standard(classes(
        "logistic regression, L2, C 0.01, balanced",
        r#"{"logistic-regression": {"l2": 100.0, "tol": 1e-7, "max-iter": 5000}}"#,
        r#"LogisticRegression(C=0.01, tol=1e-7, max_iter=5000, class_weight="balanced")"#,
    ))),
    exact(standard(classes(
        "logistic regression, L1, C 0.05",
        r#"{"logistic-regression": {"l2": 0.0, "l1": 20.0, "tol": 1e-7, "max-iter": 5000, "class-weight": "equal"}}"#,
        r#"LogisticRegression(l1_ratio=1, C=0.05, solver="saga", tol=1e-5, max_iter=5000, random_state=seed)"#,
    ))),
    exact(classes("naive Bayes", r#"{"naive-bayes": {}}"#, "GaussianNB()")),
    exact(standard(classes("5 nearest neighbours", r#"{"nearest-neighbours": {}}"#, "KNeighborsClassifier()"))),
    exact(standard(classes(
        "5 nearest neighbours by distance",
        r#"{"nearest-neighbours": {"by-distance": true}}"#,
        r#"KNeighborsClassifier(weights="distance")"#,
    ))),
    ensemble(
        "voting by the mean: naive Bayes, logistic regression, random forest",
        r#"{"voting": {"vote": "mean", "parts": [{"naive-bayes": {}}, {"logistic-regression": {}}, {"random-forest": {"max-features": SQRT}}]}}"#,
        r#"VotingClassifier([
            ("bayes", make_pipeline(FunctionTransformer(logarithm), GaussianNB())),
            ("logistic", make_pipeline(FunctionTransformer(logarithm), StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500))),
            ("forest", RandomForestClassifier(class_weight="balanced", random_state=seed)),
        ], voting="soft")"#,
    ),
    ensemble(
        "stacking: naive Bayes, logistic regression, random forest; logistic regression last",
        r#"{"stacking": {"folds-by": "rows", "last": {"logistic-regression": {"class-weight": "equal"}},
            "parts": [{"naive-bayes": {}}, {"logistic-regression": {}}, {"random-forest": {"max-features": SQRT}}]}}"#,
        r#"StackingClassifier([
            ("bayes", make_pipeline(FunctionTransformer(logarithm), GaussianNB())),
            ("logistic", make_pipeline(FunctionTransformer(logarithm), StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500))),
            ("forest", RandomForestClassifier(class_weight="balanced", random_state=seed)),
        ])"#,
    ),
    calibrated(
        "isotonic regression of naive Bayes",
        r#"{"naive-bayes": {}}"#,
        Calibration::Isotonic,
        r#"Calibrated(GaussianNB(), "isotonic")"#,
    ),
    exact(calibrated(
        "Platt's curve of naive Bayes",
        r#"{"naive-bayes": {}}"#,
        Calibration::Platt,
        r#"Calibrated(GaussianNB(), "sigmoid")"#,
    )),
    calibrated(
        "isotonic regression of a random forest",
        r#"{"random-forest": {"max-features": SQRT, "class-weight": "equal"}}"#,
        Calibration::Isotonic,
        r#"Calibrated(RandomForestClassifier(random_state=seed), "isotonic")"#,
    ),
    calibrated(
        "Platt's curve of a random forest",
        r#"{"random-forest": {"max-features": SQRT, "class-weight": "equal"}}"#,
        Calibration::Platt,
        r#"Calibrated(RandomForestClassifier(random_state=seed), "sigmoid")"#,
    ),
    anomalies(
        "isolation forest of 100 on 256 rows each",
        r#"{"isolation-forest": {"trees": 100, "sample": 256}}"#,
        "IsolationForest(max_samples=256, random_state=seed)",
    ),
    anomalies("Mahalanobis distance, shrunk by Ledoit and Wolf", r#"{"mahalanobis": {}}"#, "LedoitWolf()"),
    noted(
        "a value off a column that never varied lies far out here and does not count there, which digits show",
        anomalies(
            "Mahalanobis distance, not shrunk",
            r#"{"mahalanobis": {"shrinkage": 0.0}}"#,
            "EmpiricalCovariance()",
        ),
    ),
    noted(
        "columns that never varied as above; one start here, random ones there",
        of_http(
            Http::Twentieth,
            anomalies(
                "Mahalanobis distance, robust, support 0.75",
                r#"{"mahalanobis": {"shrinkage": 0.0, "support": 0.75}}"#,
                "MinCovDet(support_fraction=0.75, random_state=seed)",
            ),
        ),
    ),
    anomalies(
        "residual of two principal components",
        r#"{"principal-components": {"components": 2}}"#,
        "Residual(n_components=2)",
    ),
    noted(
        "one component at least is left over here, there none, so that rounding decides",
        anomalies(
            "residual of components that hold 90 % of the variance",
            r#"{"principal-components": {"variance": 0.9}}"#,
            r#"Residual(n_components=0.9, svd_solver="full")"#,
        ),
    ),
    of_http(
        Http::Quarter,
        anomalies(
            "mean distance from 5 neighbours",
            r#"{"neighbour-distance": {"rows": 200000}}"#,
            "MeanDistance(n_neighbors=5)",
        ),
    ),
    anomalies("HBOS, 10 bins", r#"{"histogram-score": {}}"#, "Outliers(HBOS())"),
    noted(
        "Li et al. 2022 as printed here; PyOD takes the larger tail column by column, and ranks the rows asked about among the training rows",
        anomalies("ECOD", r#"{"empirical-tails": {}}"#, "Outliers(ECOD())"),
    ),
];
