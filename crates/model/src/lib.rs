//! Learning and judging.
//!
//! A [`Dataset`] is a table with its truth, where there is any. An [`Encoder`] makes of its rows the numbers that an
//! estimator wants, a [`Selection`] chooses among its columns, and [`Classes`] say what a classifier is to tell apart. A
//! [`Method`] holds the settings of one estimator and fits a [`Model`], which can only score. What is saved and run is a
//! [`Detector`]: columns, encoder, model, threshold and provenance in one file; a [`Continuation`] lets one learn on.
//! An [`Explainer`] tells why a row scores as it does, and [`evaluation`] says how good any of these is without fooling
//! its reader.
//!
//! A score lies in 0..=1 and higher is worse, for every model. The same rows, settings and seed give the same bytes,
//! whatever the number of threads.
//!
//! This crate does not read files, does not know where rows come from, and does not decide what becomes of an alarm.
//!
//! ```
//! use flow::{Column, Label, Table};
//! use model::{Dataset, Detector, Method, Plan};
//!
//! let bytes: Vec<f32> = (0..200).map(|row| if row % 10 == 0 { 9_000.0 } else { 100.0 + row as f32 }).collect();
//! let labels: Vec<Label> =
//!     (0..200).map(|row| Label::new(if row % 10 == 0 { "exfiltration" } else { "normal" })).collect();
//! let table = Table::new(vec![Column::numbers("bytes", bytes)]).unwrap();
//! let dataset = Dataset::labelled(table, &labels).unwrap();
//!
//! let plan = Plan { method: Method::RandomForest(Default::default()), ..Plan::default() };
//! let detector = Detector::train(&dataset, &plan).unwrap();
//!
//! let new = Table::new(vec![Column::numbers("bytes", vec![120.0, 9_000.0])]).unwrap();
//! let verdicts = detector.judge(&new).unwrap();
//! assert!(!verdicts[0].alarm && verdicts[1].alarm);
//! ```

mod calibration;
mod card;
mod classes;
mod conformal;
mod continuation;
mod dataset;
mod detector;
mod encoder;
pub mod ensemble;
mod error;
pub mod estimator;
pub mod evaluation;
mod explain;
mod learn;
mod learner;
mod matrix;
pub mod page;
mod refusal;
mod schema;
mod selection;
mod space;
mod supplement;

pub use calibration::{Calibration, Calibrator};
pub use classes::{Classes, Grouping, Probabilities};
pub use conformal::Conformal;
pub use continuation::{Continuation, Continued, Learning};
pub use dataset::Dataset;
pub use detector::{Detector, Plan, Provenance, Verdict};
pub use encoder::{Categories, Encoder, Missing, Recipe, Scaling};
pub use error::Error;
pub use estimator::{Method, Model};
pub use explain::{
    Asked, Change, Condition, Counterfactual, Explainer, Explaining, Explanation, Means, Path, Quantity, Side, brief,
    cell, rule,
};
pub use learner::Learner;
pub use matrix::{Feature, Matrix};
pub use refusal::{Identity, Refuse};
pub use schema::{Field, Kind, Schema};
pub use selection::{Keep, Scored, Selected, Selection, select};
pub use supplement::Supplement;
