//! The end of a run: the genotype in files, and its size.

use super::control::Control;
use super::error::EngineError;
use super::setup::Setup;
use crate::run::event::{Body, Level, Stage};
use crate::run::{FolderError, GENOTYPE_JSON, GENOTYPE_PYTHON, RunFolder};
use crate::space::Genotype;
use crate::space::count::{self, Network};

pub(super) fn run(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    genotype: &Genotype,
) -> Result<(), EngineError> {
    let clock = control.begin(Stage::Cell)?;
    let about = setup.dataset.summary();
    let network = Network {
        classes: about.classes(),
        input_channels: about.channels,
        height: about.height,
        width: about.width,
        ..Network::published(genotype.stacking, setup.stem)
    };
    let size = match count::evaluation(genotype, &network) {
        Ok(size) => Some(size),
        Err(e) => {
            control.log(Level::Warning, format!("the cell that was found is not counted: {e}"))?;
            None
        }
    };
    let mut json = serde_json::to_string_pretty(genotype).map_err(|e| FolderError::Io {
        action: "write",
        path: folder.file(GENOTYPE_JSON),
        source: e.into(),
    })?;
    json.push('\n');
    let python = format!("{}\n", genotype.python());
    for (name, text) in [(GENOTYPE_JSON, &json), (GENOTYPE_PYTHON, &python)] {
        control.persist(|_| Ok(folder.write_atomic(name, text.as_bytes())?))?;
    }
    let (parameters, macs) = (size.map(|s| s.parameters), size.map(|s| s.macs));
    control.emit(Body::Found { genotype: genotype.clone(), parameters, macs, stem: setup.stem })?;
    control.end(&clock)
}
