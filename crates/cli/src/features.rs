//! `lapwing features`: the table of the features.

use anyhow::Result;
use flow::features::FeatureSet;

/// Print the features that Lapwing computes of a flow: name, unit and meaning.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut table = crate::output::table(&["feature", "unit", "meaning"]);
    for feature in FeatureSet::lapwing().features() {
        table.add_row([feature.name, feature.unit, feature.meaning]);
    }
    println!("{table}");
    Ok(())
}
