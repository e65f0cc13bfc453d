//! The tables, their splits, and how both are handed over to the other side.

use std::path::Path;

use anyhow::{Result, ensure};
use flow::{Column, Label, Table};
use model::evaluation::{Split, split};
use model::{Classes, Dataset, Grouping};

use super::shapes::{self, Shape};

/// A table with its splits.
pub(super) struct Tested {
    pub(super) name: &'static str,
    pub(super) width: usize,
    /// Row by row.
    values: Vec<f32>,
    pub(super) dataset: Dataset,
    /// The class of each row.
    pub(super) classes: Classes,
    /// One a seed, from 1: seven rows in ten of each class to learn from, three to be asked about.
    pub(super) splits: Vec<Split>,
}

impl Tested {
    /// A table that the other side has written.
    pub(super) fn read(folder: &Path, name: &'static str, width: usize, seeds: u64) -> Result<Tested> {
        let values = numbers(&folder.join(format!("{name}.values")), f32::from_le_bytes)?;
        let classes = numbers(&folder.join(format!("{name}.classes")), u32::from_le_bytes)?;
        ensure!(classes.len() * width == values.len(), "{name} is not {width} wide any more");
        Tested::new(name, width, values, classes, seeds)
    }

    /// The shape of http, every so many rows of it.
    pub(super) fn http(name: &'static str, step: usize, seeds: u64) -> Result<Tested> {
        Tested::shaped(name, shapes::http(), step, seeds)
    }

    /// The shape of smtp.
    pub(super) fn smtp(name: &'static str, seeds: u64) -> Result<Tested> {
        Tested::shaped(name, shapes::smtp(), 1, seeds)
    }

    fn shaped(name: &'static str, shape: Shape, step: usize, seeds: u64) -> Result<Tested> {
        let values = shape.values.chunks_exact(3).step_by(step).flatten().copied().collect();
        let classes = shape.outliers.into_iter().step_by(step).map(u32::from).collect();
        Tested::new(name, 3, values, classes, seeds)
    }

    fn new(name: &'static str, width: usize, values: Vec<f32>, classes: Vec<u32>, seeds: u64) -> Result<Tested> {
        let column = |at: usize| {
            Column::numbers(format!("{at:02}"), values.iter().skip(at).step_by(width).copied().collect::<Vec<f32>>())
        };
        let kind = |class: &u32| Label::new(&if *class == 0 { "benign".into() } else { format!("kind {class}") });
        let labels: Vec<Label> = classes.iter().map(kind).collect();
        let dataset = Dataset::labelled(Table::new((0..width).map(column).collect())?, &labels)?;
        let grouping = if classes.iter().all(|class| *class < 2) { Grouping::Binary } else { Grouping::Kinds };
        let Some(named) = Classes::of(&dataset, grouping) else { anyhow::bail!("{name} has no classes") };
        ensure!(named.codes() == classes, "the classes of {name} are not in order");
        let splits = (1..=seeds).map(|seed| split::stratified(&dataset, 0.3, seed)).collect::<Result<_, _>>()?;
        Ok(Tested { name, width, values, dataset, classes: named, splits })
    }

    /// Writes values, classes and splits for the other side.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let values = self.values.iter().map(|value| value.to_le_bytes());
        write(&folder.join(format!("{}.values", self.name)), values)?;
        let classes = self.classes.codes().iter().map(|code| code.to_le_bytes());
        write(&folder.join(format!("{}.classes", self.name)), classes)?;
        for (seed, split) in (1..).zip(&self.splits) {
            for (part, rows) in [("train", &split.train), ("test", &split.test)] {
                let rows = rows.iter().map(|&row| (row as u32).to_le_bytes());
                write(&folder.join(format!("{}.{part}.{seed}", self.name)), rows)?;
            }
        }
        Ok(())
    }
}

/// The numbers of a file.
pub(super) fn numbers<T, const N: usize>(path: &Path, from: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let bytes = std::fs::read(path)?;
    let (numbers, rest) = bytes.as_chunks::<N>();
    ensure!(rest.is_empty(), "{} is cut short", path.display());
    Ok(numbers.iter().map(|bytes| from(*bytes)).collect())
}

fn write(path: &Path, numbers: impl Iterator<Item = [u8; 4]>) -> Result<()> {
    std::fs::write(path, numbers.flatten().collect::<Vec<u8>>())?;
    Ok(())
}
