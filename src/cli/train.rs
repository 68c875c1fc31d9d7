//! Training a genotype from scratch, as a run of its own.

use clap::Args;
use color_eyre::eyre;

use super::begin::Made;
use super::exit::{Exit, Usage};
use super::genotype::WhichArguments;
use super::launch::{Confirming, How};
use super::place::Place;
use super::run::{Beginning, stem};
use super::settings::SettingArguments;
use crate::run::summary::Summary;
use crate::run::{FolderError, RunFolder};

#[derive(Args, Debug)]
pub struct TrainArguments {
    /// A run, whose genotype is trained on its data; or a genotype as text, a file or log that holds one (`FILE`, `FILE:NAME`,
    /// `-` for standard input), a published cell (`DARTS_V2`), or six digits or the index of a cell of NAS-Bench-201.
    genotype: String,
    #[command(flatten)]
    which: WhichArguments,
    #[command(flatten)]
    settings: SettingArguments,
    /// Name of the run; else one is made up.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    beginning: Beginning,
}

pub fn run(place: &Place, a: &TrainArguments) -> eyre::Result<Exit> {
    let runs = place.folder()?;
    a.settings.without_search()?;
    // A run's name is tried first: it is what stands in the list.
    let (mut config, genotype) = match place.run_or_genotype(&a.genotype) {
        Ok(folder) => {
            let Some(genotype) = Summary::read(&folder).summary.genotype else {
                let name = folder.name();
                return Err(Usage(format!("{name} has no genotype yet; its search has not ended an epoch")).into());
            };
            // Its data, its seed and its device; the size is that of the preset.
            let mut own = folder.config()?;
            own.train = a.settings.base()?.train;
            own.device.precision = crate::nn::Precision::Float32;
            (a.settings.over(own)?, genotype)
        }
        Err(several @ FolderError::Several { .. }) => return Err(several.into()),
        Err(_) => (a.settings.config()?, a.which.find(&a.genotype)?.genotype),
    };
    config.train.genotype = genotype.to_string();
    let stem = format!("{}-train", stem(&config));
    let folder = RunFolder::create(&runs, a.name.as_deref(), &stem, &config)?;
    let how = How { confirming: Confirming::Automatic, force: false, queue: a.beginning.queue };
    a.beginning.run(place, folder, how, Made::Run)
}
